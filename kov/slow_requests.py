"""What is said of a request that took long, or failed: which one it was, whose, and what it was about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final, Protocol

from kov.handlers import Api
from kov.handlers.fetch import FetchRequest
from kov.handlers.produce import ProduceRequest
from kov.wire.messages import Head

_NAMED: Final = 4  # partitions of one request


class Asker(Protocol):
    @property
    def log_fields(self) -> Mapping[str, object]: ...


def may_wait_s(request: object) -> float:
    """How long it asks not to be answered."""
    return request.max_wait.total_seconds() if isinstance(request, FetchRequest) else 0.0


class InRequest:
    """One request, and who sent it."""

    __slots__ = ("_api", "_asker", "_head")

    def __init__(self, asker: Asker, api: Api, head: Head) -> None:
        self._asker = asker
        self._api = api
        self._head = head

    def __repr__(self) -> str:
        head = self._head
        return f"{self._api.name} v{head.api_version} (correlation {head.correlation_id}) of {self._asker!r}"

    @property
    def log_fields(self) -> Mapping[str, object]:
        return {
            **self._asker.log_fields,
            "api": self._api.name,
            "api_version": self._head.api_version,
            "correlation_id": self._head.correlation_id,
        }


class About:
    """The partitions that a request is about, the first ones by name."""

    __slots__ = ("_request",)

    def __init__(self, request: object) -> None:
        self._request = request

    def __str__(self) -> str:
        named = [f"{topic}/{index}" for topic, index in islice(_partitions(self._request), _NAMED + 1)]
        if not named:
            return "no partition in particular"
        return ", ".join([*named[:_NAMED], *(["..."] if len(named) > _NAMED else [])])

    @property
    def log_fields(self) -> Mapping[str, object]:
        topic, index = next(_partitions(self._request), (None, None))
        return {} if topic is None else {"topic": topic, "partition": index}


def _partitions(request: object) -> Iterator[tuple[str, int]]:
    match request:
        case ProduceRequest():
            for topic in request.topic_data:
                for part in topic.partition_data:
                    yield topic.name or str(topic.topic_id), part.index
        case FetchRequest():
            for asked in request.topics:
                for partition in asked.partitions:
                    yield asked.topic or str(asked.topic_id), partition.partition
