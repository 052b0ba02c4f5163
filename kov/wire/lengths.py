"""Walks a request body before kio decodes it. Two things of kio's native reader make that necessary:

- it reserves memory for the length that an array claims before it reads the first element, so that two
  damaged bytes would end the process: here every length must fit into what is left;
- it refuses tagged fields that its schema doesn't know, and a newer client may send them in any flexible
  version (KIP-482): here they are taken out.

The walk knows each version's fields from kio's own schema classes. It also bounds the number of array
elements, since each becomes an object.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import Field, dataclass, fields, is_dataclass
from functools import cache
from types import NoneType
from typing import Final, TypeAlias, TypeGuard, get_args

from kio.static.protocol import Entity

from kov.errors import ProtocolError
from kov.wire.frames import Frame

MAX_ELEMENTS: Final = 500_000
_FIXED: Final = {
    "bool": 1, "int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "error_code": 2,
    "int32": 4, "uint32": 4, "timedelta_i32": 4, "int64": 8, "uint64": 8, "float64": 8,
    "timedelta_i64": 8, "datetime_i64": 8, "uuid": 16,
}  # fmt: skip
_INT16: Final = struct.Struct(">h")
_INT32: Final = struct.Struct(">i")


class Walk:
    """One pass over one body. `left`: how many more array elements it may have; `patches`: tag sections to
    replace, as (begin, end, new bytes), in order and none within another.
    """

    __slots__ = ("data", "end", "left", "patches")

    def __init__(self, data: Frame) -> None:
        self.data = data
        self.end = len(data)
        self.left = MAX_ELEMENTS
        self.patches: list[tuple[int, int, bytes]] = []

    def need(self, offset: int, count: int) -> int:
        """The offset behind `count` bytes, which must be there."""
        if count < 0 or count > self.end - offset:
            raise ProtocolError("a length doesn't fit into the request")
        return offset + count

    def patched(self, begin: int, end: int, first: int) -> bytes:
        """The bytes from `begin` to `end` with the patches from number `first` on, which lie within."""
        pieces = []
        for start, behind, new in self.patches[first:]:
            pieces += [self.data[begin:start], new]
            begin = behind
        return b"".join([*pieces, self.data[begin:end]])


_Step: TypeAlias = Callable[[Walk, int], int]


@dataclass(frozen=True, slots=True)
class _Shape:
    """How to walk one kind of value, and the least number of bytes it takes."""

    step: _Step
    least: int


def readable(entity_type: type[Entity], data: Frame, offset: int) -> tuple[Frame, int]:
    """The body at `offset` as bytes and an offset that kio can read: as a rule those given, and no copy.

    Raises `ProtocolError` unless every length of the body fits into `data`.
    """
    walk = Walk(data)
    try:
        end = _entity(entity_type).step(walk, offset)
    except (IndexError, struct.error) as error:
        raise ProtocolError("the request ends too early") from error
    return (walk.patched(offset, end, 0), 0) if walk.patches else (data, offset)


def skip_tags(walk: Walk, offset: int) -> int:
    """The offset behind a tag section; what the tags hold isn't looked at."""
    count, offset = read_uvarint(walk, offset)
    for _ in range(count):
        _, offset = read_uvarint(walk, offset)
        size, offset = read_uvarint(walk, offset)
        offset = walk.need(offset, size)
    return offset


def read_uvarint(walk: Walk, offset: int) -> tuple[int, int]:
    """An unsigned varint of at most 5 bytes, and the offset behind it."""
    data = walk.data
    value = data[offset]
    if value < 0x80:
        return value, offset + 1
    value &= 0x7F
    for shift in (7, 14, 21, 28):
        offset += 1
        byte = data[offset]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, offset + 1
    raise ProtocolError("a varint has more than 5 bytes")


def _known_tag(walk: Walk, step: _Step, offset: int, behind: int) -> bytes:
    """The size and value of one tagged field, without unknown fields within."""
    before = len(walk.patches)
    if step(walk, offset) != behind:
        raise ProtocolError("a tagged field doesn't have the size it claims")
    value = walk.patched(offset, behind, before)
    return _uvarint(len(value)) + value


def _uvarint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


@cache
def _entity(entity_type: type[Entity]) -> _Shape:
    flexible = entity_type.__flexible__
    shapes = [_field(f, flexible) for f in fields(entity_type) if "tag" not in f.metadata]
    steps = [shape.step for shape in shapes]
    if flexible:
        tags = _tags(entity_type)
        steps.append(tags)

    def walk_entity(walk: Walk, offset: int) -> int:
        for step in steps:
            offset = step(walk, offset)
        return offset

    return _Shape(walk_entity, sum(shape.least for shape in shapes) + flexible)


