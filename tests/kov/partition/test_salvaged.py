"""What is concluded from the entries that trimming has left, entry by entry."""

from __future__ import annotations

from uuid import UUID

from kov import records
from kov.entries import Entry, unpack
from kov.partition import control
from kov.partition.fold import Fold, Position
from kov.partition.identity import NOBODY, PartitionIdentity, ProducerBounds, WriterStamp
from kov.partition.producers import Producer, Sequenced
from kov.partition.salvage import nothing_left, salvage
from tests.builders import batch, idempotent
from tests.kov.partition.scripted import IDENTITY

FIRST = 6
OTHER = PartitionIdentity(cluster_id=1, topic_uuid=UUID(int=9), index=0)
STAMP = WriterStamp(attempt_id=b"x" * 16, node=NOBODY)


def stored(offset: int, epoch: int, count: int = 1, data: bytes | None = None) -> Entry:
    return unpack(records.stamp(data or batch([b"v"] * count), offset, epoch))


def state(epoch: int, next_offset: int, *producers: int, partition: PartitionIdentity = IDENTITY) -> Fold:
    """The state behind an entry that is long gone."""
    known = {each: Producer(0, (Sequenced(0, 0, 1, -1),)) for each in producers}
    return Fold(partition, Position(2, epoch, next_offset), known)


def snapshot(epoch: int, next_offset: int, *producers: int, partition: PartitionIdentity = IDENTITY) -> Entry:
    return control.snapshot(state(epoch, next_offset, *producers, partition=partition), STAMP, 0)


def fence(epoch: int, next_offset: int) -> Entry:
    return control.fence(state(epoch - 1, next_offset), STAMP, ProducerBounds(), 0)


def test_of_nothing_nothing_is_known() -> None:
    found = nothing_left(IDENTITY)
    assert (found.first_llsn, found.last_llsn, found.kept) == (0, 0, None)
    assert (found.highest_epoch, found.least_offset, found.lowest_choice, found.kept_records) == (0, 0, 0, 0)
    assert found.fold.partition == IDENTITY


def test_the_very_first_batch_may_be_the_first_that_is_left() -> None:
    found = salvage(IDENTITY, 2, [stored(0, 1), stored(1, 1)])
    assert found.kept is not None
    assert (found.kept.llsn, found.kept.epoch, found.kept.next_offset) == (1, 1, 0)
    assert found.lowest_choice == 2


def test_a_batch_at_the_offset_of_a_lost_state_is_the_next_one() -> None:
    found = salvage(IDENTITY, FIRST, [snapshot(2, 10), stored(10, 2)])
    assert found.kept is not None
    assert found.kept.next_offset == 10


def test_a_batch_of_an_epoch_that_had_ended_tells_no_offset() -> None:
    found = salvage(IDENTITY, FIRST, [snapshot(5, 10), stored(100, 3)])
    assert found.kept is None
    assert (found.kept_batches, found.void_batches) == (0, 1)


def test_a_batch_below_the_offset_of_a_lost_state_tells_nothing() -> None:
    found = salvage(IDENTITY, FIRST, [snapshot(2, 10), stored(7, 2)])
    assert found.kept is None
    assert found.lowest_choice == 10


def test_behind_batches_that_came_too_late_a_valid_one_is_still_found() -> None:
    entries = [snapshot(5, 10), stored(100, 3), stored(7, 5), stored(10, 5, 4)]
    found = salvage(IDENTITY, FIRST, entries)
    assert found.kept is not None
    assert (found.kept.epoch, found.kept.next_offset) == (5, 10)
    assert (found.kept_batches, found.void_batches, found.kept_records) == (1, 2, 4)


def test_offsets_that_only_a_lost_state_names_are_not_given_again() -> None:
    found = salvage(IDENTITY, FIRST, [fence(3, 30)])
    assert found.kept is None
    assert (found.least_offset, found.highest_epoch) == (30, 3)


def test_a_state_of_another_partition_says_nothing_about_this_one() -> None:
    found = salvage(IDENTITY, FIRST, [snapshot(2, 30, 7, partition=OTHER), stored(4, 1)])
    assert found.kept is not None
    assert found.kept.next_offset == 4
    assert found.least_offset == 5
    assert found.lost_producers == set()


def test_a_batch_that_nobody_stamped_takes_no_offset() -> None:
    assert salvage(IDENTITY, FIRST, [stored(500, 0), stored(4, 1)]).least_offset == 5
    assert salvage(IDENTITY, FIRST, [stored(500, 0)]).least_offset == 0


def test_producers_that_only_a_lost_state_names_are_told() -> None:
    retried = stored(10, 2, data=idempotent(1, producer_id=8))
    found = salvage(IDENTITY, FIRST, [snapshot(2, 10, 7, 8), retried])
    assert found.lost_producers == {7}
    assert found.fold.producers.keys() == {8}
