"""Requests that are what their schemas say, with values that nobody would send, by Hypothesis."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, fields
from datetime import timedelta
from typing import Final, TypeVar
from uuid import UUID

from hypothesis import strategies as st
from kio.static.protocol import Entity as Structure
from kio.static.protocol import Payload

from kov.wire import schema as schemas
from kov.wire.schema import request_type
from tests.fuzz import batches

S = TypeVar("S", bound=Structure)
_Values = st.SearchStrategy[object]
_ODD_NAMES: Final = (
    "",
    ".",
    "..",
    "a b",
    "x" * 249,
    "x" * 250,
    "made-by-hypothesis",
    "\u00e4",
    "__consumer_offsets",
)
_NAMES: Final = frozenset({"name", "topic", "topic_name", "topics", "resource_name", "topic_names"})
_CONFIGS: Final = ("max.message.bytes", "cleanup.policy", "message.timestamp.type", "retention.ms", "no.such")


@dataclass(frozen=True, slots=True)
class World:
    """What exists: names that requests may say, and uuids."""

    names: Sequence[str]
    uuids: Sequence[UUID]


def bodies(api_key: int, version: int, world: World) -> st.SearchStrategy[Payload]:
    """Requests of one version of one API, as kio's entities."""
    return _structures(request_type(api_key, version), world)


def _structures(schema: type[S], world: World) -> st.SearchStrategy[S]:
    return st.builds(schema, **{field.name: _field(field, world) for field in fields(schema)})


def _field(field: Field[object], world: World) -> _Values:
    optional, declared = schemas.without_none(field.type)
    item = schemas.element(declared)
    if item is not None:
        values: _Values = st.lists(_one(field, item, world), max_size=3).map(tuple)
    else:
        values = _one(field, declared, world)
    return st.one_of(values, st.none()) if optional else values


def _one(field: Field[object], declared: object, world: World) -> _Values:
    if schemas.is_entity(declared):
        return _structures(declared, world)
    if field.name in _SPECIAL:
        return _SPECIAL[field.name]
    kind = schemas.kind(field)
    if kind == "string":
        known = st.sampled_from([*world.names, *_ODD_NAMES])
        return known if field.name in _NAMES else st.one_of(known, st.sampled_from(_CONFIGS), _TEXTS)
    if kind == "uuid":
        return st.one_of(st.sampled_from(world.uuids), st.uuids().filter(lambda uuid: uuid.int != 0))
    return _KINDS[kind]


def _integers(bits: int) -> _Values:
    least, most = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    return st.one_of(st.sampled_from((0, 1, 2, -1, least, most)), st.integers(least, most))


def _milliseconds(bits: int) -> _Values:
    """Of either sign, and no longer than a timedelta holds."""
    most = min(2 ** (bits - 1) - 1, 10**13)
    return st.sampled_from((0, 1, 50, 30_000, -1, -(10**9), most)).map(lambda ms: timedelta(milliseconds=ms))


def _batch(seed: int) -> bytes:
    return batches.mutate(b"", random.Random(seed))


_TEXTS: Final[_Values] = st.text(st.characters(codec="utf-8"), max_size=40)
_KINDS: Final[Mapping[str, _Values]] = {
    "bool": st.booleans(),
    "int8": _integers(8),
    "int16": _integers(16),
    "int32": _integers(32),
    "int64": _integers(64),
    "records": st.one_of(st.integers(0, 2**32).map(_batch), st.binary(max_size=100)),
    "bytes": st.binary(max_size=100),
    "timedelta_i32": _milliseconds(32),
    "timedelta_i64": _milliseconds(64),
}
_SPECIAL: Final[Mapping[str, _Values]] = {
    "max_wait": st.sampled_from((0, 1, 20, -1)).map(lambda ms: timedelta(milliseconds=ms)),
    "num_partitions": st.sampled_from((-1, 0, 1, 2, 2**31 - 1, -5)),
    "count": st.sampled_from((-1, 0, 1, 3, 20_000, 2**31 - 1)),
    "acks": st.sampled_from((-1, -1, 1, 0, 2, -2)),
    "partition": st.sampled_from((0, 1, 2, -1, 99, 2**31 - 1)),
    "partition_index": st.sampled_from((0, 1, 2, -1, 99, 2**31 - 1)),
    "index": st.sampled_from((0, 1, 2, -1, 99, 2**31 - 1)),
    "session_epoch": st.sampled_from((-1, -1, 0, 1, 5)),
}
