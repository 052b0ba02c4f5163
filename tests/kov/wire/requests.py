"""Requests as bytes, made by kio's writers, and random ones of any schema."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import TypeAlias, TypeVar, get_type_hints
from uuid import UUID

from kio.schema.errors import ErrorCode
from kio.serial import entity_reader, entity_writer
from kio.static.protocol import Entity as Structure
from kio.static.protocol import Payload

from kov.handlers import APIS
from kov.wire import schema as schemas
from kov.wire.schema import request_type

S = TypeVar("S", bound=Structure)
T = TypeVar("T")

Entity: TypeAlias = Payload
"""Any request or response of kio's."""

EVERY_VERSION = [(api.key, version) for api in APIS.values() for version in api.versions]


def request(key: int, version: int, body: object) -> Entity:
    """kio's request of that version with the fields of `body`, a handler's own request type.

    Fields that the handler doesn't look at are zero or empty.
    """
    return _filled(request_type(key, version), body)


_ZERO: Mapping[str, object] = {
    "bool": False, "int8": 0, "int16": 0, "int32": 0, "int64": 0, "string": "", "timedelta_i32": timedelta(0),
}  # fmt: skip


def _filled(schema: type[S], body: object) -> S:
    values = {}
    for field in fields(schema):
        optional, declared = schemas.without_none(field.type)
        element = schemas.element(declared)
        if hasattr(body, field.name):
            value = getattr(body, field.name)
            if value is not None and schemas.is_entity(element):
                value = tuple(_filled(element, item) for item in value)
            elif value is not None and schemas.is_entity(declared):
                value = _filled(declared, value)
            values[field.name] = value
        elif field.default is MISSING:
            zero = () if element is not None else _ZERO[field.metadata["kafka_type"]]
            values[field.name] = None if optional else zero
    return schema(**values)


def frame(body: Entity, *, correlation_id: int = 7, client_id: bytes | None = b"test") -> bytes:
    """A request without its size."""
    out = BytesIO()
    out.write(struct.pack(">hhi", body.__api_key__, body.__version__, correlation_id))
    out.write(struct.pack(">h", -1 if client_id is None else len(client_id)) + (client_id or b""))
    if body.__flexible__:
        out.write(b"\0")
    entity_writer(type(body))(out, body)
    return out.getvalue()


def sized(data: bytes) -> bytes:
    return struct.pack(">i", len(data)) + data


def decode_response(schema: type[S], data: bytes, *, tagged_header: bool) -> tuple[int, S]:
    """Correlation id and body of a response without its size; every byte must be used."""
    correlation_id: int = struct.unpack_from(">i", data)[0]
    offset = 5 if tagged_header else 4
    body, size = entity_reader(schema)(data, offset)
    assert offset + size == len(data)
    return correlation_id, body


def as_own(declared: type[T], entity: object) -> T:
    """A kio entity as a handler's own type; what the version lacks takes the default.

    Bytes that the handler gives in pieces are one piece here, and a time is in milliseconds.
    """
    hints = get_type_hints(declared)
    values = {name: getattr(entity, name) for name in hints if hasattr(entity, name)}
    for name, value in values.items():
        _, inner = schemas.without_none(hints[name])
        item = schemas.element(inner)
        if schemas.is_entity(item) and value is not None:
            values[name] = tuple(as_own(item, each) for each in value)
        elif schemas.is_entity(inner) and value is not None:
            values[name] = as_own(inner, value)
        elif item is bytes and isinstance(value, bytes):
            values[name] = (value,)
        elif declared_as_milliseconds(inner, entity, name):
            values[name] = -1 if value is None else round(value.timestamp() * 1000)
    return declared(**values)


def declared_as_milliseconds(declared: object, entity: object, name: str) -> bool:
    (field,) = [field for field in fields(entity) if field.name == name]  # type: ignore[arg-type]
    return declared is int and schemas.kind(field) == "datetime_i64"


def sample(schema: type[S], rng: random.Random) -> S:
    """An entity with random values, arrays of up to two elements, and nulls where they are allowed."""
    return schema(**{field.name: _sample(field, rng) for field in fields(schema)})


def _sample(field: Field[object], rng: random.Random) -> object:
    optional, declared = schemas.without_none(field.type)
    if optional and rng.random() < 0.3:
        return None
    element = schemas.element(declared)
    if element is not None:
        return tuple(_one(element, field.metadata, rng) for _ in range(rng.randrange(3)))
    return _one(declared, field.metadata, rng)


def _one(declared: object, metadata: Mapping[str, str], rng: random.Random) -> object:
    if schemas.is_entity(declared):
        return sample(declared, rng)
    return _VALUES[metadata["kafka_type"]](rng)


_VALUES: Mapping[str, Callable[[random.Random], object]] = {
    "bool": lambda rng: rng.random() < 0.5,
    "int8": lambda rng: rng.randrange(-128, 128),
    "int16": lambda rng: rng.randrange(-(2**15), 2**15),
    "int32": lambda rng: rng.randrange(-(2**31), 2**31),
    "int64": lambda rng: rng.randrange(-(2**63), 2**63),
    "string": lambda rng: rng.choice(["", "orders", "ä" * 70]),
    "bytes": lambda rng: rng.randbytes(rng.randrange(300)),
    "records": lambda rng: rng.randbytes(rng.randrange(300)),
    "timedelta_i32": lambda rng: timedelta(milliseconds=rng.randrange(-5, 2**31)),
    "timedelta_i64": lambda rng: timedelta(milliseconds=rng.randrange(-5, 2**40)),
    "error_code": lambda rng: rng.choice(list(ErrorCode)),
    "datetime_i64": lambda rng: datetime.fromtimestamp(rng.randrange(2**31), UTC),
    "uuid": lambda rng: UUID(int=rng.randrange(1, 2**128)),
    "float64": lambda rng: rng.random(),
}
