"""What the entries still tell of a partition whose log stream was trimmed too far. Pure.

The state before the first entry that is left is unknown. A batch tells it: a writer sends batches only after
it has come to own its epoch, and stamps them with the next offset. Which of those that are left were valid
follows from where the fences lie: where a batch's fence was trimmed away, its epoch had begun before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kov.entries import BatchEntry, ControlEntry, Entry, Kind
from kov.partition import control
from kov.partition.fold import Fold, Meaning, Position
from kov.partition.identity import PartitionIdentity
from kov.pb.control_pb2 import Fence, FoldedState, Repair, Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Salvage:
    """`first_llsn` is the first entry that is left; 0: none is, and how many there were isn't known.

    `kept` is the position before it, None where no batch tells it. `fold` is the state behind the last entry;
    without `kept` its next offset means nothing. `least_offset` is the lowest offset that the entries don't
    show to have been given to a record. `lost_producers` are named by a state that can't be used any more.
    """

    first_llsn: int
    last_llsn: int
    kept: Position | None
    fold: Fold
    kept_batches: int
    void_batches: int
    highest_epoch: int
    least_offset: int
    lost_producers: frozenset[int]

    @property
    def kept_records(self) -> int:
        return self.fold.position.next_offset - self.kept.next_offset if self.kept else 0

    @property
    def lowest_choice(self) -> int:
        """Below this the partition can't go on: these offsets belong to records that are left."""
        return self.fold.position.next_offset if self.kept else self.least_offset


def salvage(partition: PartitionIdentity, first_llsn: int, entries: Sequence[Entry]) -> Salvage:
    """Of `entries`, all that are left, which begin at `first_llsn`. Raises `Unusable` as the fold does."""
    messages = [
        entry.message
        for entry in entries
        if isinstance(entry, ControlEntry) and control.belongs_to(entry, partition)
    ]
    states = [message.state for message in messages if isinstance(message, Fence | Snapshot)]
    declared = [message.state for message in messages if isinstance(message, Repair)]
    kept = _kept(first_llsn, entries, states)
    fold = Fold(partition, kept.copy() if kept else Position(max(first_llsn - 1, 0)))
    meanings = [fold.apply(llsn, entry) for llsn, entry in enumerate(entries, first_llsn)]
    batches = [entry.header for entry in entries if isinstance(entry, BatchEntry)]
    kept_batches = sum(meaning is Meaning.BATCH for meaning in meanings)
    epochs = [each.leader_epoch for each in batches]
    epochs += [entry.epoch for entry in entries if isinstance(entry, ControlEntry)]
    ends = [each.base_offset + each.record_count for each in batches if each.leader_epoch > 0]
    ends += [state.next_offset for state in (*states, *declared)]
    if kept is not None:
        ends.append(fold.position.next_offset)
    named = {producer.producer_id for state in states for producer in state.producers}
    return Salvage(
        first_llsn=first_llsn,
        last_llsn=fold.position.llsn,
        kept=kept,
        fold=fold,
        kept_batches=kept_batches,
        void_batches=len(batches) - kept_batches,
        highest_epoch=max(epochs, default=0),
        least_offset=max(ends, default=0),
        lost_producers=frozenset(named - fold.producers.keys()),
    )


def nothing_left(partition: PartitionIdentity) -> Salvage:
    """The stream was trimmed to its end, which nobody can tell before something is appended."""
    return salvage(partition, 0, ())


def _kept(first_llsn: int, entries: Sequence[Entry], states: Sequence[FoldedState]) -> Position | None:
    """The position before the first entry.

    Of batches whose fence was trimmed, those of the highest epoch were valid, the others came too late.
    Without any, the first batch behind its own fence was: its epoch began there.
    """
    least_epoch = max((state.epoch for state in states), default=1) or 1
    least_offset = max((state.next_offset for state in states), default=0)
    fences: set[int] = set()
    before: Position | None = None
    behind: Position | None = None
    for entry in entries:
        if isinstance(entry, ControlEntry) and entry.kind is Kind.FENCE:
            fences.add(entry.epoch)
        if not isinstance(entry, BatchEntry):
            continue
        epoch, offset = entry.header.leader_epoch, entry.header.base_offset
        if epoch < least_epoch or offset < least_offset:
            continue
        if epoch in fences:
            behind = behind or Position(first_llsn - 1, epoch - 1, offset)
        elif before is None or epoch > before.epoch:
            before = Position(first_llsn - 1, epoch, offset)
    return before or behind
