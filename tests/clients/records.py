"""The records that producers send, and what readers must find in their place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Flag, auto
from itertools import count, islice
from typing import NamedTuple

Headers = tuple[tuple[str, bytes | None], ...]

_FIRST_TIMESTAMP_MS = 1_700_000_000_000
_ID_HEADER = "id"


class Identity(NamedTuple):
    """Which record this is: nothing else is compared by order."""

    producer: str
    number: int

    def encoded(self) -> bytes:
        return b"%s/%d" % (self.producer.encode(), self.number)


class Contents(NamedTuple):
    """Whatever of a record a producer decides, and a reader must get back unchanged."""

    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int

    @property
    def identity(self) -> Identity:
        """Found in the first header, or before the first colon of the value where there are no headers."""
        text = self.headers[0][1] if self.headers else (self.value or b"").partition(b":")[0]
        producer, _, number = (text or b"").rpartition(b"/")
        return Identity(producer.decode(), int(number))


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A record to send; where `partition` is None the client chooses."""

    contents: Contents
    partition: int | None


class Nulls(Flag):
    """What a client library agrees to send, beyond a null key or a null value."""

    HEADER = auto()
    KEY_AND_VALUE = auto()


class Delivery(NamedTuple):
    """What the producer was told."""

    partition: int
    offset: int


class Stored(NamedTuple):
    """A record as a reader found it."""

    partition: int
    offset: int
    contents: Contents


_NO_NULLS = Nulls(0)


def records(
    producer: str, how_many: int, *, partitions: int | None = 1, size: int = 100, nulls: Nulls = _NO_NULLS
) -> list[Record]:
    """`how_many` records of five shapes in turn, dealt to `partitions` in turn; None: the client deals."""
    return list(islice(endless(producer, partitions=partitions, size=size, nulls=nulls), how_many))


def endless(
    producer: str, *, partitions: int | None, size: int, nulls: Nulls = _NO_NULLS
) -> Iterator[Record]:
    """The same, one after the other, for ever."""
    for number in count():
        yield Record(
            contents=_contents(Identity(producer, number), size, nulls),
            partition=None if partitions is None else number % partitions,
        )


def sized(producer: str, sizes: Sequence[int]) -> list[Record]:
    """Records for partition 0 that are nothing but values of the given sizes."""
    return [
        Record(contents=_plain(Identity(producer, number), size), partition=0)
        for number, size in enumerate(sizes)
    ]


def _contents(identity: Identity, size: int, nulls: Nulls) -> Contents:
    plain = _plain(identity, size)
    named: Headers = ((_ID_HEADER, identity.encoded()),)
    match identity.number % 5:
        case 0:
            return plain
        case 1:
            third = None if Nulls.HEADER in nulls else b"3"
            repeated: Headers = (*named, ("trace", b"\x00\xff"), ("trace", third), ("trace", b""))
            return plain._replace(key=b"key of %d" % identity.number, headers=repeated)
        case 2:
            return plain._replace(
                key=None if Nulls.KEY_AND_VALUE in nulls else b"k", value=None, headers=named
            )
        case 3:
            return plain._replace(key="schlüssel".encode(), headers=named)
        case _:
            return plain._replace(key=b"", value=b"", headers=named)


def _plain(identity: Identity, size: int) -> Contents:
    start = identity.encoded() + b":"
    filler = b" value %d" % identity.number
    value = (start + filler * (size // len(filler) + 1))[: max(size, len(start))]
    return Contents(key=None, value=value, headers=(), timestamp_ms=_FIRST_TIMESTAMP_MS + identity.number)
