"""The fold's rules at their edges: where it stops and what it says, what a repair sets, who leaves when."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kov import records
from kov.entries import ControlEntry, Kind, pack, unpack
from kov.partition import control
from kov.partition.fold import Fold, ForeignPartition, Meaning, Position, Unintelligible
from kov.partition.identity import PartitionIdentity, ProducerBounds, WriterIdentity, WriterStamp
from kov.partition.producers import Producer, Sequenced
from tests.builders import batch, idempotent
from tests.kov.partition.scripted import IDENTITY

OTHER = replace(IDENTITY, index=3)
STAMP = WriterStamp(
    attempt_id=b"a" * 16, node=WriterIdentity(node_id=4, addresses={"internal": "node-4:9092"})
)
BOUNDS = ProducerBounds(max_producers=3, expiration_ms=1000)
PRODUCER = Producer(2, (Sequenced(4, 5, 498, 8000),), 70)


def take(fold: Fold, entry: ControlEntry | bytes) -> Meaning:
    """The next entry, through its bytes as it would lie in Varlog."""
    payload = entry if isinstance(entry, bytes) else pack(entry.kind, entry.epoch, entry.message)
    return fold.apply(fold.position.llsn + 1, unpack(payload))


def take_batch(fold: Fold, data: bytes) -> Meaning:
    return take(fold, records.stamp(data, fold.position.next_offset, fold.position.epoch))


def elsewhere(partition: PartitionIdentity, epoch: int, next_offset: int = 0) -> Fold:
    """A fold of some other process, to make entries from."""
    return Fold(partition, Position(0, epoch, next_offset, 9000), {7: PRODUCER})


@pytest.fixture
def fold() -> Fold:
    """One fence, at LLSN 1: epoch 1, clock 100."""
    made = Fold(IDENTITY)
    take(made, control.fence(made, STAMP, BOUNDS, 100))
    return made


# Where it stops


def test_a_newer_programs_entry_is_named_with_what_to_do_and_not_taken(fold: Fold) -> None:
    payload = bytearray(pack(Kind.CLAIM, 1, control.claim(fold, STAMP, 0).message))
    payload[5] = 77
    with pytest.raises(Unintelligible) as caught:
        take(fold, bytes(payload))
    assert str(caught.value) == (
        "entry 2 is a control entry of kind 77, envelope version 1, which this version of kov doesn't know: "
        "run the newer one"
    )
    assert fold.position == Position(1, 1, 0, -1)


@pytest.mark.parametrize("kind", [Kind.FENCE, Kind.REPAIR])
def test_an_entry_in_force_of_another_partition_is_named_with_what_to_do_and_not_taken(
    fold: Fold, kind: Kind
) -> None:
    other = elsewhere(OTHER, 1, next_offset=500)
    fence = control.fence(other, STAMP, BOUNDS, 0)
    with pytest.raises(ForeignPartition) as caught:
        take(fold, fence if kind is Kind.FENCE else control.repair(other, STAMP, None, 0))
    assert str(caught.value) == (
        f"entry 2 says that this log stream belongs to {OTHER}, not to {IDENTITY}; "
        "correct the mapping file, or give the topic a log stream that was never used"
    )
    assert fold.position == Position(1, 1, 0, -1)
    assert fold.last_control_llsn == 1


@pytest.mark.parametrize("epoch", [0, 1])
def test_a_fence_of_another_partition_that_raises_nothing_stops_nothing(fold: Fold, epoch: int) -> None:
    take(fold, control.fence(fold, STAMP, BOUNDS, 0))
    assert fold.position.epoch == 2
    assert take(fold, control.fence(elsewhere(OTHER, epoch), STAMP, BOUNDS, 0)) is Meaning.VOID
    assert fold.writer == STAMP


@pytest.mark.parametrize("epoch", [0, 2])
def test_a_repair_of_another_partition_and_epoch_stops_nothing(fold: Fold, epoch: int) -> None:
    assert take(fold, control.repair(elsewhere(OTHER, epoch, 500), STAMP, None, 0)) is Meaning.VOID
    assert fold.position == Position(2, 1, 0, -1)


# What a repair sets


def test_a_repair_in_force_sets_the_offset_the_largest_time_and_the_producers(fold: Fold) -> None:
    take_batch(fold, idempotent(0, producer_id=50))
    declared = elsewhere(IDENTITY, 1, next_offset=500)
    assert take(fold, control.repair(declared, STAMP, None, 200)) is Meaning.REPAIR
    assert fold.position == Position(3, 1, 500, 9000)
    assert fold.producers == {7: PRODUCER}
    assert fold.last_control_llsn == 3
    assert fold.clock_ms == 200
    assert take_batch(fold, batch()) is Meaning.BATCH


@pytest.mark.parametrize("epoch", [0, 2])
def test_a_repair_of_another_epoch_changes_nothing(fold: Fold, epoch: int) -> None:
    assert take(fold, control.repair(elsewhere(IDENTITY, epoch, 500), STAMP, None, 200)) is Meaning.VOID
    assert fold.position == Position(2, 1, 0, -1)
    assert not fold.producers
    assert fold.clock_ms == 100


# Positions


def test_the_largest_timestamp_stays_when_an_earlier_one_comes(fold: Fold) -> None:
    for timestamp_ms in (500, 900, 100):
        take_batch(fold, batch(timestamp_ms=timestamp_ms))
    assert fold.max_timestamp_ms == 900


def test_a_copied_position_is_the_same_and_its_own() -> None:
    position = Position(11, 12, 13, 14)
    copied = position.copy()
    assert copied == Position(11, 12, 13, 14)
    copied.llsn = 0
    assert position.llsn == 11


# Going back along the control entries


def test_of_control_entries_only_own_ones_that_hold_a_state_are_gone_back_to(fold: Fold) -> None:
    other = elsewhere(OTHER, 1)
    seen = []
    for entry in (
        control.claim(fold, STAMP, 0),
        control.snapshot(fold, STAMP, 0),
        control.snapshot(other, STAMP, 0),
        control.fence(Fold(IDENTITY), STAMP, BOUNDS, 0),  # void, and its state is right all the same
        control.claim(other, STAMP, 0),
    ):
        take(fold, entry)
        seen.append(fold.last_control_llsn)
    assert seen == [1, 3, 3, 5, 5]


# Who leaves when


def test_a_producer_leaves_only_when_it_is_older_than_the_bound(fold: Fold) -> None:
    take_batch(fold, idempotent(0))
    for now_ms, known in ((5000, True), (6000, True), (6001, False)):
        take(fold, control.claim(fold, STAMP, now_ms))
        assert (7 in fold.producers) is known, f"at {now_ms}, seen at 5000, kept for {BOUNDS.expiration_ms}"
