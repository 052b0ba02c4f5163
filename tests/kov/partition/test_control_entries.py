"""What control entries say: whose they are, who wrote them, and a state that can be gone on from."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest

from kov.entries import ControlEntry, Kind, pack, unpack
from kov.partition import control
from kov.partition.fold import Fold, Position
from kov.partition.identity import (
    PartitionIdentity,
    ProducerBounds,
    WriterIdentity,
    WriterStamp,
    identity_of,
    writer_of,
)
from kov.partition.producers import Producer, Sequenced
from kov.pb import control_pb2
from tests.kov.partition.scripted import IDENTITY

ADDRESSES = {"internal": "node-4:9092", "external": "example.org:9094"}
STAMP = WriterStamp(attempt_id=b"new" * 5 + b".", node=WriterIdentity(node_id=4, addresses=ADDRESSES))
OWNER = WriterStamp(
    attempt_id=b"old" * 5 + b".", node=WriterIdentity(node_id=3, addresses={"internal": "node-3:9092"})
)
BOUNDS = ProducerBounds(max_producers=12, expiration_ms=3456)
OTHER_BOUNDS = ProducerBounds(max_producers=78, expiration_ms=9012)
NOW_MS = 1_700_000_000_000
OTHER = PartitionIdentity(cluster_id=1, topic_uuid=IDENTITY.topic_uuid, index=3)


def a_fold() -> Fold:
    """One in which every value differs from all others and from what it is at first."""
    fold = Fold(IDENTITY, Position(llsn=50, epoch=6, next_offset=700, max_timestamp_ms=8000))
    fold.producers = {
        7: Producer(2, (Sequenced(4, 5, 498, 7001), Sequenced(6, 9, 500, 7002)), 70),
        8: Producer(1, (Sequenced(0, 0, 600, 7003),), 0),
    }
    fold.bounds = OTHER_BOUNDS
    fold.clock_ms = 90
    fold.last_control_llsn = 45
    fold.fence_llsn = 40
    fold.writer = OWNER
    fold.epochs = [(5, 300, 20), (6, 400, 40)]
    return fold


MAKERS: dict[Kind, Callable[[Fold], ControlEntry]] = {
    Kind.FENCE: lambda fold: control.fence(fold, STAMP, BOUNDS, NOW_MS),
    Kind.SNAPSHOT: lambda fold: control.snapshot(fold, STAMP, NOW_MS),
    Kind.CLAIM: lambda fold: control.claim(fold, STAMP, NOW_MS),
    Kind.REPAIR: lambda fold: control.repair(fold, STAMP, None, NOW_MS),
}
STATEFUL = (Kind.FENCE, Kind.SNAPSHOT, Kind.REPAIR)


def through_bytes(entry: ControlEntry) -> ControlEntry:
    read = unpack(pack(entry.kind, entry.epoch, entry.message))
    assert isinstance(read, ControlEntry)
    return read


@pytest.mark.parametrize("kind", MAKERS)
def test_every_control_entry_says_whose_it_is_and_who_wrote_it_when(kind: Kind) -> None:
    entry = through_bytes(MAKERS[kind](a_fold()))
    message = entry.message
    assert isinstance(
        message, control_pb2.Fence | control_pb2.Snapshot | control_pb2.Claim | control_pb2.Repair
    )
    assert identity_of(message.partition) == IDENTITY
    assert writer_of(message.writer) == STAMP
    assert message.time_ms == NOW_MS
    assert (entry.kind, entry.epoch) == (kind, 7 if kind is Kind.FENCE else 6)


@pytest.mark.parametrize("kind", STATEFUL)
def test_what_goes_on_from_a_control_entry_knows_all_that_its_writer_knew(kind: Kind) -> None:
    fold = a_fold()
    entry = through_bytes(MAKERS[kind](fold))
    restored = control.restore(entry, IDENTITY)
    assert restored.position == fold.position
    assert restored.producers == fold.producers
    assert list(restored.producers) == [7, 8]
    assert restored.bounds == OTHER_BOUNDS, "a fence's own bounds hold from its LLSN on"
    assert (restored.clock_ms, restored.fence_llsn, restored.writer) == (90, 40, OWNER)
    assert restored.epochs == [(6, 400, 40)]
    assert restored.last_control_llsn == (0 if kind is Kind.REPAIR else 45)
    assert control.as_of(entry) == 50
    assert control.positions_in(entry) == [fold.position]


def test_a_state_from_before_any_fence_names_no_writer_and_no_epoch() -> None:
    entry = through_bytes(MAKERS[Kind.FENCE](Fold(IDENTITY)))
    assert control.restore(entry, IDENTITY) == Fold(IDENTITY)
    assert isinstance(entry.message, control_pb2.Fence)
    assert entry.message.state.epoch_start_offset == 0


def test_the_bounds_of_a_fence_hold_from_it_on() -> None:
    fold = Fold(IDENTITY)
    fold.apply(1, through_bytes(control.fence(fold, STAMP, BOUNDS, NOW_MS)))
    assert fold.bounds == BOUNDS
    assert fold.writer == STAMP


def test_what_a_repair_kept_can_be_read_from_its_beginning_on() -> None:
    fold = a_fold()
    entry = through_bytes(control.repair(fold, STAMP, Position(12, 3, 88), NOW_MS))
    assert control.positions_in(entry) == [fold.position, Position(12, 3, 88)]
    assert control.positions_in(through_bytes(MAKERS[Kind.REPAIR](fold))) == [fold.position]


def test_one_goes_back_along_fences_and_snapshots_and_a_repair_ends_the_way() -> None:
    ways = {kind: control.previous(through_bytes(make(a_fold()))) for kind, make in MAKERS.items()}
    assert ways == {Kind.FENCE: 45, Kind.SNAPSHOT: 45, Kind.CLAIM: 0, Kind.REPAIR: 0}


@pytest.mark.parametrize("kind", MAKERS)
def test_only_an_own_entry_with_a_state_belongs_to_a_partition(kind: Kind) -> None:
    entry = through_bytes(MAKERS[kind](a_fold()))
    assert control.belongs_to(entry, IDENTITY) is (kind in STATEFUL)
    assert not control.belongs_to(entry, OTHER)


def test_a_claim_holds_no_state() -> None:
    assert control.as_of(MAKERS[Kind.CLAIM](a_fold())) is None


@pytest.mark.parametrize(
    ("raw", "whole"),
    [(b"", bytes(16)), (b"\x01\x02", b"\x01\x02" + bytes(14)), (b"0123456789abcdefXY", b"0123456789abcdef")],
    ids=["missing", "short", "long"],
)
def test_a_topic_id_of_another_length_is_an_identity_all_the_same(raw: bytes, whole: bytes) -> None:
    """Nothing that lies in a log may make reading it fail."""
    found = identity_of(control_pb2.PartitionIdentity(cluster_id=2, topic_uuid=raw, index=5))
    assert found == PartitionIdentity(cluster_id=2, topic_uuid=UUID(bytes=whole), index=5)
