"""The writer by itself: what it sends, when it writes a snapshot, and that it ends at the first doubt."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import pytest
from aiokafka.record.default_records import DefaultRecordBatch
from kio.schema.errors import ErrorCode

from kov import records
from kov.budget import Budget
from kov.entries import BatchEntry, ControlEntry, Kind, unpack
from kov.errors import KafkaError
from kov.partition import control
from kov.partition.fold import Fold
from kov.partition.identity import ProducerBounds, WriterIdentity, WriterStamp
from kov.partition.limits import Limits
from kov.partition.pending import Appended, PendingBatch, Waiter
from kov.partition.tail import TailBudget
from kov.partition.view import View
from kov.partition.writer import Writer, now_ms
from kov.topics import TimestampType, TopicConfig
from tests.builders import batch, idempotent
from tests.kov.partition.scripted import IDENTITY, LOG_STREAM_ID, TOPIC_ID
from varlog_client import Callback, LogStreamAppender
from varlog_client.errors import StreamBroken
from varlog_client.types import GLSN, LLSN, EntryMeta

FENCE_LLSN = 1
SIZE = len(batch())
STAMP = WriterStamp(attempt_id=b"w" * 16, node=WriterIdentity(node_id=3))


class Appender:
    """Takes `pipeline` appends and calls back when the test says so."""

    def __init__(self, pipeline: int) -> None:
        self.sent: list[tuple[list[bytes], Callback]] = []
        self.pipeline = pipeline

    def append_batch_nowait(self, payloads: Sequence[bytes], callback: Callback) -> bool:
        if len(self.sent) == self.pipeline:
            return False
        self.sent.append((list(payloads), callback))
        return True


@dataclass
class Bench:
    """A writer right behind its fence, with what it has told."""

    limits: Limits
    config: TopicConfig = field(default_factory=TopicConfig)
    settled: list[PendingBatch] = field(default_factory=list)
    unwanted: list[PendingBatch] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    landed: int = FENCE_LLSN
    entries: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        fold = Fold(IDENTITY)
        fold.apply(FENCE_LLSN, control.fence(fold, STAMP, ProducerBounds(), 0))
        self.room = Budget(1 << 30)
        self.appender = Appender(self.limits.pipeline)
        self.view = View(TailBudget())
        self.view.load(fold)
        self.writer = Writer(
            self.view,
            cast("LogStreamAppender", self.appender),
            STAMP,
            self.config,
            self.limits,
            settled=self.settled.append,
            unwanted=self.unwanted.append,
            doubt=self.doubts.append,
        )

    def pending(self, data: bytes | None = None) -> PendingBatch:
        data = data or batch()
        waiter = Waiter(asyncio.get_running_loop().create_future(), float("inf"))
        return PendingBatch(data, records.parse(data), "connection", waiter, self.room)

    def submit(self, data: bytes | None = None) -> PendingBatch:
        pending = self.pending(data)
        self.writer.submit(pending)
        self.writer.pump()
        return pending

    def land(self, at: int | None = None) -> None:
        """The oldest append is stored behind the last one, or `at` an LLSN, and confirmed."""
        payloads, callback = self.appender.sent.pop(0)
        first = self.landed + 1 if at is None else at
        self.landed = first + len(payloads) - 1
        self.entries += payloads
        metas = [
            EntryMeta(TOPIC_ID, LOG_STREAM_ID, GLSN(llsn), LLSN(llsn))
            for llsn in range(first, first + len(payloads))
        ]
        callback(metas, None)

    def land_all(self) -> None:
        while self.appender.sent:
            self.land()

    def cut(self) -> None:
        _, callback = self.appender.sent.pop(0)
        callback(None, StreamBroken("cut by the test", log_stream_id=LOG_STREAM_ID))

    def controls(self) -> list[tuple[int, Kind]]:
        found = [(llsn, unpack(each)) for llsn, each in enumerate(self.entries, FENCE_LLSN + 1)]
        return [(llsn, entry.kind) for llsn, entry in found if isinstance(entry, ControlEntry)]


def offset_of(pending: PendingBatch) -> int:
    (waiter,) = pending.waiters
    return waiter.future.result().base_offset


def unanswered(*batches: PendingBatch) -> bool:
    return not any(waiter.future.done() for each in batches for waiter in each.waiters)


# What is sent


async def test_batches_are_stamped_with_epoch_and_dense_offsets() -> None:
    bench = Bench(Limits())
    batches = [bench.submit(batch([b"v"] * count)) for count in (3, 1, 2)]
    bench.land_all()
    stored = [unpack(each) for each in bench.entries]
    assert all(isinstance(each, BatchEntry) and each.header.leader_epoch == 1 for each in stored)
    assert [offset_of(each) for each in batches] == [0, 3, 4]
    assert bench.settled == batches
    assert bench.room.used == 0
    assert bench.view.end_offset == 6


async def test_batches_of_one_turn_of_the_event_loop_go_together() -> None:
    bench = Bench(Limits())
    batches = [bench.pending(batch([b"v"] * count)) for count in (3, 1, 2, 1)]
    for each in batches[:3]:
        bench.writer.submit(each)
    assert not bench.appender.sent
    await asyncio.sleep(0)
    assert [len(payloads) for payloads, _ in bench.appender.sent] == [3]
    bench.writer.submit(batches[3])
    await asyncio.sleep(0)
    assert [len(payloads) for payloads, _ in bench.appender.sent] == [3, 1]
    bench.land_all()
    assert [offset_of(each) for each in batches] == [0, 3, 4, 6]


async def test_a_turn_looks_at_the_queue_once_and_not_at_all_while_nothing_can_be_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(Limits(pipeline=1))
    looks: list[int] = []
    pump = bench.writer.pump

    def counted() -> None:
        looks.append(len(bench.writer.queue))
        pump()

    monkeypatch.setattr(bench.writer, "pump", counted)
    for _ in range(2):
        for _ in range(3):
            bench.writer.submit(bench.pending())
        await asyncio.sleep(0)
    assert looks == [3]
    bench.land()
    assert looks == [3, 3]
    bench.land_all()
    assert bench.view.end_offset == 6


async def test_a_writer_that_ended_in_the_turn_of_a_batch_does_not_send_it() -> None:
    bench = Bench(Limits())
    pending = bench.pending()
    bench.writer.submit(pending)
    assert bench.writer.stop() == ([], [pending])
    await asyncio.sleep(0)
    assert not bench.appender.sent


@pytest.mark.parametrize(("max_run_bytes", "taken"), [(1, 1), (SIZE, 1), (SIZE + 1, 2), (2 * SIZE, 2)])
async def test_an_append_takes_batches_until_it_has_reached_the_bound(max_run_bytes: int, taken: int) -> None:
    bench = Bench(Limits(pipeline=1, max_run_bytes=max_run_bytes))
    for _ in range(6):
        bench.submit()
    bench.land()
    ((payloads, _),) = bench.appender.sent
    assert len(payloads) == taken
    bench.land_all()
    assert bench.view.end_offset == 6


async def test_what_nobody_waits_for_is_left_out_and_told() -> None:
    bench = Bench(Limits(pipeline=1))
    first = bench.submit()
    given_up, wanted = bench.submit(), bench.submit()
    given_up.waiters[0].future.cancel()
    bench.land()
    ((payloads, _),) = bench.appender.sent
    assert len(payloads) == 1
    bench.land_all()
    assert bench.unwanted == [given_up]
    assert [offset_of(first), offset_of(wanted)] == [0, 1]


async def test_where_nobody_waits_for_anything_nothing_is_sent() -> None:
    bench = Bench(Limits(pipeline=1))
    bench.submit()
    given_up = [bench.submit(), bench.submit()]
    for each in given_up:
        each.waiters[0].future.cancel()
    bench.land()
    assert not bench.appender.sent
    assert bench.unwanted == given_up
    assert not bench.writer.queue
    assert not bench.writer.in_flight


async def test_append_time_is_the_servers_and_the_checksum_fits() -> None:
    bench = Bench(Limits(), TopicConfig(timestamp_type=TimestampType.LOG_APPEND_TIME))
    before = time.time() * 1000
    stamped = bench.submit()
    bench.writer.configure(TopicConfig())
    kept = bench.submit()
    bench.land_all()
    entry = unpack(bench.entries[0])
    assert isinstance(entry, BatchEntry)
    found: list[Appended] = [each.waiters[0].future.result() for each in (stamped, kept)]
    assert int(before) <= found[0].log_append_time_ms == entry.header.max_timestamp <= now_ms()
    assert found[1].log_append_time_ms == -1
    assert DefaultRecordBatch(bench.entries[0]).validate_crc()


async def test_the_answer_says_where_the_partition_starts() -> None:
    bench = Bench(Limits())
    bench.view.start_offset = 40
    pending = bench.submit()
    bench.land_all()
    assert pending.waiters[0].future.result().log_start_offset == 40


def test_now_is_in_milliseconds() -> None:
    assert abs(now_ms() - time.time() * 1000) < 60_000
    assert isinstance(now_ms(), int)


# Snapshots


@pytest.mark.parametrize("pipeline", [1, 2])
async def test_a_snapshot_comes_behind_exactly_so_many_entries(pipeline: int) -> None:
    bench = Bench(Limits(pipeline=pipeline, snapshot_entries=3))
    for _ in range(9):
        bench.submit()
        bench.land_all()
    assert bench.controls() == [(5, Kind.SNAPSHOT), (9, Kind.SNAPSHOT), (13, Kind.SNAPSHOT)]


async def test_entries_of_one_append_count_one_by_one() -> None:
    bench = Bench(Limits(pipeline=1, snapshot_entries=4))
    for _ in range(3):  # one alone, then two together
        bench.submit()
    bench.land_all()
    assert bench.controls() == []
    bench.submit()
    bench.land_all()
    assert bench.controls() == [(6, Kind.SNAPSHOT)]


async def test_a_snapshot_comes_behind_exactly_so_many_bytes() -> None:
    bench = Bench(Limits(snapshot_bytes=3 * SIZE))
    for _ in range(9):
        bench.submit()
        bench.land_all()
    assert bench.controls() == [(5, Kind.SNAPSHOT), (9, Kind.SNAPSHOT), (13, Kind.SNAPSHOT)]
    bench = Bench(Limits(snapshot_bytes=3 * SIZE + 1))
    for _ in range(4):
        bench.submit()
        bench.land_all()
    assert bench.controls() == [(6, Kind.SNAPSHOT)]


async def test_batches_of_one_append_count_with_all_their_bytes() -> None:
    bench = Bench(Limits(pipeline=1, snapshot_bytes=3 * SIZE))
    for _ in range(3):
        bench.submit()
    bench.land_all()
    assert bench.controls() == [(5, Kind.SNAPSHOT)]


async def test_a_snapshot_holds_the_state_and_says_who_wrote_it_when() -> None:
    bench = Bench(Limits(snapshot_entries=2))
    bench.submit(idempotent(0, 5))
    bench.land()
    bench.submit()
    bench.land()
    snapshot = unpack(bench.entries[-1])
    assert isinstance(snapshot, ControlEntry)
    restored = control.restore(snapshot, IDENTITY)
    assert (restored.position.llsn, restored.position.next_offset, snapshot.epoch) == (2, 5, 1)
    assert restored.producers.keys() == {7}
    assert snapshot.message == control.snapshot(restored, STAMP, bench.view.fold.clock_ms).message
    assert abs(bench.view.fold.clock_ms - now_ms()) < 60_000
    assert control.previous(snapshot) == FENCE_LLSN


async def test_behind_a_snapshot_batches_go_on_where_they_were() -> None:
    bench = Bench(Limits(pipeline=1, snapshot_entries=2))
    batches = [bench.submit() for _ in range(7)]
    bench.land_all()
    assert [offset_of(each) for each in batches] == list(range(7))
    assert not bench.doubts


# Claims


async def test_a_refusal_is_said_behind_its_claim_and_the_batch_is_never_sent() -> None:
    bench = Bench(Limits())
    refused = bench.pending(idempotent(5))
    refused.refusal = KafkaError(ErrorCode.out_of_order_sequence_number, "5 where 0 comes next")
    bench.writer.submit(refused)
    bench.writer.pump()
    behind = bench.submit()
    assert unanswered(refused)
    bench.land()
    assert refused.waiters[0].future.exception() is refused.refusal
    bench.land()
    assert offset_of(behind) == 0
    assert bench.controls() == [(2, Kind.CLAIM)]
    claim = unpack(bench.entries[0])
    assert isinstance(claim, ControlEntry)
    assert claim.message == control.claim(bench.view.fold, STAMP, bench.view.fold.clock_ms).message
    assert abs(bench.view.fold.clock_ms - now_ms()) < 60_000
    assert bench.settled == [refused, behind]
    assert bench.room.used == 0


# Doubt


async def test_at_an_unexpected_position_nothing_more_is_answered_or_sent() -> None:
    bench = Bench(Limits())
    batches = [bench.submit() for _ in range(4)]
    bench.land(at=FENCE_LLSN + 2)
    assert bench.doubts == ["an append landed at 3, not at 2: somebody else writes"]
    bench.land()
    batches.append(bench.submit())
    assert unanswered(*batches)
    assert not bench.appender.sent
    assert not bench.settled
    assert len(bench.doubts) == 1
    assert bench.view.end_offset == 0


async def test_behind_a_broken_stream_nothing_more_is_answered_or_sent() -> None:
    bench = Bench(Limits())
    batches = [bench.submit() for _ in range(4)]
    bench.cut()
    assert len(bench.doubts) == 1
    assert "cut by the test" in bench.doubts[0]
    bench.cut()
    batches.append(bench.submit())
    assert unanswered(*batches)
    assert not bench.appender.sent
    assert len(bench.doubts) == 1


async def test_a_defect_while_settling_ends_the_writer_and_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench(Limits())
    first, second = bench.submit(), bench.submit()
    bench.view.forget()  # whatever the defect is
    bench.land()
    assert bench.doubts == ["the entries from 2 on could not be settled"]
    assert [record.message for record in caplog.records] == ["settling the entries from 2 on failed"]
    assert caplog.records[0].exc_info is not None
    bench.land()
    bench.submit()
    assert unanswered(first, second)
    assert not bench.appender.sent
    assert len(bench.doubts) == 1


async def test_an_own_batch_that_turns_out_void_is_not_acknowledged() -> None:
    bench = Bench(Limits())
    pending = bench.submit()
    bench.view.fold.position.epoch = 2  # as by a fence that was never read
    bench.land()
    assert unanswered(pending)
    assert len(bench.doubts) == 1


# Stopping


async def test_what_was_sent_is_doubtful_under_its_stamp_and_the_rest_waits_in_order() -> None:
    bench = Bench(Limits(snapshot_entries=2))
    first, second = bench.submit(batch([b"a", b"b"])), bench.submit()  # the second with a snapshot
    refused = bench.pending(idempotent(5))
    refused.refusal = KafkaError(ErrorCode.out_of_order_sequence_number, "5 where 0 comes next")
    bench.land()
    bench.writer.submit(refused)
    bench.writer.pump()
    third, fourth = bench.submit(), bench.submit()
    doubtful, waiting = bench.writer.stop()
    assert [(each.batch, each.header.base_offset, each.header.leader_epoch) for each in doubtful] == [
        (second, 2, 1)
    ]
    assert waiting == [refused, third, fourth]
    assert [each.refusal for each in waiting] == [None] * 3, "it is judged anew"
    assert not bench.writer.queue
    assert not bench.writer.in_flight
    assert bench.doubts == []
    bench.cut()
    bench.land()
    assert unanswered(second, refused, third, fourth)
    assert bench.settled == [first]
    assert bench.doubts == []


async def test_doubtful_batches_behind_a_snapshot_are_not_forgotten() -> None:
    bench = Bench(Limits(pipeline=2, snapshot_entries=1))
    batches = [bench.submit(), bench.submit()]
    doubtful, waiting = bench.writer.stop()
    assert [each.batch for each in doubtful] == batches
    assert [each.header.base_offset for each in doubtful] == [0, 1]
    assert waiting == []
