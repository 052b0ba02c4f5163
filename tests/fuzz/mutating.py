"""Requests with faults made by knowledge of their schemas. Everything is drawn from the given `Random`."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from kov.handlers import APIS
from kov.wire.schema import request_type, uvarint
from tests.fuzz import batches, layout
from tests.fuzz.layout import Layout, Malformed, Span, What

HEAD: Final = struct.Struct(">hhi")
_GROWN_BYTES: Final = 8 * 1024 * 1024
"""An array of many equal elements gets no larger: a few large ones in each other would fill the memory."""
_FORMS: Final = {1: ">b", 2: ">h", 4: ">i", 8: ">q"}


@dataclass(frozen=True, slots=True)
class Pool:
    """What mutations draw from: whole requests without their sizes, and names and uuids that exist."""

    requests: Sequence[bytes]
    names: Sequence[str] = ()
    uuids: Sequence[UUID] = ()


def mutated(pool: Pool, rng: random.Random) -> bytes:
    """A request without its size: a recorded one with up to four faults, or as it came."""
    frame = rng.choice(pool.requests)
    for _ in range(rng.choice((0, 1, 1, 1, 2, 2, 3, 4))):
        found = laid_out(frame)
        change = rng.choice(_BLIND if found is None else _KNOWING)
        frame = change(_Draw(frame, found or Layout([], 0, False), pool, rng))
    return frame


def laid_out(frame: bytes) -> Layout | None:
    """Where its fields lie; None for a request that isn't well-formed, or that nobody serves."""
    if len(frame) < HEAD.size:
        return None
    api_key, version, _ = HEAD.unpack_from(frame)
    if api_key not in APIS or version not in APIS[api_key].versions:
        return None
    try:
        return layout.of_request(frame, request_type(api_key, version))
    except Malformed:
        return None


@dataclass(frozen=True, slots=True)
class _Draw:
    frame: bytes
    layout: Layout
    pool: Pool
    rng: random.Random

    def span(self, *whats: What) -> Span | None:
        found = [span for span in self.layout.spans if not whats or span.what in whats]
        return self.rng.choice(found) if found else None

    def splice(self, begin: int, end: int, new: bytes) -> bytes:
        return self.frame[:begin] + new + self.frame[end:]

    def length(self, span: Span, value: int) -> bytes:
        """A LENGTH or COUNT as it would say `value`."""
        if span.compact:
            return uvarint(max(value + 1, 0))
        size = span.end - span.begin
        bound = 1 << (8 * size - 1)
        return min(max(value, -bound), bound - 1).to_bytes(size, "big", signed=True)

    def value_of(self, span: Span) -> int:
        data = self.frame[span.begin : span.end]
        if not span.compact:
            return int.from_bytes(data, "big", signed=True)
        return sum((byte & 0x7F) << 7 * n for n, byte in enumerate(data)) - 1

    def content(self, span: Span, new: bytes) -> bytes:
        """Another TEXT or BYTES, with its length right."""
        assert span.head is not None
        return self.splice(span.head.begin, span.end, self.length(span.head, len(new)) + new)


_Change = Callable[[_Draw], bytes]


def _number(draw: _Draw) -> bytes:
    span = draw.span(What.NUMBER)
    if span is None:
        return draw.frame
    form = _FORMS[span.end - span.begin]
    return draw.splice(span.begin, span.end, struct.pack(form, batches.interesting(draw.rng, form)))


def _uuid(draw: _Draw) -> bytes:
    span = draw.span(What.UUID)
    if span is None:
        return draw.frame
    known = [uuid.bytes for uuid in draw.pool.uuids]
    return draw.splice(
        span.begin, span.end, draw.rng.choice([*known, *known, bytes(16), draw.rng.randbytes(16)])
    )


def _claim(draw: _Draw) -> bytes:
    """A length or count that isn't true."""
    span = draw.span(What.LENGTH, What.COUNT, What.TAG_SIZE, What.TAG_COUNT)
    if span is None:
        return draw.frame
    now = draw.value_of(span)
    wrong = draw.rng.choice(
        (now + 1, now - 1, -1, -2, 0, 1000, 500_001, 2**31 - 2, 2**15 - 1, len(draw.frame))
    )
    return draw.splice(span.begin, span.end, draw.length(span, wrong))


def _varint(draw: _Draw) -> bytes:
    """The same number in more bytes, or one that doesn't end."""
    found = [span for span in draw.layout.spans if span.compact]
    if not found:
        return draw.frame
    span = draw.rng.choice(found)
    *most, last = draw.frame[span.begin : span.end]
    padding = draw.rng.choice((1, 1, 2, 3, 4, 9))
    long = bytes([*most, last | 0x80, *[0x80] * (padding - 1), 0])
    return draw.splice(span.begin, span.end, long if draw.rng.random() < 0.8 else b"\xff" * padding)


def _text(draw: _Draw) -> bytes:
    span = draw.span(What.TEXT)
    if span is None or span.head is None:
        return draw.frame
    names = [name.encode() for name in draw.pool.names]
    odd = (
        b"",
        b"x" * 249,
        b"x" * 250,
        b"y" * 5000,
        b"\xff\xfe",
        "\u00e4\U0001f600".encode(),
        b"a\0b",
        b".",
        b"..",
        b"-1",
    )
    rng = draw.rng
    return draw.content(span, rng.choice(names) if names and rng.random() < 0.5 else rng.choice(odd))


