"""What the entries of a log stream mean: one deterministic fold, for writing, reading and tools. Pure.

Epoch 0 is nobody's. A fence with an epoch above the current one raises it; a batch is valid when its epoch
is the current one and its base offset the next offset; a snapshot or claim of the current epoch moves the
partition's clock, a repair of it sets the state; everything else is void, for ever and for every reader.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise
from typing import assert_never

from kov.entries import BatchEntry, ControlEntry, Entry, ForeignEntry, Kind, UnknownControl
from kov.partition.identity import PartitionIdentity, ProducerBounds, WriterStamp, identity_of, writer_of
from kov.partition.producer_states import producer_of
from kov.partition.producers import Producer, Sequenced
from kov.pb.control_pb2 import Claim, Fence, Repair, Snapshot
from kov.records import BatchHeader


class Meaning(Enum):
    BATCH = "a valid batch"
    FENCE = "a fence that raised the epoch"
    MARK = "a snapshot or claim of the current epoch"
    REPAIR = "a declaration of the state, of the current epoch"
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
        super().__init__(
            f"entry {llsn} says that this log stream belongs to {found}, not to {own}; "
            "correct the mapping file, or give the topic a log stream that was never used"
        )


@dataclass(slots=True)
class Position:
    """As much of the fold as reading batches from anywhere in the stream needs, and finding them by time.

    `llsn` is the last entry taken; the next one is `llsn + 1`. `max_timestamp_ms` is the largest of any valid
    batch before, -1 without one.
    """

    llsn: int = 0
    epoch: int = 0
    next_offset: int = 0
    max_timestamp_ms: int = -1

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
                self.max_timestamp_ms = max(self.max_timestamp_ms, header.max_timestamp)
                return Meaning.BATCH
            case ControlEntry():
                return self._meaning_of_control(entry)
            case ForeignEntry():
                return Meaning.VOID
            case UnknownControl():
                raise Unintelligible(llsn, entry)
            case _:
                assert_never(entry)

    def _meaning_of_control(self, entry: ControlEntry) -> Meaning:
        if entry.kind is Kind.FENCE and entry.epoch > self.epoch:
            self.epoch = entry.epoch
            return Meaning.FENCE
        if entry.epoch != self.epoch:
            return Meaning.VOID
        match entry.message:
            case Snapshot() | Claim():
                return Meaning.MARK
            case Repair(state=declared):
                self.next_offset = declared.next_offset
                self.max_timestamp_ms = declared.max_timestamp_ms
                return Meaning.REPAIR
            case _:
                return Meaning.VOID

    def copy(self) -> Position:
        return Position(self.llsn, self.epoch, self.next_offset, self.max_timestamp_ms)


@dataclass(slots=True)
class Fold:
    """The whole state after the entry at `position.llsn`.

    `epochs` holds (epoch, first offset, LLSN of its fence) as far back as this fold has read.
    """

    partition: PartitionIdentity
    position: Position = field(default_factory=Position)
    producers: dict[int, Producer] = field(default_factory=dict)
    bounds: ProducerBounds = field(default_factory=ProducerBounds)
    clock_ms: int = 0
    last_control_llsn: int = 0
    fence_llsn: int = 0
    writer: WriterStamp | None = None
    epochs: list[tuple[int, int, int]] = field(default_factory=list)

    def apply(self, llsn: int, entry: Entry) -> Meaning:
        """Takes the entry at `llsn`. Raises `Unintelligible` or `ForeignPartition` and takes nothing then."""
        if isinstance(entry, ControlEntry):
            self._check_identity(llsn, entry)
        meaning = self.position.step(llsn, entry)
        if isinstance(entry, BatchEntry):
            if meaning is Meaning.BATCH:
                self._take_batch(entry.header)
        elif isinstance(entry, ControlEntry):
            self._take_control(llsn, entry, meaning)
        return meaning

    @property
    def max_timestamp_ms(self) -> int:
        return self.position.max_timestamp_ms

    def end_of(self, epoch: int) -> int | None:
        """The offset at which `epoch` ended; None while it is the current one, or where it isn't known here.

        All valid batches of one epoch are dense, so one of its batches is valid if it begins before that.
        """
        for (known, _, _), (_, end, _) in pairwise(self.epochs):
            if known == epoch:
                return end
        return None

    def _check_identity(self, llsn: int, entry: ControlEntry) -> None:
        """Refuses a fence that would raise the epoch, or a repair in force, that names another partition."""
        match entry.message:
            case Fence(partition=message) if entry.epoch > self.position.epoch:
                found = identity_of(message)
            case Repair(partition=message) if entry.epoch == self.position.epoch:
                found = identity_of(message)
            case _:
                return
        if found != self.partition:
            raise ForeignPartition(llsn, found, self.partition)

    def _take_batch(self, header: BatchHeader) -> None:
        if not header.idempotent:
            return
        batch = Sequenced(
            header.base_sequence, header.last_sequence, header.base_offset, header.max_timestamp
        )
        known = self.producers.pop(header.producer_id, None)  # popped, so that the newest comes last
        self.producers[header.producer_id] = (
            known.advanced(header.producer_epoch, batch)
            if known
            else Producer(header.producer_epoch, (batch,))
        )

    def _take_control(self, llsn: int, entry: ControlEntry, meaning: Meaning) -> None:
        message = entry.message
        if (
            isinstance(message, Fence | Snapshot | Repair)
            and identity_of(message.partition) == self.partition
        ):
            self.last_control_llsn = llsn
        if meaning is Meaning.FENCE:
            assert isinstance(message, Fence)
            self.fence_llsn = llsn
            self.writer = writer_of(message.writer)
            self.bounds = ProducerBounds.parse(message.bounds)
            self.epochs.append((entry.epoch, self.position.next_offset, llsn))
        if meaning is Meaning.REPAIR:
            assert isinstance(message, Repair)
            self.producers = {p.producer_id: producer_of(p) for p in message.state.producers}
        if meaning in {Meaning.FENCE, Meaning.MARK, Meaning.REPAIR}:
            assert isinstance(message, Fence | Snapshot | Claim | Repair)
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
