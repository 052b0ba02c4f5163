"""What entries mean, and that every reader agrees: from the start, from a snapshot, from a void fence."""

from __future__ import annotations

from uuid import UUID

import pytest

from kov import records
from kov.entries import BatchEntry, ControlEntry, Entry, ForeignEntry, Kind, UnknownControl, pack, unpack
from kov.partition import control
from kov.partition.fold import Fold, ForeignPartition, Meaning, Unintelligible
from kov.partition.identity import PartitionIdentity, ProducerBounds, WriterIdentity, WriterStamp
from tests.builders import batch, idempotent

IDENTITY = PartitionIdentity(cluster_id=1, topic_uuid=UUID(int=5), index=0)
OTHER = PartitionIdentity(cluster_id=1, topic_uuid=UUID(int=6), index=0)
BOUNDS = ProducerBounds(max_producers=3, expiration_ms=1000)


class Log:
    """A log stream in a list: every entry goes through its bytes, as it would in Varlog."""

    def __init__(self) -> None:
        self.payloads: list[bytes] = []
        self.fold = Fold(IDENTITY)

    def put(self, payload: bytes) -> Meaning:
        self.payloads.append(payload)
        return self.fold.apply(len(self.payloads), unpack(payload))

    def control(self, entry: ControlEntry) -> Meaning:
        return self.put(pack(entry.kind, entry.epoch, entry.message))

    def fence(self, node_id: int = 1, now_ms: int = 0, bounds: ProducerBounds = BOUNDS) -> Meaning:
        return self.control(control.fence(self.fold, stamp(node_id), bounds, now_ms))

    def snapshot(self, now_ms: int = 0) -> Meaning:
        return self.control(control.snapshot(self.fold, stamp(1), now_ms))

    def batch(self, data: bytes, offset: int | None = None, epoch: int | None = None) -> Meaning:
        at = self.fold.position
        offset = at.next_offset if offset is None else offset
        return self.put(records.stamp(data, offset, at.epoch if epoch is None else epoch))


def stamp(node_id: int) -> WriterStamp:
    return WriterStamp(attempt_id=bytes([node_id]) * 16, node=WriterIdentity(node_id=node_id))


@pytest.fixture
def log() -> Log:
    return Log()


def test_a_batch_before_any_fence_is_void_even_with_epoch_zero(log: Log) -> None:
    assert log.batch(batch(), 0, 0) is Meaning.VOID
    assert log.fold.position.next_offset == 0


def test_offsets_are_dense_over_fences_and_void_entries(log: Log) -> None:
    assert log.fence() is Meaning.FENCE
    assert log.batch(batch([b"a", b"b"])) is Meaning.BATCH
    assert log.put(b"\xff something else") is Meaning.VOID
    assert log.put(b"") is Meaning.VOID
    assert log.fence(2) is Meaning.FENCE
    assert log.batch(batch([b"c"])) is Meaning.BATCH
    assert log.fold.position.next_offset == 3
    assert log.fold.epochs == [(1, 0, 1), (2, 2, 5)]


def test_a_deposed_writers_batches_are_void(log: Log) -> None:
    log.fence(1)
    log.batch(batch())
    log.fence(2)
    assert log.batch(batch(), offset=1, epoch=1) is Meaning.VOID
    assert log.batch(batch(), offset=5, epoch=2) is Meaning.VOID
    assert log.batch(batch(), offset=1, epoch=2) is Meaning.BATCH
    assert log.fold.end_of(1) == 1
    assert log.fold.end_of(2) is None


def test_of_two_fences_with_one_epoch_the_first_wins(log: Log) -> None:
    first = control.fence(log.fold, stamp(1), BOUNDS, 0)
    second = control.fence(log.fold, stamp(2), BOUNDS, 0)
    assert log.control(first) is Meaning.FENCE
    assert log.control(second) is Meaning.VOID
    assert log.fold.writer == stamp(1)


def test_an_effective_fence_of_another_partition_stops_the_fold(log: Log) -> None:
    foreign = control.fence(Fold(OTHER), stamp(1), BOUNDS, 0)
    with pytest.raises(ForeignPartition, match="partition 0 of topic"):
        log.control(foreign)
    assert log.fold.position.llsn == 0


def test_a_control_entry_of_a_newer_program_stops_the_fold(log: Log) -> None:
    payload = bytearray(pack(Kind.CLAIM, 1, control.claim(log.fold, stamp(1), 0).message))
    payload[5] = 77
    assert unpack(bytes(payload)) == UnknownControl(1, 77)
    with pytest.raises(Unintelligible, match="kind 77"):
        log.put(bytes(payload))


