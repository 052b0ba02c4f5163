"""Reads a request as one version's schema says, straight into the handler's own type.

kio's schema classes say what a version consists of. A handler declares its request once, as frozen
dataclasses that hold the fields it wants from all versions, named as in kio: what a version lacks takes the
declared default, what isn't declared is passed over, and so are tagged fields that nobody knows (KIP-482).

Why not kio's own reader: it reserves memory for the length that an array claims before it reads the first
element, so that two damaged bytes end the process, and it refuses tagged fields that its schema doesn't know,
which newer clients may send. Here every length must fit into what is left.

How to read a schema as a type is worked out once per pair and kept; a pair that doesn't fit is a TypeError.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import timedelta
from itertools import groupby
from typing import Final, TypeAlias, TypeVar, cast, get_type_hints
from uuid import UUID

from kio.static.protocol import Entity

from kov.errors import ProtocolError
from kov.wire.cursor import Cursor
from kov.wire.schema import (
    element,
    fixed_format,
    format_of,
    is_entity,
    kind,
    structure,
    tagged,
    untagged,
    without_none,
)

T = TypeVar("T")
_Read: TypeAlias = Callable[[Cursor], object]
_Values: TypeAlias = dict[str, object]
_Step: TypeAlias = Callable[[Cursor, _Values], None]
_Convert: TypeAlias = Callable[[object], object]

_NO_UUID: Final = bytes(16)
_MAX_STRING_BYTES: Final = 2**15 - 1

_readers: Final[dict[tuple[object, object], _Read]] = {}


def reader(schema: type[Entity], declared: type[T]) -> Callable[[Cursor], T]:
    """Reads a `schema` as a `declared`. TypeError if that has a field without default that isn't in `schema`.

    The reader raises `ProtocolError`, `IndexError`, `struct.error` or `ValueError` for damage.
    """
    known = _readers.get((schema, declared))
    if known is None:
        known = _readers[schema, declared] = _new_reader(schema, declared)
    return cast("Callable[[Cursor], T]", known)


def _new_reader(schema: type[Entity], declared: type[object]) -> _Read:
    wanted = get_type_hints(declared)
    _check_fit(schema, declared)
    steps: list[_Step] = []
    for fixed, run in groupby(untagged(schema), key=lambda field: fixed_format(field) is not None):
        if fixed:
            steps.append(_fixed(list(run), wanted))
        else:
            steps += [_into(field.name, _value(field, wanted, schema.__flexible__), wanted) for field in run]
    if schema.__flexible__:
        steps.append(_tags(schema, wanted))

    def read(cursor: Cursor) -> object:
        values: _Values = {}
        for step in steps:
            step(cursor, values)
        return declared(**values)

    return read


def _check_fit(schema: type[Entity], declared: type[object]) -> None:
    if not is_dataclass(declared):
        raise TypeError(f"{declared.__qualname__} is not a dataclass")
    known = {field.name for field in fields(schema)}
    for field in fields(declared):
        if field.name not in known and field.default is MISSING and field.default_factory is MISSING:
            raise TypeError(
                f"{declared.__qualname__}.{field.name} has no default, and {schema.__qualname__} lacks it"
            )


def _into(name: str, read: _Read, wanted: dict[str, object]) -> _Step:
    """Keeps what was read, or drops what wasn't declared."""

    def keep(cursor: Cursor, values: _Values) -> None:
        values[name] = read(cursor)

    def drop(cursor: Cursor, _: _Values) -> None:
        read(cursor)

    return keep if name in wanted else drop


def _fixed(run: Sequence[Field[object]], wanted: dict[str, object]) -> _Step:
    """Fields of a fixed size: neighbours are unpacked together."""
    form = struct.Struct(">" + "".join(_padded(str(fixed_format(f)), keep=f.name in wanted) for f in run))
    unpack, size = form.unpack_from, form.size
    kept = [field for field in run if field.name in wanted]
    names = [field.name for field in kept]
    conversions = [(f.name, _CONVERSIONS[kind(f)]) for f in kept if kind(f) in _CONVERSIONS]

    def step(cursor: Cursor, values: _Values) -> None:
        values.update(zip(names, unpack(cursor.data, cursor.at), strict=True))
        cursor.at += size
        for name, convert in conversions:
            values[name] = convert(values[name])

    return step


def _padded(form: str, *, keep: bool) -> str:
    return form if keep else f"{struct.calcsize('>' + form)}x"