def _null(draw: _Draw) -> bytes:
    """Nothing where a text, bytes, an array or a structure were."""
    span = draw.span(What.TEXT, What.BYTES, What.COUNT, What.NULL_MARK)
    if span is None:
        return draw.frame
    if span.what is What.NULL_MARK:
        return draw.splice(span.begin, span.end, b"\xff")
    if span.what is not What.COUNT:
        assert span.head is not None
        return draw.splice(span.head.begin, span.end, draw.length(span.head, -1))
    ends = [each.end for each in draw.layout.spans if each.what is What.ELEMENT and each.head == span]
    return draw.splice(span.begin, max(ends, default=span.end), draw.length(span, -1))


def _elements(draw: _Draw) -> bytes:
    """Elements of an array again, fewer, none or in another order, and the count right, or not."""
    arrays = [*layout.elements(draw.layout)]
    if not arrays:
        return draw.frame
    spans = draw.rng.choice(arrays)
    head = spans[0].head
    assert head is not None
    items = [draw.frame[span.begin : span.end] for span in spans]
    most = max(1, _GROWN_BYTES // (spans[-1].end - head.end + 1))
    times = min(draw.rng.choice((0, 1, 1, 2, 3, 100)), most)
    items = draw.rng.choices(items, k=len(items) * times) if times < 4 else items * times
    claimed = len(items) if draw.rng.random() < 0.9 else draw.rng.randrange(len(items) + 3)
    return draw.splice(head.begin, spans[-1].end, draw.length(head, claimed) + b"".join(items))


def _tags(draw: _Draw) -> bytes:
    """Tagged fields that nobody knows, or that are there twice, or of the wrong size."""
    span = draw.span(What.TAG_COUNT)
    if span is None:
        return draw.frame
    rng, count = draw.rng, draw.value_of(span) + 1
    new = [_a_tag(rng) for _ in range(rng.choice((1, 1, 2, 50)))]
    return draw.splice(span.begin, span.end, uvarint(count + len(new)) + b"".join(new))


def _a_tag(rng: random.Random) -> bytes:
    data = rng.choice((b"", b"\0", b"\1", b"\3ab", rng.randbytes(rng.randrange(60))))
    size = len(data) if rng.random() < 0.9 else rng.randrange(2**14)
    return uvarint(rng.choice((0, 0, 1, 2, 3, 99, 2**31 - 1))) + uvarint(size) + data


def _records(draw: _Draw) -> bytes:
    span = draw.span(What.BYTES)
    if span is None:
        return _number(draw)
    return draw.content(span, batches.mutate_hard(draw.frame[span.begin : span.end], draw.rng))


def _swap(draw: _Draw) -> bytes:
    """A field of another request in place of one of the same kind."""
    other = draw.rng.choice(draw.pool.requests)
    found = laid_out(other)
    span = draw.span()
    if found is None or span is None:
        return draw.frame
    alike = [each for each in found.spans if each.what is span.what and each.compact == span.compact]
    if not alike:
        return draw.frame
    chosen = draw.rng.choice(alike)
    new = other[chosen.begin : chosen.end]
    return (
        draw.content(span, new)
        if span.head and span.what is not What.ELEMENT
        else draw.splice(span.begin, span.end, new)
    )


def _truncated(draw: _Draw) -> bytes:
    span = draw.span()
    at = (
        span.begin
        if span is not None and draw.rng.random() < 0.7
        else draw.rng.randrange(len(draw.frame) + 1)
    )
    return draw.frame[:at]


def _longer(draw: _Draw) -> bytes:
    return draw.frame + draw.rng.randbytes(draw.rng.choice((1, 4, 30, 40_000)))


def _other_version(draw: _Draw) -> bytes:
    api_key, version = struct.unpack_from(">hh", draw.frame)
    versions = APIS[api_key].versions if api_key in APIS else range(3)
    rng = draw.rng
    chosen = rng.choice((version + 1, version - 1, -1, versions[-1] + 1, *versions))
    return draw.splice(2, 4, struct.pack(">h", chosen))


def _other_api(draw: _Draw) -> bytes:
    key = draw.rng.choice((*APIS, *APIS, *range(100), -1, 2**15 - 1))
    return draw.splice(0, 2, struct.pack(">h", key))


def _noise(draw: _Draw) -> bytes:
    copy = bytearray(draw.frame)
    for _ in range(draw.rng.choice((1, 1, 2, 5))):
        if copy:
            copy[draw.rng.randrange(len(copy))] = draw.rng.randrange(256)
    return bytes(copy)


def _inserted(draw: _Draw) -> bytes:
    at = draw.rng.randrange(len(draw.frame) + 1)
    return draw.splice(
        at, min(len(draw.frame), at + draw.rng.randrange(3)), draw.rng.randbytes(draw.rng.randrange(4))
    )


_BLIND: Final[Sequence[_Change]] = (_noise, _inserted, _longer, _truncated)
_WEIGHTS: Final[Mapping[_Change, int]] = {
    _number: 5, _uuid: 2, _claim: 3, _varint: 2, _text: 4, _null: 3, _elements: 3, _tags: 3, _records: 8,
    _swap: 5, _truncated: 1, _longer: 1, _other_version: 3, _other_api: 1, _noise: 1, _inserted: 1,
}  # fmt: skip
_KNOWING: Final[Sequence[_Change]] = [change for change, weight in _WEIGHTS.items() for _ in range(weight)]
