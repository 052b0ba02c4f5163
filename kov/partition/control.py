"""Control entries of a partition: made from a fold, and a fold made from them. Pure.

The state inside a fence or snapshot is the fold as of an LLSN up to which its writer had read everything
or had everything confirmed. It is right even where the control entry itself turns out void.
"""

from __future__ import annotations

from kov.entries import ControlEntry, Kind
from kov.partition.fold import Fold, Position
from kov.partition.identity import PartitionIdentity, ProducerBounds, WriterStamp, identity_of, writer_of
from kov.partition.producer_states import message_of, producer_of
from kov.pb.control_pb2 import Claim, Fence, FoldedState, KeptPart, Repair, Snapshot


def fence(fold: Fold, writer: WriterStamp, bounds: ProducerBounds, now_ms: int) -> ControlEntry:
    """The fence that would make `writer` the owner of the epoch behind the one of `fold`."""
    message = Fence(
        partition=fold.partition.message(),
        writer=writer.message(),
        time_ms=now_ms,
        previous_control_llsn=fold.last_control_llsn,
        state=_state(fold),
        bounds=bounds.message(),
    )
    return ControlEntry(Kind.FENCE, fold.position.epoch + 1, message)


def snapshot(fold: Fold, writer: WriterStamp, now_ms: int) -> ControlEntry:
    message = Snapshot(
        partition=fold.partition.message(),
        writer=writer.message(),
        time_ms=now_ms,
        previous_control_llsn=fold.last_control_llsn,
        state=_state(fold),
    )
    return ControlEntry(Kind.SNAPSHOT, fold.position.epoch, message)


def claim(fold: Fold, writer: WriterStamp, now_ms: int) -> ControlEntry:
    message = Claim(partition=fold.partition.message(), writer=writer.message(), time_ms=now_ms)
    return ControlEntry(Kind.CLAIM, fold.position.epoch, message)


def repair(fold: Fold, writer: WriterStamp, kept: Position | None, now_ms: int) -> ControlEntry:
    """Declares that the partition goes on from `fold`, the state as of the repair's own fence."""
    message = Repair(
        partition=fold.partition.message(), writer=writer.message(), time_ms=now_ms, state=_state(fold)
    )
    if kept is not None:
        message.kept.CopyFrom(KeptPart(as_of_llsn=kept.llsn, epoch=kept.epoch, next_offset=kept.next_offset))
    return ControlEntry(Kind.REPAIR, fold.position.epoch, message)


def as_of(entry: ControlEntry) -> int | None:
    """The LLSN up to which a fence, snapshot or repair knows everything; None for other entries."""
    message = entry.message
    return message.state.as_of_llsn if isinstance(message, Fence | Snapshot | Repair) else None


def previous(entry: ControlEntry) -> int:
    """The LLSN of the fence or snapshot before this one; 0 where there is none that can be used."""
    message = entry.message
    return message.previous_control_llsn if isinstance(message, Fence | Snapshot | Repair) else 0


def belongs_to(entry: ControlEntry, partition: PartitionIdentity) -> bool:
    """Whether it is a fence, snapshot or repair that was written for `partition`."""
    message = entry.message
    return isinstance(message, Fence | Snapshot | Repair) and identity_of(message.partition) == partition


def positions_in(entry: ControlEntry) -> list[Position]:
    """Where reads of older batches can begin: the position inside, and where what a repair left begins."""
    message, positions = entry.message, [_position_in(entry)]
    if isinstance(message, Repair) and message.HasField("kept"):
        kept = message.kept
        positions.append(Position(kept.as_of_llsn, kept.epoch, kept.next_offset))
    return positions


def _position_in(entry: ControlEntry) -> Position:
    message = entry.message
    assert isinstance(message, Fence | Snapshot | Repair)
    state = message.state
    return Position(state.as_of_llsn, state.epoch, state.next_offset, state.max_timestamp_ms)


def restore(entry: ControlEntry, partition: PartitionIdentity) -> Fold:
    """The fold inside a fence, snapshot or repair, ready to take the entry behind its `as_of` LLSN."""
    message = entry.message
    assert isinstance(message, Fence | Snapshot | Repair)
    state = message.state
    fold = Fold(partition, _position_in(entry))
    fold.bounds = ProducerBounds.parse(state.bounds)
    fold.clock_ms = state.clock_ms
    fold.last_control_llsn = message.previous_control_llsn
    fold.fence_llsn = state.fence_llsn
    if state.fence_llsn:
        fold.writer = writer_of(state.writer)
        fold.epochs = [(state.epoch, state.epoch_start_offset, state.fence_llsn)]
    fold.producers = {p.producer_id: producer_of(p) for p in state.producers}
    return fold


def _state(fold: Fold) -> FoldedState:
    return FoldedState(
        as_of_llsn=fold.position.llsn,
        epoch=fold.position.epoch,
        next_offset=fold.position.next_offset,
        max_timestamp_ms=fold.max_timestamp_ms,
        clock_ms=fold.clock_ms,
        producers=[message_of(pid, producer) for pid, producer in fold.producers.items()],
        bounds=fold.bounds.message(),
        fence_llsn=fold.fence_llsn,
        writer=fold.writer.message() if fold.writer else None,
        epoch_start_offset=fold.epochs[-1][1] if fold.epochs else 0,
    )
