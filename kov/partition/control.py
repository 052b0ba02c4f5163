"""Control entries of a partition: made from a fold, and a fold made from them. Pure.

The state inside a fence or snapshot is the fold as of an LLSN up to which its writer had read everything
or had everything confirmed. It is right even where the control entry itself turns out void.
"""

from __future__ import annotations

from kov.entries import ControlEntry, Kind
from kov.partition.fold import Fold, Position
from kov.partition.identity import PartitionIdentity, ProducerBounds, WriterStamp, identity_of, writer_of
from kov.partition.producers import Producer, Sequenced
from kov.pb.control_pb2 import Claim, Fence, FoldedState, ProducerState, SequencedBatch, Snapshot


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


def as_of(entry: ControlEntry) -> int | None:
    """The LLSN up to which a fence or snapshot knows everything; None for other entries."""
    message = entry.message
    return message.state.as_of_llsn if isinstance(message, Fence | Snapshot) else None


def previous(entry: ControlEntry) -> int:
    """The LLSN of the fence or snapshot before this one; 0 where there is none."""
    message = entry.message
    return message.previous_control_llsn if isinstance(message, Fence | Snapshot) else 0


def belongs_to(entry: ControlEntry, partition: PartitionIdentity) -> bool:
    """Whether a fence or snapshot was written for `partition`."""
    message = entry.message
    return isinstance(message, Fence | Snapshot) and identity_of(message.partition) == partition


def position_in(entry: ControlEntry) -> Position:
    """The position inside a fence or snapshot: where a read of older batches can begin."""
    message = entry.message
    assert isinstance(message, Fence | Snapshot)
    state = message.state
    return Position(state.as_of_llsn, state.epoch, state.next_offset)


def restore(entry: ControlEntry, partition: PartitionIdentity) -> Fold:
    """The fold inside a fence or snapshot, ready to take the entry behind its `as_of` LLSN."""
    message = entry.message
    assert isinstance(message, Fence | Snapshot)
    state = message.state
    fold = Fold(partition, position_in(entry))
    fold.bounds = ProducerBounds.parse(state.bounds)
    fold.max_timestamp_ms = state.max_timestamp_ms
    fold.clock_ms = state.clock_ms
    fold.last_control_llsn = message.previous_control_llsn
    fold.fence_llsn = state.fence_llsn
    if state.fence_llsn:
        fold.writer = writer_of(state.writer)
        fold.epochs = [(state.epoch, state.epoch_start_offset, state.fence_llsn)]
    fold.producers = {p.producer_id: _producer(p) for p in state.producers}
    return fold


def _state(fold: Fold) -> FoldedState:
    return FoldedState(
        as_of_llsn=fold.position.llsn,
        epoch=fold.position.epoch,
        next_offset=fold.position.next_offset,
        max_timestamp_ms=fold.max_timestamp_ms,
        clock_ms=fold.clock_ms,
        producers=[_producer_state(pid, producer) for pid, producer in fold.producers.items()],
        bounds=fold.bounds.message(),
        fence_llsn=fold.fence_llsn,
        writer=fold.writer.message() if fold.writer else None,
        epoch_start_offset=fold.epochs[-1][1] if fold.epochs else 0,
    )


def _producer_state(producer_id: int, producer: Producer) -> ProducerState:
    return ProducerState(
        producer_id=producer_id,
        epoch=producer.epoch,
        batches=[
            SequencedBatch(
                first_sequence=batch.first_sequence,
                last_sequence=batch.last_sequence,
                base_offset=batch.base_offset,
                log_append_time_ms=batch.log_append_time_ms,
            )
            for batch in producer.batches
        ],
        last_seen_ms=producer.last_seen_ms,
    )


def _producer(state: ProducerState) -> Producer:
    batches = tuple(
        Sequenced(b.first_sequence, b.last_sequence, b.base_offset, b.log_append_time_ms)
        for b in state.batches
    )
    return Producer(state.epoch, batches, state.last_seen_ms)
