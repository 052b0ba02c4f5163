"""Where the fields of a request or an answer lie in its bytes, along kio's schemas.

A second reader beside kov's own, which it is compared with: what this one can walk through must be answered,
and what it can't must not.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import Field, dataclass
from enum import Enum, auto
from typing import Final

from kio.static.protocol import Entity, Payload

from kov.wire import schema as schemas

HEAD_SIZE: Final = 8
MAX_STRING_BYTES: Final = 2**15 - 1
_CLIENT_ID: Final = "client_id"


class What(Enum):
    NUMBER = auto()
    UUID = auto()
    LENGTH = auto()  # of the TEXT or BYTES right behind it
    COUNT = auto()  # of the ELEMENTs right behind it
    TEXT = auto()
    BYTES = auto()
    ELEMENT = auto()
    NULL_MARK = auto()
    TAG_COUNT = auto()
    TAG = auto()
    TAG_SIZE = auto()


@dataclass(frozen=True, slots=True)
class Span:
    """`[begin, end)` of the bytes is that. `compact`: a varint, of the length plus one where null is allowed.

    `head` is the LENGTH or COUNT before a TEXT, BYTES or ELEMENT.
    """

    what: What
    name: str
    begin: int
    end: int
    compact: bool = False
    head: Span | None = None


class Malformed(Exception):
    """The bytes aren't what the schema says."""


@dataclass(frozen=True, slots=True)
class Layout:
    """`doubtful`: a tagged field isn't what its schema says, which only matters to those who want it."""

    spans: list[Span]
    end: int
    doubtful: bool


def of_request(frame: bytes, schema: type[Payload]) -> Layout:
    """The fields behind the correlation id of a request without its size. Raises `Malformed`."""
    walk = _Walk(frame, HEAD_SIZE)
    walk.content(_CLIENT_ID, "string", compact=False, optional=True)
    if schema.__flexible__:
        walk.tags({})
    return walk.finish(schema)


def of_answer(data: bytes, schema: type[Payload], *, tagged_header: bool) -> Layout:
    """The fields behind the correlation id of an answer without its size. Raises `Malformed`."""
    walk = _Walk(data, 4)
    if tagged_header:
        walk.tags({})
    return walk.finish(schema)


class _Walk:
    def __init__(self, data: bytes, at: int) -> None:
        self.data = data
        self.at = at
        self.left = 500_000  # elements: kov's own bound
        self.spans: list[Span] = []
        self.doubtful = False

    def finish(self, schema: type[Payload]) -> Layout:
        self.structure(schema)
        return Layout(self.spans, self.at, self.doubtful)

    def _take(self, what: What, name: str, size: int, *, head: Span | None = None) -> Span:
        if size < 0 or self.at + size > len(self.data):
            raise Malformed(f"{name}: {size} bytes at {self.at} of {len(self.data)}")
        return self._add(what, name, self.at + size, head=head)

    def _add(
        self, what: What, name: str, end: int, *, compact: bool = False, head: Span | None = None
    ) -> Span:
        span = Span(what, name, self.at, end, compact, head)
        self.spans.append(span)
        self.at = end
        return span

    def _varint(self, what: What, name: str) -> tuple[int, Span]:
        value = 0
        for n in range(5):
            if self.at + n >= len(self.data):
                raise Malformed(f"{name}: a varint is cut")
            byte = self.data[self.at + n]
            value |= (byte & 0x7F) << 7 * n
            if byte < 0x80:
                return value, self._add(what, name, self.at + n + 1, compact=True)
        raise Malformed(f"{name}: a varint of more than five bytes")

    def _length(self, what: What, name: str, size: int, *, compact: bool) -> tuple[int, Span]:
        if compact:
            value, span = self._varint(what, name)
            return value - 1, span
        span = self._take(what, name, size)
        return int.from_bytes(self.data[span.begin : span.end], "big", signed=True), span

    def structure(self, schema: type[Entity]) -> None:
        for field in schemas.untagged(schema):
            self._field(field, schema.__flexible__)
        if schema.__flexible__:
            self.tags(schemas.tagged(schema))

    def _field(self, field: Field[object], flexible: bool) -> None:
        optional, declared = schemas.without_none(field.type)
        item = schemas.element(declared)
        if item is not None:
            self._array(field, item, flexible, optional)
        elif schemas.is_entity(declared):
            if optional and "tag" not in field.metadata:
                mark = self._take(What.NULL_MARK, field.name, 1)
                if self.data[mark.begin] >= 0x80:
                    return
            self.structure(declared)
        else:
            self.content(field.name, schemas.kind(field), compact=flexible, optional=optional)

    def _array(self, field: Field[object], item: object, flexible: bool, optional: bool) -> None:
        count, head = self._length(What.COUNT, field.name, 4, compact=flexible)
        if count == -1 and optional:
            return
        self.left -= count
        if count < 0 or count > len(self.data) - self.at or self.left < 0:
            raise Malformed(f"{field.name}: {count} elements")
        for _ in range(count):
            begin = self.at
            if schemas.is_entity(item):
                self.structure(item)
            else:
                self.content(field.name, schemas.kind(field), compact=flexible, optional=False)
            self.spans.append(Span(What.ELEMENT, field.name, begin, self.at, head=head))

    def content(self, name: str, kind: str, *, compact: bool, optional: bool) -> None:
        """A value that is no structure and no array."""
        form = schemas.format_of(kind)
        if form is not None:
            self._take(What.UUID if kind == "uuid" else What.NUMBER, name, struct.calcsize(">" + form))
            return
        text = kind == "string"
        length, head = self._length(What.LENGTH, name, 2 if text else 4, compact=compact)
        if length == -1 and optional:
            return
        if text and length > MAX_STRING_BYTES:
            raise Malformed(f"{name}: a string of {length} bytes")
        self._take(What.TEXT if text else What.BYTES, name, length, head=head)

    def tags(self, known: dict[int, Field[object]]) -> None:
        count, _ = self._varint(What.TAG_COUNT, "tags")
        for _ in range(count):
            tag, _ = self._varint(What.TAG, "tag")
            size, _ = self._varint(What.TAG_SIZE, "tag size")
            if size > len(self.data) - self.at:
                raise Malformed(f"tag {tag} claims {size} bytes")
            self._tag(known.get(tag), self.at + size)

    def _tag(self, field: Field[object] | None, end: int) -> None:
        before = len(self.spans)
        if field is not None:
            begin = self.at
            try:
                self._field(field, flexible=True)
            except Malformed:
                self.doubtful = True
            self.doubtful |= self.at != end
            if self.at != end:
                del self.spans[before:]
                self.at = begin
        self.at = end


def elements(layout: Layout) -> Iterator[list[Span]]:
    """The elements of each array that has some."""
    arrays: dict[Span, list[Span]] = {}
    for span in layout.spans:
        if span.what is What.ELEMENT and span.head is not None:
            arrays.setdefault(span.head, []).append(span)
    yield from arrays.values()