def _timedelta(value: object) -> object:
    """64 bits hold more than a `timedelta`: the longest there is stands for more."""
    assert isinstance(value, int)
    try:
        return timedelta(milliseconds=value)
    except OverflowError:
        return timedelta.max if value > 0 else timedelta.min


def _uuid(value: object) -> object:
    assert isinstance(value, bytes)
    return None if value == _NO_UUID else UUID(bytes=value)


_CONVERSIONS: Final[dict[str, _Convert]] = {
    "timedelta_i32": _timedelta,
    "timedelta_i64": _timedelta,
    "uuid": _uuid,
}


def _value(field: Field[object], wanted: dict[str, object], flexible: bool) -> _Read:
    """How to read a field of variable size, or any tagged one."""
    optional, given = without_none(field.type)
    _, target = without_none(wanted.get(field.name, given))
    item = element(given)
    if is_entity(item):
        inner = reader(item, structure(element(target)))
        return _array(inner, _least(item), flexible, optional)
    if item is not None:
        return _array(
            _primitive(kind(field), flexible, False), _least_of(kind(field), flexible), flexible, optional
        )
    if is_entity(given):
        inner = reader(given, structure(target))
        return _nullable(inner) if optional and "tag" not in field.metadata else inner
    return _primitive(kind(field), flexible, optional)


def _least(schema: type[Entity]) -> int:
    """The least number of bytes that a structure takes."""
    flexible = schema.__flexible__
    return flexible + sum(_least_field(field, flexible) for field in untagged(schema))


def _least_field(field: Field[object], flexible: bool) -> int:
    optional, given = without_none(field.type)
    if element(given) is not None:
        return 1 if flexible else 4
    if is_entity(given):
        return 1 if optional else _least(given)
    return _least_of(kind(field), flexible)


def _least_of(kind: str, flexible: bool) -> int:
    form = format_of(kind)
    if form is not None:
        return struct.calcsize(">" + form)
    return 1 if flexible else 2 if kind == "string" else 4


def _primitive(kind: str, flexible: bool, optional: bool) -> _Read:
    form = format_of(kind)
    if form is not None:
        return _single(struct.Struct(">" + form), _CONVERSIONS.get(kind))
    length = _compact_length if flexible else Cursor.int16 if kind == "string" else Cursor.int32
    text = kind == "string"

    def read(cursor: Cursor) -> object:
        size = length(cursor)
        if size == -1 and optional:
            return None
        if text and size > _MAX_STRING_BYTES:
            raise ProtocolError(f"a string of {size} bytes")  # as Kafka, whatever form the length has
        data = cursor.take(size)
        return str(data, "utf-8", "replace") if text else bytes(data)  # as Java reads a string

    return read


def _single(form: struct.Struct, convert: _Convert | None) -> _Read:
    def read(cursor: Cursor) -> object:
        value: object = form.unpack_from(cursor.data, cursor.at)[0]
        cursor.at += form.size
        return value if convert is None else convert(value)

    return read


def _compact_length(cursor: Cursor) -> int:
    return cursor.uvarint() - 1


def _nullable(read: _Read) -> _Read:
    """A structure that may be null (KIP-893): one byte says which, negative for null."""
    return lambda cursor: None if cursor.take(1)[0] >= 0x80 else read(cursor)


def _array(read: _Read, least: int, flexible: bool, optional: bool) -> _Read:
    length = _compact_length if flexible else Cursor.int32

    def read_array(cursor: Cursor) -> object:
        count = length(cursor)
        if count == -1 and optional:
            return None
        return tuple([read(cursor) for _ in range(cursor.array(count, least))])

    return read_array


def _tags(schema: type[Entity], wanted: dict[str, object]) -> _Step:
    known = {
        tag: (field.name, _value(field, wanted, True))
        for tag, field in tagged(schema).items()
        if field.name in wanted
    }
    if not known:
        return lambda cursor, _: cursor.skip_tags()

    def step(cursor: Cursor, values: _Values) -> None:
        for _ in range(cursor.uvarint()):
            tag, size = cursor.uvarint(), cursor.uvarint()
            begin = cursor.at
            cursor.take(size)
            if tag in known:
                end, cursor.at = cursor.at, begin
                name, read = known[tag]
                values[name] = read(cursor)
                if cursor.at != end:
                    raise ProtocolError("a tagged field doesn't have the size it claims")

    return step
