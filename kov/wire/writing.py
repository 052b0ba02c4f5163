"""Writes an answer as one version's schema says, straight from the handler's own type.

kio's schema classes say what a version consists of; the values are taken by name from any object that has
them. What the version lacks is left out, so a handler declares its answer once, with the fields of all
versions. kio's own writer wants an instance of the version's class, and takes three to four times as long.

How to write a type as a schema is worked out once per pair and kept; a pair that doesn't fit is a TypeError.
Values of the wrong type or range are defects of ours, and raise whatever they raise; a string that is too
long for its form is a `ProtocolError`.

A value of bytes may be declared as a tuple of pieces, which are appended as they are.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import Field, fields, is_dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Final, TypeAlias, get_type_hints
from uuid import UUID

from kio.static.protocol import Entity

from kov.errors import ProtocolError
from kov.wire.schema import (
    element,
    fixed_format,
    format_of,
    is_entity,
    kind,
    structure,
    tagged,
    untagged,
    uvarint,
    without_none,
)

_Append: TypeAlias = Callable[[bytes], None]
_Write: TypeAlias = Callable[[_Append, object], None]
_Convert: TypeAlias = Callable[[object], object]

_MS: Final = timedelta(milliseconds=1)
_NO_UUID: Final = bytes(16)
_MAX_STRING_BYTES: Final = 2**15 - 1
_INT16: Final = struct.Struct(">h")
_INT32: Final = struct.Struct(">i")

_writers: Final[dict[tuple[object, object], _Write]] = {}


def writer(schema: type[Entity], declared: type[object]) -> _Write:
    """Appends the bytes of a `declared` as `schema`. TypeError if a field is missing that isn't tagged."""
    known = _writers.get((schema, declared))
    if known is None:
        known = _writers[schema, declared] = _new_writer(schema, declared)
    return known


def _new_writer(schema: type[Entity], declared: type[object]) -> _Write:
    given = get_type_hints(declared)
    for field in untagged(schema):
        if field.name not in given:
            raise TypeError(f"{declared.__qualname__} lacks {schema.__qualname__}.{field.name}")
    steps: list[_Write] = []
    for fixed, run in groupby(untagged(schema), key=lambda field: fixed_format(field) is not None):
        if fixed:
            steps.append(_fixed(list(run)))
        else:
            steps += [_from_attribute(field.name, _value(field, given, schema)) for field in run]
    if schema.__flexible__:
        steps.append(_tags(schema, declared, given))

    def write(append: _Append, value: object) -> None:
        for step in steps:
            step(append, value)

    return write


def _from_attribute(name: str, write: _Write) -> _Write:
    get = attrgetter(name)
    return lambda append, value: write(append, get(value))


# Fields of a fixed size: neighbours are packed together.


def _fixed(run: Sequence[Field[object]]) -> _Write:
    pack = struct.Struct(">" + "".join(str(fixed_format(field)) for field in run)).pack
    conversions = [(at, _CONVERSIONS[kind(f)]) for at, f in enumerate(run) if kind(f) in _CONVERSIONS]
    names = [field.name for field in run]
    if len(names) == 1:
        (name,) = names
        convert = conversions[0][1] if conversions else _unchanged
        return lambda append, value: append(pack(convert(getattr(value, name))))
    get = attrgetter(*names)
    if not conversions:
        return lambda append, value: append(pack(*get(value)))

    def write(append: _Append, value: object) -> None:
        values = list(get(value))
        for at, convert in conversions:
            values[at] = convert(values[at])
        append(pack(*values))

    return write


def _unchanged(value: object) -> object:
    return value


def _milliseconds(value: object) -> object:
    assert isinstance(value, timedelta)
    return value // _MS


def _since_epoch(value: object) -> object:
    """A handler may give milliseconds, for what a client chose need not be a time of Python's."""
    if isinstance(value, datetime):
        return round(value.timestamp() * 1000)
    return -1 if value is None else value


def _uuid(value: object) -> object:
    return value.bytes if isinstance(value, UUID) else _NO_UUID


_CONVERSIONS: Final[dict[str, _Convert]] = {
    "timedelta_i32": _milliseconds,
    "timedelta_i64": _milliseconds,
    "datetime_i64": _since_epoch,
    "uuid": _uuid,
}


