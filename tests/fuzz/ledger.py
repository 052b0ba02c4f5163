"""What kov was sent and what it said of it, and whether that is what it stored."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, TypeAlias, cast
from uuid import UUID

from crc32c import crc32c
from kio.schema.errors import ErrorCode
from kio.static.protocol import Payload

from kov.errors import KafkaError
from kov.handlers.produce import ProduceRequest
from kov.records import HEADER_SIZE, LOG_APPEND_TIME_BIT, read_header, sole_batch
from kov.wire import messages

Place: TypeAlias = tuple[str, int]
_DOUBT: Final = frozenset({ErrorCode.request_timed_out})


class Misstored(Exception):
    """The log isn't what the producers were told."""


@dataclass(frozen=True, slots=True)
class _Told:
    """One batch that was said to be stored: what it holds, and who it is for a producer with an id."""

    content: bytes
    sequence: tuple[int, int, int] | None

    def is_of(self, batch: bytes) -> bool:
        """Whether `batch` is the one. Sent again with the same sequences it may hold anything."""
        same = self.sequence is not None and self.sequence == _sequence(batch)
        return same or self.content == _content(batch)


class Ledger:
    """Of the topics that nobody can delete, by name. Only what lies there is looked at."""

    def __init__(self, topics: Mapping[str, UUID]) -> None:
        self._names = {uuid: name for name, uuid in topics.items()}
        self._topics = set(topics)
        self._stored: dict[Place, dict[int, _Told]] = defaultdict(dict)
        self._maybe: dict[Place, Counter[bytes]] = defaultdict(Counter)
        self.next_offset: dict[Place, int] = defaultdict(int)

    def sent(self, frame: bytes) -> None:
        """A Produce request that is well-formed leaves: whatever it holds may be stored from now on."""
        for place, batch in self._parts(frame):
            self._maybe[place][_content(batch)] += 1

    def answered(self, frame: bytes, answer: Payload) -> None:
        """Its answer. Raises `Misstored` if a partition is missing there."""
        told = [
            (topic, part)
            for topic in cast("Any", answer).responses
            for part in topic.partition_responses
        ]  # fmt: skip
        asked = [part for topic in _decoded(frame).topic_data for part in topic.partition_data]
        if [part.index for part in asked] != [part.index for _, part in told]:
            raise Misstored("the answer to a produce request doesn't name the partitions of the request")
        for (topic, part), one in zip(told, asked, strict=True):
            place = self._place(getattr(topic, "name", None), getattr(topic, "topic_id", None), part.index)
            batch = _batch(one.records)
            if place is not None and batch is not None:
                self._take(place, batch, part)
            elif place is not None and part.error_code is ErrorCode.none:
                raise Misstored(f"{place}: no batch, and it is said to be stored")

    def _take(self, place: Place, batch: bytes, part: Any) -> None:
        if part.error_code in _DOUBT:
            return
        told, offset = _Told(_content(batch), _sequence(batch)), part.base_offset
        self._maybe[place][told.content] -= 1
        if part.error_code is not ErrorCode.none:
            return
        if told.sequence is None and (offset in self._stored[place] or offset < self.next_offset[place]):
            raise Misstored(f"{place}: two batches are said to be stored at {offset}")
        self._stored[place].setdefault(offset, told)

    def check(self, place: Place, data: bytes) -> None:
        """The next batches of a partition as a fetch gave them. Raises `Misstored`."""
        at = 0
        while at < len(data):
            if at + HEADER_SIZE > len(data):
                raise Misstored(f"{place}: a fetch gave a cut batch")
            size = read_header(data[at:]).length + 12
            self._check_batch(place, data[at : at + size])
            at += size

    def _check_batch(self, place: Place, batch: bytes) -> None:
        header = read_header(batch)
        offset, expected = header.base_offset, self.next_offset[place]
        where = f"{place}, offset {offset}"
        if header.length + 12 != len(batch) or header.magic != 2 or crc32c(batch[21:]) != header.crc:
            raise Misstored(f"{where}: a damaged batch is stored: {batch[:HEADER_SIZE].hex()}")
        dense = header.record_count > 0 and header.last_offset_delta == header.record_count - 1
        if offset != expected or not dense:
            raise Misstored(f"{where}: the offset should be {expected}: {batch[:HEADER_SIZE].hex()}")
        self.next_offset[place] = offset + header.record_count
        told = self._stored[place].pop(offset, None)
        if told is None and self._maybe[place][_content(batch)] <= 0:
            raise Misstored(f"{where}: stored is what nobody was told is stored: {batch.hex()}")
        if told is not None and not told.is_of(batch):
            raise Misstored(f"{where}: another batch than was said to be there: {batch.hex()}")

    def check_end(self, place: Place) -> None:
        """Everything up to the end has been checked. Raises `Misstored` for what is missing."""
        if missing := [at for at in self._stored[place] if at >= self.next_offset[place]]:
            raise Misstored(
                f"{place}: batches at {missing[:5]} are missing, the end is {self.next_offset[place]}"
            )
        self._stored[place].clear()

    def _parts(self, frame: bytes) -> Iterator[tuple[Place, bytes]]:
        for topic in _decoded(frame).topic_data:
            for part in topic.partition_data:
                place = self._place(topic.name, topic.topic_id, part.index)
                batch = _batch(part.records)
                if place is not None and batch is not None:
                    yield place, batch

    def _place(self, name: str | None, uuid: UUID | None, index: int) -> Place | None:
        known = name if name in self._topics else self._names.get(uuid) if uuid else None
        return None if known is None else (known, index)


def _decoded(frame: bytes) -> ProduceRequest:
    return messages.decode(messages.read_head(frame), frame, ProduceRequest).body


def _batch(records: bytes | None) -> bytes | None:
    try:
        return bytes(sole_batch(records))
    except KafkaError:
        return None


def _content(batch: bytes) -> bytes:
    """What the log must not change: all but offset, epoch, checksum, kind of time and largest time."""
    digest = blake2b(batch[16:17] + bytes([batch[21], batch[22] & ~LOG_APPEND_TIME_BIT]), digest_size=16)
    digest.update(batch[23:35] + batch[43:])
    return digest.digest()


def _sequence(batch: bytes) -> tuple[int, int, int] | None:
    header = read_header(batch)
    return (header.producer_id, header.producer_epoch, header.base_sequence) if header.idempotent else None
