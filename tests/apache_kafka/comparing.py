"""Two answers to one request, field by field."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Final
from uuid import UUID

from tests.kov.kafka_table.side import Reply, Side, decoded

CLOSED: Final = "the connection is closed"
NO_ANSWER: Final = "no answer, and the connection stays open"
ABSENT: Final = "<absent>"

Plain = object
"""dicts, lists, texts, numbers: what an answer says, without the types that say how it was written."""

# What tells the elements of an array apart, so that their order doesn't matter.
_KEYS: Final = (
    "name", "topic", "topic_id", "index", "partition_index", "partition", "api_key", "key", "node_id",
    "config_name", "resource_name", "partition_id", "broker_id", "group_id", "error_code",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Difference:
    """`path` names a field, as in `responses[plain].partition_responses[0].error_code`."""

    path: str
    kafka: Plain
    kov: Plain

    def __str__(self) -> str:
        return f"{self.path}: Kafka says {self.kafka!r}, kov {self.kov!r}"


@dataclass(frozen=True, slots=True)
class Allowed:
    """A difference that is meant. `title` is what docs/protocol.md calls it, in bold.

    `api` is a key or None for all; `path` must match the whole path; `holds` may look at both values.
    """

    title: str
    api: int | None
    path: str
    holds: Callable[[Plain, Plain], bool] = lambda _kafka, _kov: True

    def covers(self, api_key: int, difference: Difference) -> bool:
        return (
            self.api in {None, api_key}
            and re.fullmatch(self.path, difference.path) is not None
            and self.holds(difference.kafka, difference.kov)
        )


def plain(side: Side, api_key: int, version: int, reply: Reply) -> Plain:
    """An answer as plain values, with names for the side's own uuids and addresses."""
    if reply.data is None:
        return NO_ANSWER if reply.open else CLOSED
    names = {uuid: f"<id of {name}>" for name, uuid in side.uuids.items()}
    return _plain(decoded(api_key, version, reply.data), side, names)


def _plain(value: object, side: Side, names: Mapping[UUID, str]) -> Plain:
    match value:
        case Enum():
            return value.name
        case tuple():
            return _unordered([_plain(each, side, names) for each in value])
        case UUID():
            return names.get(value, str(value))
        case datetime():
            return value.timestamp()
        case _ if is_dataclass(value):
            entity = {each.name: _plain(getattr(value, each.name), side, names) for each in fields(value)}
            return {
                name: "<port>" if name == "port" and each == side.port else each
                for name, each in entity.items()
            }
    return value


class Named(dict[str, Plain]):
    """An array's structures by what tells them apart."""


def _unordered(values: list[Plain]) -> Plain:
    """`Named` where that is possible, else the values in their order."""
    for key in _KEYS:
        if values and all(isinstance(each, dict) and key in each for each in values):
            named = Named({str(each[key]): each for each in values if isinstance(each, dict)})
            if len(named) == len(values):
                return named
    return values


def differences(kafka: Plain, kov: Plain, path: str = "") -> Iterator[Difference]:
    match kafka, kov:
        case dict(), dict():
            for name in [*kafka, *(each for each in kov if each not in kafka)]:
                below = f"{path}[{name}]" if isinstance(kafka, Named) else f"{path}.{name}".removeprefix(".")
                yield from differences(kafka.get(name, ABSENT), kov.get(name, ABSENT), below)
        case list(), list() if len(kafka) == len(kov):
            for position, (a, b) in enumerate(zip(kafka, kov, strict=True)):
                yield from differences(a, b, f"{path}[{position}]")
        case _ if kafka != kov:
            yield Difference(path, kafka, kov)


def unexplained(api_key: int, found: Iterable[Difference], allowed: Sequence[Allowed]) -> list[str]:
    return [str(each) for each in found if not any(one.covers(api_key, each) for one in allowed)]