# Everything else.


def _value(field: Field[object], given: dict[str, object], schema: type[Entity]) -> _Write:
    """How to write the value of a field of variable size, or of any tagged field."""
    flexible = schema.__flexible__
    optional, wanted = without_none(field.type)
    _, source = without_none(given[field.name])
    item = element(wanted)
    if is_entity(item):
        return _array(writer(item, structure(element(source))), flexible)
    if item is not None:
        return _array(_primitive(kind(field), flexible), flexible)
    if is_entity(wanted):
        inner = writer(wanted, structure(source))
        return _nullable(inner) if optional and "tag" not in field.metadata else inner
    if element(source) is bytes:
        return _pieces(flexible)
    return _primitive(kind(field), flexible)


def _nullable(write: _Write) -> _Write:
    """A structure that may be null (KIP-893): one byte says which."""

    def write_nullable(append: _Append, value: object) -> None:
        append(b"\xff" if value is None else b"\x01")
        if value is not None:
            write(append, value)

    return write_nullable


def _primitive(kind: str, flexible: bool) -> _Write:
    form = format_of(kind)
    if form is not None:
        pack, convert = struct.Struct(">" + form).pack, _CONVERSIONS.get(kind, _unchanged)
        return lambda append, value: append(pack(convert(value)))
    if flexible:
        return _write_compact
    return _write_string if kind == "string" else _write_bytes


def _encoded(value: object) -> bytes | memoryview | None:
    if isinstance(value, str):
        return value.encode()
    assert value is None or isinstance(value, bytes | memoryview)
    return value


def _write_compact(append: _Append, value: object) -> None:
    data = _encoded(value)
    append(b"\0" if data is None else uvarint(len(data) + 1))
    if data:
        append(bytes(data))


def _write_string(append: _Append, value: object) -> None:
    data = _encoded(value)
    if data is not None and len(data) > _MAX_STRING_BYTES:
        # Most often a name of the client's own, which grew when it was found not to be UTF-8.
        raise ProtocolError(f"a string of {len(data)} bytes has no form in this version of the answer")
    append(_INT16.pack(-1 if data is None else len(data)))
    if data:
        append(bytes(data))


def _write_bytes(append: _Append, value: object) -> None:
    data = _encoded(value)
    append(_INT32.pack(-1 if data is None else len(data)))
    if data:
        append(bytes(data))


def _pieces(flexible: bool) -> _Write:
    """Bytes that lie in several places, and needn't be brought together."""

    def write_pieces(append: _Append, value: object) -> None:
        assert isinstance(value, tuple)
        size = sum(map(len, value))
        append(uvarint(size + 1) if flexible else _INT32.pack(size))
        for piece in value:
            append(piece)

    return write_pieces


def _array(write: _Write, flexible: bool) -> _Write:
    def write_array(append: _Append, value: object) -> None:
        assert value is None or isinstance(value, tuple)
        count = -1 if value is None else len(value)
        append(uvarint(count + 1) if flexible else _INT32.pack(count))
        for item in value or ():
            write(append, item)

    return write_array


def _tags(schema: type[Entity], declared: type[object], given: dict[str, object]) -> _Write:
    """The section at the end of a flexible structure: a field that has its declared default is left out."""
    defaults = {field.name: field.default for field in _declared_fields(declared)}
    known = [
        (tag, field.name, defaults[field.name], _value(field, given, schema))
        for tag, field in tagged(schema).items()
        if field.name in given
    ]
    if not known:
        return lambda append, _: append(b"\0")

    def write_tags(append: _Append, value: object) -> None:
        count, pieces = 0, list[bytes]()
        for tag, name, default, write in known:
            content = getattr(value, name)
            if content is default or content == default:
                continue
            written = list[bytes]()
            write(written.append, content)
            data = b"".join(written)
            pieces += [uvarint(tag), uvarint(len(data)), data]
            count += 1
        append(uvarint(count))
        append(b"".join(pieces))

    return write_tags


def _declared_fields(declared: type[object]) -> tuple[Field[object], ...]:
    assert is_dataclass(declared)
    return fields(declared)
