"""Looking in over HTTP, as a probe or Prometheus does."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPResponse

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

Labels = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> dict[str, object]:
        found = json.loads(self.text)
        assert isinstance(found, dict)
        return found


async def get(url: str) -> Answer:
    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
        return Answer(answer.status, dict(answer.headers), await answer.text())


def get_sync(url: str) -> Answer:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            assert isinstance(answer, HTTPResponse)
            return Answer(answer.status, dict(answer.headers), answer.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, dict(error.headers), error.read().decode())


async def eventually(condition: Callable[[], Awaitable[bool]], *, timeout_s: float = 10.0) -> None:
    """Until it is true. TimeoutError after `timeout_s`."""
    async with asyncio.timeout(timeout_s):
        while not await condition():
            await asyncio.sleep(0.02)


class Samples:
    """A scrape: values by name and labels."""

    def __init__(self, text: str) -> None:
        self.families = {family.name: family for family in text_string_to_metric_families(text)}
        self._values = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self.families.values()
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float:
        """The sum of all samples of that name that have these labels, and perhaps others; 0 without any."""
        wanted = labels.items()
        return sum(
            value for (found, have), value in self._values.items() if found == name and wanted <= set(have)
        )

    def has(self, name: str, **labels: str) -> bool:
        wanted = labels.items()
        return any(found == name and wanted <= set(have) for found, have in self._values)

    def labels(self, name: str, label: str) -> set[str]:
        """All values of a label of that name."""
        return {dict(have)[label] for found, have in self._values if found == name and label in dict(have)}
