"""What the demo writes: lots of records, each lot by one producer with one codec. Pure.

Every record is made from its lot and number alone, so what is read back can be compared in full.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

Place = tuple[int, int]
"""Partition and offset."""

_NULL_KEY_EVERY: Final = 10
_NULL_VALUE_EVERY: Final = 25
_LONGEST_VALUE: Final = 1000
_WORDS: Final = b"offset batch fence epoch stream commit replica segment leader follower".split()


@dataclass(frozen=True, slots=True)
class Record:
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    timestamp_ms: int

    @property
    def size(self) -> int:
        return len(self.key or b"") + len(self.value or b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    client: str
    codec: str
    count: int

    @property
    def name(self) -> str:
        return f"{self.client} {self.codec}"

    def records(self, start_ms: int) -> list[Record]:
        """Keys and values of many sizes, some of them null, two headers each, ascending timestamps."""
        chance = random.Random(self.name)  # noqa: S311 - the same every time
        return [self._record(number, start_ms + number, chance) for number in range(self.count)]

    def _record(self, number: int, timestamp_ms: int, chance: random.Random) -> Record:
        key = None if number % _NULL_KEY_EVERY == 0 else b"customer-%03d" % chance.randrange(500)
        tombstone = key is not None and number % _NULL_VALUE_EVERY == 1
        headers = (("lot", self.name.encode()), ("number", None if tombstone else b"%d" % number))
        return Record(key, None if tombstone else _text(chance), headers, timestamp_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A lot and where each of its records was acknowledged, in the order of sending."""

    lot: Lot
    records: list[Record]
    places: list[Place]
    seconds: float

    @property
    def size(self) -> int:
        return sum(record.size for record in self.records)


Contents = Mapping[Place, Record]


def shares(total: int) -> list[Lot]:
    """All five codecs over both clients."""
    plan = [
        ("aiokafka", "none"),
        ("aiokafka", "gzip"),
        ("confluent-kafka", "snappy"),
        ("confluent-kafka", "lz4"),
        ("confluent-kafka", "zstd"),
    ]
    return [Lot(client=client, codec=codec, count=max(1, total // len(plan))) for client, codec in plan]


def _text(chance: random.Random) -> bytes:
    length = chance.randrange(1, _LONGEST_VALUE)
    words = chance.choices(_WORDS, k=length // 4 + 1)
    return b" ".join(words)[:length]