def test_a_damaged_control_entry_is_foreign(log: Log) -> None:
    payload = bytearray(pack(Kind.CLAIM, 1, control.claim(log.fold, stamp(1), 0).message))
    payload[-1] ^= 1
    assert isinstance(unpack(bytes(payload)), ForeignEntry)


@pytest.mark.parametrize("cut", [0, 1, 12, 60])
def test_a_cut_batch_is_foreign(cut: int) -> None:
    assert isinstance(unpack(records.stamp(batch(), 0, 1)[:cut]), ForeignEntry)


def test_entries_must_come_without_a_gap(log: Log) -> None:
    with pytest.raises(AssertionError, match="can't follow"):
        log.fold.apply(2, ForeignEntry())


def producers_of(fold: Fold) -> dict[int, tuple[int, int]]:
    return {pid: (p.epoch, p.last_sequence) for pid, p in fold.producers.items()}


def test_the_table_keeps_five_batches_of_the_newest_epoch(log: Log) -> None:
    log.fence()
    for n in range(7):
        log.batch(idempotent(n))
    assert [b.first_sequence for b in log.fold.producers[7].batches] == [2, 3, 4, 5, 6]
    log.batch(idempotent(0, epoch=1))
    assert producers_of(log.fold) == {7: (1, 0)}


def test_every_start_gives_the_same_state(log: Log) -> None:
    """Fold from the first entry, or from inside any fence or snapshot, also a void one: all agree."""
    log.fence(1, now_ms=10)
    for n in range(4):
        log.batch(idempotent(n, producer_id=n % 2))
    log.snapshot(now_ms=500)
    stale = control.fence(log.fold, stamp(9), BOUNDS, 600)
    log.batch(batch([b"x"] * 3))
    log.fence(2, now_ms=700)
    log.control(stale)  # void: its epoch is taken
    log.batch(idempotent(0, producer_id=50), epoch=1)  # void: deposed
    log.batch(idempotent(0, producer_id=51))
    log.snapshot(now_ms=1400)
    log.batch(idempotent(4, producer_id=0))
    entries: list[Entry] = [unpack(p) for p in log.payloads]
    starts = 0
    for entry in entries:
        if isinstance(entry, ControlEntry) and control.as_of(entry) is not None:
            fold = control.restore(entry, IDENTITY)
            for llsn in range(fold.position.llsn + 1, len(entries) + 1):
                fold.apply(llsn, entries[llsn - 1])
            assert fold.position == log.fold.position
            assert list(fold.producers.items()) == list(log.fold.producers.items())
            assert (fold.clock_ms, fold.max_timestamp_ms) == (log.fold.clock_ms, log.fold.max_timestamp_ms)
            assert (fold.fence_llsn, fold.writer) == (log.fold.fence_llsn, log.fold.writer)
            assert fold.last_control_llsn == log.fold.last_control_llsn
            starts += 1
    assert starts == 5


def test_a_producer_expires_by_the_partitions_clock_and_never_right_after_its_batch(log: Log) -> None:
    log.fence(now_ms=0)
    log.batch(idempotent(0, producer_id=1))
    log.snapshot(now_ms=5000)  # long after the fence, but nobody knows when the batch came
    assert 1 in log.fold.producers
    log.snapshot(now_ms=5900)
    assert 1 in log.fold.producers
    log.snapshot(now_ms=6001)
    assert 1 not in log.fold.producers


def test_the_clock_never_goes_back(log: Log) -> None:
    log.fence(now_ms=5000)
    log.batch(idempotent(0, producer_id=1))
    log.snapshot(now_ms=100)
    assert log.fold.clock_ms == 5000
    assert log.fold.producers[1].last_seen_ms == 5000


def test_the_table_is_bounded_by_number_oldest_first(log: Log) -> None:
    log.fence(now_ms=0)
    for pid in range(1, 6):
        log.batch(idempotent(0, producer_id=pid))
    log.snapshot(now_ms=1)  # just seen: they stay, whatever the number
    assert len(log.fold.producers) == 5
    log.snapshot(now_ms=2)
    assert sorted(log.fold.producers) == [3, 4, 5]


def test_a_batch_entry_is_recognised_with_its_stamps() -> None:
    entry = unpack(records.stamp(batch([b"a"] * 4), 10, 3))
    assert isinstance(entry, BatchEntry)
    assert (entry.header.base_offset, entry.header.leader_epoch, entry.header.record_count) == (10, 3, 4)
