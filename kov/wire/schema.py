"""What kio's schema classes say about their fields, as reading and writing both need it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import Field, fields, is_dataclass
from functools import cache
from types import NoneType
from typing import Final, TypeAlias, TypeGuard, get_args

from kio.index import load_request_schema, load_response_schema
from kio.static.protocol import Entity, Payload

Schema: TypeAlias = type[Payload]
"""kio's class for the request or the response of one version of one API."""

_FORMATS: Final = {
    "bool": "?", "int8": "b", "int16": "h", "error_code": "h", "int32": "i", "int64": "q",
    "timedelta_i32": "i", "timedelta_i64": "q", "datetime_i64": "q", "uuid": "16s", "float64": "d",
}  # fmt: skip
_ONE_BYTE: Final = [bytes([value]) for value in range(0x80)]


@cache
def request_type(api_key: int, api_version: int) -> Schema:
    """Raises kio's lookup error for what kio doesn't know."""
    return load_request_schema(api_key, api_version)


@cache
def response_type(api_key: int, api_version: int) -> Schema:
    """Raises kio's lookup error for what kio doesn't know."""
    return load_response_schema(api_key, api_version)


def untagged(schema: type[Entity]) -> Sequence[Field[object]]:
    """The fields that stand one after the other, in order."""
    return [field for field in fields(schema) if "tag" not in field.metadata]


def tagged(schema: type[Entity]) -> dict[int, Field[object]]:
    """The fields of the section at the end of a flexible structure, by tag and in that order."""
    found = {field.metadata["tag"]: field for field in fields(schema) if "tag" in field.metadata}
    return dict(sorted(found.items()))


def kind(field: Field[object]) -> str:
    """Kafka's name for the type of a value, or of an array's elements, where it is no structure."""
    return str(field.metadata["kafka_type"])


def fixed_format(field: Field[object]) -> str | None:
    """The struct format of a field, None for one whose size depends on its value."""
    _, declared = without_none(field.type)
    if element(declared) is not None or is_entity(declared):
        return None
    return _FORMATS.get(kind(field))


def format_of(kind: str) -> str | None:
    """The struct format of a value of that kind, None for strings and bytes."""
    return _FORMATS.get(kind)


def without_none(declared: object) -> tuple[bool, object]:
    """Whether a field may be null, and its type without that."""
    members = get_args(declared)
    if NoneType not in members:
        return False, declared
    (only,) = (member for member in members if member is not NoneType)
    return True, only


def element(declared: object) -> object | None:
    """`T` of `tuple[T, ...]`, None for anything else."""
    members = get_args(declared)
    return members[0] if len(members) == 2 and members[1] is ... else None


def is_entity(declared: object) -> TypeGuard[type[Entity]]:
    """Whether the type of a schema field is a structure with fields of its own."""
    return isinstance(declared, type) and is_dataclass(declared)


def structure(declared: object) -> type[object]:
    """The type of our own that stands for a structure. TypeError for anything else."""
    _, inner = without_none(declared)
    if not is_entity(inner):
        raise TypeError(f"{declared} is not a structure")
    return inner


def uvarint(value: int) -> bytes:
    """An unsigned varint: seven bits a byte, the lowest first."""
    if value < 0x80:
        return _ONE_BYTE[value]
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
