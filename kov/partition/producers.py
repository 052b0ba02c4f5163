"""Idempotence: what a partition knows of each producer, and the verdict on a batch. Pure.

The rules are Kafka's (`ProducerStateManager`, `ProducerAppendInfo`, KIP-98, KIP-360): a duplicate of one of
the last five batches is answered with that batch's offset, before epoch and sequence are looked at; a
producer the partition doesn't know may begin with any sequence; a new epoch begins at 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from kio.schema.errors import ErrorCode

from kov.errors import KafkaError
from kov.records import MAX_SEQUENCE, BatchHeader

WINDOW: Final = 5
SEEN_SINCE_CONTROL: Final = 0
_NO_EPOCH: Final = -1  # what a producer without an epoch sends


class Sequenced(NamedTuple):
    """One batch a producer has stored; `timestamp_ms` is its largest timestamp."""

    first_sequence: int
    last_sequence: int
    base_offset: int
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class Producer:
    """`batches`: the newest five of `epoch`, oldest first, never empty.

    `last_seen_ms` is the partition's clock when it was last seen, `SEEN_SINCE_CONTROL` while no control
    entry has passed since: then its age isn't known yet and it can't expire.
    """

    epoch: int
    batches: tuple[Sequenced, ...]
    last_seen_ms: int = SEEN_SINCE_CONTROL

    @property
    def last_sequence(self) -> int:
        return self.batches[-1].last_sequence

    def advanced(self, epoch: int, batch: Sequenced) -> Producer:
        """This producer after one more stored batch."""
        kept = self.batches if epoch == self.epoch else ()
        return Producer(epoch, (*kept[1 - WINDOW :], batch))


@dataclass(frozen=True, slots=True)
class Expected:
    """What a producer must send again before anything later: its dropped batches lie in [sequence, last]."""

    epoch: int
    sequence: int
    last: int

    def widened(self, other: Expected) -> Expected:
        """With what was dropped of the same epoch besides, in whatever order that happened."""
        sequence = other.sequence if follows(self.sequence, other.sequence) else self.sequence
        last = other.last if follows(other.last, self.last) else self.last
        return Expected(self.epoch, sequence, last)

    def behind(self, accepted: BatchHeader) -> Expected | None:
        """What is still expected when a batch was accepted; None: nothing is, or the epoch is over."""
        if accepted.producer_epoch != self.epoch:
            return None
        if follows(self.sequence, accepted.base_sequence):
            return self  # it comes before the dropped ones
        following = next_sequence(accepted.last_sequence)
        if following == self.last or follows(self.last, following):
            return Expected(self.epoch, following, self.last)
        return None


@dataclass(frozen=True, slots=True)
class Accept:
    """The batch is new and in order."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The batch is stored already, as `original`."""

    original: Sequenced


@dataclass(frozen=True, slots=True)
class Reject:
    """Kafka's answer is `error`; `final` ones kill producers and need proof of ownership before."""

    error: KafkaError
    final: bool


Verdict = Accept | Duplicate | Reject
ACCEPT: Final = Accept()


def next_sequence(sequence: int) -> int:
    """The sequence after `sequence`: they wrap from 2^31-1 to 0."""
    return (sequence + 1) & MAX_SEQUENCE


def follows(sequence: int, earlier: int) -> bool:
    """Whether `sequence` lies behind `earlier`, by less than half of the circle."""
    return 0 < ((sequence - earlier) & MAX_SEQUENCE) < 2**30


def find_duplicate(batches: Iterable[Sequenced], batch: BatchHeader) -> Sequenced | None:
    """The stored batch of the same first and last sequence."""
    for stored in batches:
        if stored.first_sequence == batch.base_sequence and stored.last_sequence == batch.last_sequence:
            return stored
    return None


def judge(
    stored: Producer | None,
    pending: tuple[int, int] | None,
    expected: Expected | None,
    batch: BatchHeader,
) -> Verdict:
    """The verdict on an idempotent `batch`.

    `stored` is what the fold knows of the producer; `pending` is (epoch, last sequence) of its newest
    accepted batch that isn't settled yet, and counts as stored for the sequence; `expected` stands
    where one of its batches was dropped.
    """
    if stored is not None and stored.epoch == batch.producer_epoch:
        original = find_duplicate(stored.batches, batch)
        if original is not None:
            return Duplicate(original)
    newest = pending or ((stored.epoch, stored.last_sequence) if stored is not None else None)
    if batch.producer_epoch < _NO_EPOCH:
        return _reject_epoch(batch, newest[0] if newest else _NO_EPOCH)
    if newest is None:
        return _judge_sequence(None, expected, batch)
    epoch, last_sequence = newest
    if batch.producer_epoch < epoch:
        return _reject_epoch(batch, epoch)
    wanted = next_sequence(last_sequence) if batch.producer_epoch == epoch else 0
    return _judge_sequence(wanted, expected, batch)


def _judge_sequence(wanted: int | None, expected: Expected | None, batch: BatchHeader) -> Verdict:
    if batch.base_sequence == wanted:
        return ACCEPT
    if (
        expected is not None
        and expected.epoch == batch.producer_epoch
        and follows(batch.base_sequence, expected.sequence)
    ):
        return _reject_behind_dropped(batch, expected)
    return ACCEPT if wanted is None else _reject_sequence(batch, wanted)


def _reject_epoch(batch: BatchHeader, epoch: int) -> Reject:
    text = f"producer {batch.producer_id} sent epoch {batch.producer_epoch}, epoch {epoch} is known already"
    return Reject(KafkaError(ErrorCode.invalid_producer_epoch, text), final=True)


def _reject_sequence(batch: BatchHeader, wanted: int) -> Reject:
    text = (
        f"producer {batch.producer_id}, epoch {batch.producer_epoch}, sent the sequence "
        f"{batch.base_sequence} where {wanted} comes next"
    )
    return Reject(KafkaError(ErrorCode.out_of_order_sequence_number, text), final=True)


def _reject_behind_dropped(batch: BatchHeader, expected: Expected) -> Reject:
    text = (
        f"the batch of producer {batch.producer_id} with the sequence {expected.sequence} was not stored, "
        f"so {batch.base_sequence} behind it can't be either"
    )
    return Reject(KafkaError(ErrorCode.kafka_storage_error, text), final=False)