def _tags(entity_type: type[Entity]) -> _Step:
    known = {f.metadata["tag"]: _field(f, True).step for f in fields(entity_type) if "tag" in f.metadata}

    def walk_tags(walk: Walk, offset: int) -> int:
        begin, before, kept = offset, len(walk.patches), []
        count, offset = read_uvarint(walk, offset)
        for _ in range(count):
            tag, offset = read_uvarint(walk, offset)
            size, offset = read_uvarint(walk, offset)
            behind = walk.need(offset, size)
            if tag in known:
                kept += [_uvarint(tag), _known_tag(walk, known[tag], offset, behind)]
            offset = behind
        if len(kept) < 2 * count or len(walk.patches) > before:
            walk.patches[before:] = [(begin, offset, b"".join([_uvarint(len(kept) // 2), *kept]))]
        return offset

    return walk_tags


def _field(field: Field[object], flexible: bool) -> _Shape:
    optional, declared = _without_none(field.type)
    element = _element(declared)
    kind: str | None = field.metadata.get("kafka_type")
    if element is not None:
        inner = _entity(element) if is_entity(element) else _value(str(kind), flexible)
        return _array(inner, flexible, optional)
    if is_entity(declared):
        return _nullable(_entity(declared)) if optional and "tag" not in field.metadata else _entity(declared)
    return _value(str(kind), flexible)


def _without_none(declared: object) -> tuple[bool, object]:
    """Whether a field may be null, and its type without that."""
    members = get_args(declared)
    if NoneType not in members:
        return False, declared
    (only,) = (member for member in members if member is not NoneType)
    return True, only


def _element(declared: object) -> object | None:
    """`T` of `tuple[T, ...]`, None for anything else."""
    members = get_args(declared)
    return members[0] if len(members) == 2 and members[1] is ... else None


def is_entity(declared: object) -> TypeGuard[type[Entity]]:
    """Whether the type of a schema field is a structure with fields of its own."""
    return isinstance(declared, type) and is_dataclass(declared)


def _value(kind: str, flexible: bool) -> _Shape:
    if kind in _FIXED:
        return _fixed(_FIXED[kind])
    if flexible:
        return _Shape(_walk_compact, 1)
    return _Shape(_walk_string, 2) if kind == "string" else _Shape(_walk_bytes, 4)


def _fixed(size: int) -> _Shape:
    return _Shape(lambda walk, offset: walk.need(offset, size), size)


def _walk_compact(walk: Walk, offset: int) -> int:
    length, offset = read_uvarint(walk, offset)
    return walk.need(offset, length - 1) if length else offset


def _walk_string(walk: Walk, offset: int) -> int:
    length: int = _INT16.unpack_from(walk.data, offset)[0]
    return offset + 2 if length == -1 else walk.need(offset + 2, length)


def _walk_bytes(walk: Walk, offset: int) -> int:
    length: int = _INT32.unpack_from(walk.data, offset)[0]
    return offset + 4 if length == -1 else walk.need(offset + 4, length)


def _nullable(inner: _Shape) -> _Shape:
    """A structure that may be null (KIP-893): one byte says which, negative for null."""

    def walk_nullable(walk: Walk, offset: int) -> int:
        return offset + 1 if walk.data[offset] >= 0x80 else inner.step(walk, offset + 1)

    return _Shape(walk_nullable, 1)


def _array(inner: _Shape, flexible: bool, optional: bool) -> _Shape:
    def walk_array(walk: Walk, offset: int) -> int:
        count, offset = _array_length(walk, offset, flexible)
        if count < 0 and not (optional and count == -1):
            raise ProtocolError(f"an array claims {count} elements")
        walk.left -= count
        if walk.left < 0 or count * inner.least > walk.end - offset:
            raise ProtocolError(f"an array claims {count} elements")
        for _ in range(count):
            offset = inner.step(walk, offset)
        return offset

    return _Shape(walk_array, 1 if flexible else 4)


def _array_length(walk: Walk, offset: int, flexible: bool) -> tuple[int, int]:
    if flexible:
        length, offset = read_uvarint(walk, offset)
        return length - 1, offset
    return _INT32.unpack_from(walk.data, offset)[0], offset + 4
