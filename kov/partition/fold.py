"""What the entries of a log stream mean: one deterministic fold, for writing, reading and tools. Pure.

Epoch 0 is nobody's. A fence with an epoch above the current one raises it; a batch is valid when its epoch
is the current one and its base offset the next offset; a snapshot or claim of the current epoch moves the
partition's clock; everything else is void, for ever and for every reader.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise
from typing import assert_never

from kov.entries import BatchEntry, ControlEntry, Entry, ForeignEntry, Kind, UnknownControl
from kov.partition.identity import PartitionIdentity, ProducerBounds, WriterStamp, identity_of, writer_of
from kov.partition.producers import Producer, Sequenced
from kov.pb.control_pb2 import Claim, Fence, Snapshot
from kov.records import LOG_APPEND_TIME_BIT, BatchHeader


class Meaning(Enum):
    BATCH = "a valid batch"
    FENCE = "a fence that raised the epoch"
    MARK = "a snapshot or claim of the current epoch"
    VOID = "void"


class Unusable(Exception):
    """The log stream can't be this partition's as it is; trying again doesn't help, somebody must act."""


class Unintelligible(Unusable):
    """A control entry that only a newer kov understands: nothing may be written behind it."""

    def __init__(self, llsn: int, entry: UnknownControl) -> None:
        super().__init__(
            f"entry {llsn} is a control entry of kind {entry.kind}, envelope version {entry.version}, "
            "which this version of kov doesn't know: run the newer one"
        )


class ForeignPartition(Unusable):
    """A fence of another partition: the mapping was edited, or Varlog ids were used again."""

    def __init__(self, llsn: int, found: PartitionIdentity, own: PartitionIdentity) -> None:
        super().__init__(f"entry {llsn} says that this log stream belongs to {found}, not to {own}")


@dataclass(slots=True)
class Position:
    """As much of the fold as validity needs: enough to read batches from anywhere in the stream.

    `llsn` is the last entry taken; the next one is `llsn + 1`.
    """

    llsn: int = 0
    epoch: int = 0
    next_offset: int = 0

    def step(self, llsn: int, entry: Entry) -> Meaning:
        """Takes the entry at `llsn`, which must be the next one. Raises `Unintelligible`, taking nothing."""
        if llsn != self.llsn + 1:
            raise AssertionError(f"entry {llsn} can't follow {self.llsn}")
        meaning = self._meaning(llsn, entry)
        self.llsn = llsn
        return meaning

    def _meaning(self, llsn: int, entry: Entry) -> Meaning:
        match entry:
            case BatchEntry(header=header):
                if (
                    header.leader_epoch != self.epoch
                    or header.base_offset != self.next_offset
                    or not self.epoch
                ):
                    return Meaning.VOID
                self.next_offset += header.record_count
                return Meaning.BATCH
            case ControlEntry(kind=Kind.FENCE, epoch=epoch):
                if epoch <= self.epoch:
                    return Meaning.VOID
                self.epoch = epoch
                return Meaning.FENCE
            case ControlEntry(kind=Kind.SNAPSHOT | Kind.CLAIM, epoch=epoch):
                return Meaning.MARK if epoch == self.epoch else Meaning.VOID
            case ControlEntry() | ForeignEntry():
                return Meaning.VOID
            case UnknownControl():
                raise Unintelligible(llsn, entry)
            case _:
                assert_never(entry)

    def copy(self) -> Position:
        return Position(self.llsn, self.epoch, self.next_offset)


@dataclass(slots=True)
class Fold:
    """The whole state after the entry at `position.llsn`.

    `epochs` holds (epoch, first offset, LLSN of its fence) as far back as this fold has read.
    """

    partition: PartitionIdentity
    position: Position = field(default_factory=Position)
    producers: dict[int, Producer] = field(default_factory=dict)
    bounds: ProducerBounds = field(default_factory=ProducerBounds)
    max_timestamp_ms: int = -1
    clock_ms: int = 0
    last_control_llsn: int = 0
    fence_llsn: int = 0
    writer: WriterStamp | None = None
    epochs: list[tuple[int, int, int]] = field(default_factory=list)

    def apply(self, llsn: int, entry: Entry) -> Meaning:
        """Takes the entry at `llsn`. Raises `Unintelligible` or `ForeignPartition` and takes nothing then."""
        if isinstance(entry, ControlEntry) and entry.kind is Kind.FENCE and entry.epoch > self.position.epoch:
            self._check_identity(llsn, entry)
        meaning = self.position.step(llsn, entry)
        if isinstance(entry, BatchEntry):
            if meaning is Meaning.BATCH:
                self._take_batch(entry.header)
        elif isinstance(entry, ControlEntry):
            self._take_control(llsn, entry, meaning)
        return meaning

    def end_of(self, epoch: int) -> int | None:
        """The offset at which `epoch` ended; None while it is the current one, or where it isn't known here.

        All valid batches of one epoch are dense, so one of its batches is valid if it begins before that.
        """
        for (known, _, _), (_, end, _) in pairwise(self.epochs):
            if known == epoch:
                return end
        return None

    def _check_identity(self, llsn: int, entry: ControlEntry) -> None:
        assert isinstance(entry.message, Fence)
        found = identity_of(entry.message.partition)
        if found != self.partition:
            raise ForeignPartition(llsn, found, self.partition)

    def _take_batch(self, header: BatchHeader) -> None:
        self.max_timestamp_ms = max(self.max_timestamp_ms, header.max_timestamp)
        if not header.idempotent:
            return
        appended = header.max_timestamp if header.attributes & LOG_APPEND_TIME_BIT else -1
        batch = Sequenced(header.base_sequence, header.last_sequence, header.base_offset, appended)
        known = self.producers.pop(header.producer_id, None)  # popped, so that the newest comes last
        self.producers[header.producer_id] = (
            known.advanced(header.producer_epoch, batch)
            if known
            else Producer(header.producer_epoch, (batch,))
        )

    def _take_control(self, llsn: int, entry: ControlEntry, meaning: Meaning) -> None:
        message = entry.message
        if isinstance(message, Fence | Snapshot) and identity_of(message.partition) == self.partition:
            self.last_control_llsn = llsn
        if meaning is Meaning.FENCE:
            assert isinstance(message, Fence)
            self.fence_llsn = llsn
            self.writer = writer_of(message.writer)
            self.bounds = ProducerBounds.parse(message.bounds)
            self.epochs.append((entry.epoch, self.position.next_offset, llsn))
        if meaning in {Meaning.FENCE, Meaning.MARK}:
            assert isinstance(message, Fence | Snapshot | Claim)
            self._pass_time(message.time_ms)

    def _pass_time(self, time_ms: int) -> None:
        """Moves the clock, dates the producers seen since it last moved, and evicts by age, then by number.

        Only control entries do this, so that every reader evicts the same producers at the same entry;
        and a producer is dated after its last batch, never before, so that none leaves too early.
        """
        self.clock_ms = max(self.clock_ms, time_ms)
        oldest = self.clock_ms - self.bounds.expiration_ms
        surplus = len(self.producers) - self.bounds.max_producers
        kept: dict[int, Producer] = {}
        for producer_id, producer in self.producers.items():
            if producer.last_seen_ms == 0:
                kept[producer_id] = Producer(producer.epoch, producer.batches, self.clock_ms)
            elif surplus > 0 or producer.last_seen_ms < oldest:
                surplus -= 1
            else:
                kept[producer_id] = producer
        self.producers = kept
