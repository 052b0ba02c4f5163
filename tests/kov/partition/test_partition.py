"""The partition's promises, against a log whose faults are made by hand at chosen steps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiokafka.record.default_records import DefaultRecordBatch
from kio.schema.errors import ErrorCode

from kov.budget import Budget
from kov.entries import BatchEntry, ControlEntry, Kind, unpack
from kov.errors import KafkaError, NotLeader
from kov.partition.limits import Limits
from kov.partition.opening import Opening
from kov.partition.partition import Appended, Partition
from kov.partition.states import State
from kov.partition.writer import Writer
from kov.topics import TimestampType, TopicConfig
from tests.builders import batch, idempotent, patched
from tests.kov.partition.asking import code_of, offset_of, send, until, values_of
from tests.kov.partition.scripted import ScriptedLog, partition_on
from tests.simulation.loop import run

QUICK = Limits(retry_s=0.001, max_retry_s=0.01, deposed_s=0.05)


@pytest.fixture
def log() -> ScriptedLog:
    return ScriptedLog()


@pytest.fixture
async def partition(log: ScriptedLog) -> AsyncIterator[Partition]:
    made = partition_on(log)
    yield made
    log.sealed = log.unreachable = False
    log.release()
    await made.close(1)


def kinds_of(log: ScriptedLog) -> list[Kind]:
    entries = [unpack(payload) for payload in log.entries]
    return [entry.kind for entry in entries if isinstance(entry, ControlEntry)]


# Order and group commit


async def test_offsets_count_records_from_zero(partition: Partition, log: ScriptedLog) -> None:
    futures = [send(partition, batch([b"%d" % n] * (n + 1))) for n in range(4)]
    assert [await offset_of(f) for f in futures] == [0, 1, 3, 6]
    assert values_of(log) == [b"0", b"1", b"1", b"2", b"2", b"2", b"3", b"3", b"3", b"3"]


async def test_while_the_pipeline_is_full_one_append_carries_all_that_waits(
    partition: Partition, log: ScriptedLog
) -> None:
    await offset_of(send(partition, batch()))
    log.hold()
    futures = [send(partition, batch([b"%d" % n])) for n in range(20)]
    await until(lambda: len(log.sent) == 2)
    assert [len(sent.payloads) for sent in log.sent] == [1, 1]
    log.complete()
    assert [len(sent.payloads) for sent in log.sent] == [1, 18]
    log.release()
    assert [await offset_of(f) for f in futures] == list(range(1, 21))


async def test_an_append_is_bounded_in_bytes(log: ScriptedLog) -> None:
    partition = partition_on(log, limits=Limits(max_run_bytes=1000))
    log.hold()
    futures = [send(partition, batch([b"x" * 400])) for _ in range(9)]
    await until(lambda: len(log.sent) == 2)
    log.complete()
    assert len(log.sent[-1].payloads) == 3
    log.release()
    assert [await offset_of(f) for f in futures] == list(range(9))
    await partition.close(1)


async def test_nothing_is_sent_before_the_fence_is_committed(partition: Partition, log: ScriptedLog) -> None:
    log.hold(lambda payload: True)
    future = send(partition, batch())
    await until(lambda: len(log.sent) == 1)
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(log.sent) == 1
    assert unpack(log.sent[0].payloads[0]).__class__ is ControlEntry
    log.release()
    assert await offset_of(future) == 0


async def test_snapshots_come_every_so_many_entries(log: ScriptedLog) -> None:
    partition = partition_on(log, limits=Limits(snapshot_entries=10))
    for _ in range(35):
        await offset_of(send(partition, batch()))
    assert kinds_of(log) == [Kind.FENCE, Kind.SNAPSHOT, Kind.SNAPSHOT, Kind.SNAPSHOT]
    await partition.close(1)


async def test_log_append_time_is_stored_and_answered(log: ScriptedLog) -> None:
    config = TopicConfig(timestamp_type=TimestampType.LOG_APPEND_TIME)
    partition = partition_on(log, config=config)
    appended = await send(partition, idempotent(0))
    stored = DefaultRecordBatch(log.entries[-1])
    assert stored.validate_crc()
    assert appended.log_append_time_ms == stored.max_timestamp > 1_700_000_000_000
    assert (await send(partition, idempotent(0))) == appended
    await partition.close(1)


# Bad input


async def test_a_refused_batch_stores_nothing_and_uses_no_offset(
    partition: Partition, log: ScriptedLog
) -> None:
    await offset_of(send(partition, batch()))
    entries = len(log.entries)
    with pytest.raises(KafkaError):
        send(partition, patched(batch(), 17, ">I", 1, checksum=False))
    assert len(log.entries) == entries
    assert await offset_of(send(partition, batch())) == 1


# Doubt


@pytest.mark.parametrize("stored", [0, 1, 2])
async def test_after_a_broken_stream_each_batch_is_there_once_and_in_order(
    partition: Partition, log: ScriptedLog, stored: int
) -> None:
    await offset_of(send(partition, batch([b"first"])))
    log.hold()
    futures = [send(partition, batch([b"%d" % n])) for n in range(6)]
    await until(lambda: len(log.sent) == 2)
    log.strand(stored=stored)
    log.release()
    assert [await offset_of(f) for f in futures] == [1, 2, 3, 4, 5, 6]
    assert values_of(log) == [b"first", b"0", b"1", b"2", b"3", b"4", b"5"]


async def test_an_append_that_lands_after_the_new_fence_is_void(
    partition: Partition, log: ScriptedLog
) -> None:
    await offset_of(send(partition, batch([b"first"])))
    log.hold()
    future = send(partition, batch([b"late"]))
    await until(lambda: len(log.sent) == 1)
    (late,) = log.take()
    log.release()
    assert await offset_of(future) == 1
    log.store(late.payloads)
    assert await offset_of(send(partition, batch([b"next"]))) == 2
    assert values_of(log) == [b"first", b"late", b"next"]


async def test_a_sealed_stream_costs_latency_and_nothing_else(partition: Partition, log: ScriptedLog) -> None:
    await offset_of(send(partition, batch([b"a"])))
    log.sealed = True
    future = send(partition, batch([b"b"]))
    await until(lambda: partition.state is State.OPENING)
    log.sealed = False
    assert await offset_of(future) == 1
    assert values_of(log) == [b"a", b"b"]


async def test_a_fence_in_doubt_is_tried_again_with_a_new_attempt(
    partition: Partition, log: ScriptedLog
) -> None:
    log.hold(lambda payload: True)
    future = send(partition, batch([b"a"]))
    await until(lambda: len(log.sent) == 1)
    log.strand(stored=1)
    await until(lambda: len(log.sent) == 1)
    log.release()
    assert await offset_of(future) == 0
    fences = [e for e in map(unpack, log.entries) if isinstance(e, ControlEntry) and e.kind is Kind.FENCE]
    assert [fence.epoch for fence in fences] == [1, 2]
    assert len({fence.message.writer.attempt_id for fence in fences}) == 2  # type: ignore[attr-defined]


async def test_an_unexpected_llsn_acknowledges_nobody_before_the_log_was_read(
    partition: Partition, log: ScriptedLog
) -> None:
    await offset_of(send(partition, batch([b"a"])))
    log.store([b"\xffsome other program"])
    assert await offset_of(send(partition, batch([b"b"]))) == 1
    assert values_of(log) == [b"a", b"b"]
    assert partition.epoch == 2


# Defects of ours


async def test_a_defect_while_opening_fails_what_waits_and_is_got_over(
    partition: Partition, log: ScriptedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Opening, "attempt", lambda self, watch_s: 1 / 0)
        assert await code_of(send(partition, batch([b"a"]))) is ErrorCode.kafka_storage_error
    await until(lambda: partition.state is State.IDLE)
    assert await offset_of(send(partition, batch([b"b"]))) == 0
    assert values_of(log) == [b"b"]


async def test_a_defect_while_settling_is_found_out_from_the_log(
    partition: Partition, log: ScriptedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    await offset_of(send(partition, batch([b"a"])))
    log.hold()
    futures = [send(partition, batch([value])) for value in (b"b", b"c")]
    await until(lambda: len(log.sent) == 2)
    with monkeypatch.context() as patch:
        patch.setattr(Writer, "_settle", lambda self, llsn, stamped: 1 / 0)
        log.complete()
    log.release()
    assert [await offset_of(future) for future in futures] == [1, 2]
    assert values_of(log) == [b"a", b"b", b"c"]


# Deadlines


async def test_past_its_time_a_batch_in_flight_is_in_doubt(partition: Partition, log: ScriptedLog) -> None:
    await offset_of(send(partition, batch()))
    log.hold()
    assert await code_of(send(partition, batch(), timeout_s=0.05)) is ErrorCode.request_timed_out


async def test_past_its_time_a_queued_batch_is_not_stored_and_takes_later_ones_along(
    partition: Partition, log: ScriptedLog
) -> None:
    await offset_of(send(partition, idempotent(0)))
    log.hold()
    stuck = [send(partition, idempotent(n)) for n in (1, 2)]
    await until(lambda: len(log.sent) == 2)
    expiring = send(partition, idempotent(3), timeout_s=0.05)
    later = send(partition, idempotent(4))
    other = send(partition, idempotent(0, producer_id=8))
    assert await code_of(expiring) is ErrorCode.kafka_storage_error
    assert await code_of(later) is ErrorCode.kafka_storage_error
    assert await code_of(send(partition, idempotent(5))) is ErrorCode.kafka_storage_error
    log.release()
    assert [await offset_of(f) for f in stuck] == [1, 2]
    assert await offset_of(other) == 3
    assert await offset_of(send(partition, idempotent(3))) == 4
    assert await offset_of(send(partition, idempotent(4))) == 5


async def test_without_a_producer_id_later_batches_of_the_connection_are_dropped_too(
    partition: Partition, log: ScriptedLog
) -> None:
    await offset_of(send(partition, batch([b"0"])))
    log.hold()
    stuck = [send(partition, batch([b"%d" % n])) for n in (1, 2)]
    await until(lambda: len(log.sent) == 2)
    expiring = send(partition, batch([b"3"]), timeout_s=0.05)
    later = send(partition, batch([b"4"]))
    other = send(partition, batch([b"other"]), source=object())
    assert await code_of(expiring) is ErrorCode.kafka_storage_error
    assert await code_of(later) is ErrorCode.kafka_storage_error
    log.release()
    assert [await offset_of(f) for f in (*stuck, other)] == [1, 2, 3]
    assert values_of(log) == [b"0", b"1", b"2", b"other"]


async def test_an_expired_batch_in_doubt_is_not_appended_again(
    partition: Partition, log: ScriptedLog
) -> None:
    await offset_of(send(partition, idempotent(0)))
    log.hold()
    expired = send(partition, idempotent(1), timeout_s=0.05)
    await until(lambda: len(log.sent) == 1)
    assert await code_of(expired) is ErrorCode.request_timed_out
    log.strand(stored=0)
    behind = send(partition, idempotent(2))
    log.release()
    assert await code_of(behind) is ErrorCode.kafka_storage_error
    retry = send(partition, idempotent(1))
    assert await offset_of(retry) == 1
    assert values_of(log) == [b"7/0/0", b"7/0/1"]


async def test_a_retry_lengthens_the_life_of_a_batch_in_flight(
    partition: Partition, log: ScriptedLog
) -> None:
    await offset_of(send(partition, idempotent(0)))
    log.hold()
    expired = send(partition, idempotent(1), timeout_s=0.05)
    assert await code_of(expired) is ErrorCode.request_timed_out
    retry = send(partition, idempotent(1))
    log.strand(stored=0)
    log.release()
    assert await offset_of(retry) == 1
    assert values_of(log) == [b"7/0/0", b"7/0/1"]


async def test_storage_away_for_long_answers_by_the_deadline_and_recovers(
    partition: Partition, log: ScriptedLog
) -> None:
    log.unreachable = True
    plain = send(partition, batch([b"never"]), timeout_s=0.05)
    sequenced = send(partition, idempotent(0), timeout_s=0.05)
    assert await code_of(plain) is ErrorCode.kafka_storage_error
    assert await code_of(sequenced) is ErrorCode.request_timed_out
    log.unreachable = False
    assert await offset_of(send(partition, idempotent(0))) == 0
    assert values_of(log) == [b"7/0/0"]


async def test_a_batch_nobody_waits_for_is_dropped_unless_it_was_sent(
    partition: Partition, log: ScriptedLog
) -> None:
    await offset_of(send(partition, batch([b"0"])))
    log.hold()
    sent = [send(partition, batch([b"%d" % n])) for n in (1, 2)]
    await until(lambda: len(log.sent) == 2)
    queued = send(partition, batch([b"3"]))
    for future in (*sent, queued):
        future.cancel()
    other = send(partition, batch([b"4"]), source=object())
    log.release()
    assert await offset_of(other) == 3
    assert values_of(log) == [b"0", b"1", b"2", b"4"]


# Idempotence


async def test_retry_of_a_batch_in_flight_shares_its_outcome(partition: Partition, log: ScriptedLog) -> None:
    await offset_of(send(partition, idempotent(0)))
    log.hold()
    first, retry = send(partition, idempotent(1, 3)), send(partition, idempotent(1, 3))
    log.release()
    assert [await offset_of(first), await offset_of(retry)] == [1, 1]
    assert len(values_of(log)) == 4


async def test_retry_after_lost_ack_returns_the_first_offset_also_after_a_restart(
    partition: Partition, log: ScriptedLog
) -> None:
    for n in range(6):
        await offset_of(send(partition, idempotent(n)))
    successor = partition_on(log, node_id=2)
    for n in range(5, 0, -1):
        assert await offset_of(send(successor, idempotent(n))) == n
    assert await code_of(send(successor, idempotent(0))) is ErrorCode.out_of_order_sequence_number
    assert await code_of(send(successor, idempotent(8))) is ErrorCode.out_of_order_sequence_number
    assert await offset_of(send(successor, idempotent(6))) == 6
    assert len(values_of(log)) == 7
    await successor.close(1)


async def test_a_fatal_verdict_is_said_only_behind_a_committed_claim(
    partition: Partition, log: ScriptedLog
) -> None:
    await offset_of(send(partition, idempotent(0)))
    log.hold(lambda payload: True)
    refused = send(partition, idempotent(5))
    await until(lambda: len(log.sent) == 1)
    assert not refused.done()
    log.release()
    assert await code_of(refused) is ErrorCode.out_of_order_sequence_number
    assert kinds_of(log) == [Kind.FENCE, Kind.CLAIM]


async def test_a_deposed_node_never_says_45_from_stale_knowledge(
    partition: Partition, log: ScriptedLog
) -> None:
    await offset_of(send(partition, idempotent(0)))
    successor = partition_on(log, node_id=2)
    for n in (1, 2):
        await offset_of(send(successor, idempotent(n)))
    answer = send(partition, idempotent(3))
    with pytest.raises(NotLeader) as caught:
        await answer
    assert caught.value.leader is not None
    assert caught.value.leader.address("internal") == ("node-2", 9092)
    await successor.close(1)


# Two writers


async def test_a_deposed_writer_settles_what_was_stored_before_it_says_not_leader(
    partition: Partition, log: ScriptedLog
) -> None:
    await offset_of(send(partition, batch([b"a"])))
    log.hold()
    stored = send(partition, batch([b"b"]))
    lost = send(partition, batch([b"c"]))
    await until(lambda: len(log.sent) == 2)
    first = log.sent.popleft()
    log.store(first.payloads)  # committed, the answer is under way for ever
    second = log.sent.popleft()
    log.holding = None
    successor = partition_on(log, node_id=2)
    assert await offset_of(send(successor, batch([b"d"]))) == 2
    log.store(second.payloads)  # lands behind the fence: void
    log.sent.extend([first, second])
    log.strand(stored=0)
    assert await offset_of(stored) == 1
    assert await code_of(lost) is ErrorCode.not_leader_or_follower
    assert values_of(log) == [b"a", b"b", b"d"]
    assert partition.state is State.DEPOSED
    await successor.close(1)


async def test_a_deposed_node_takes_over_again_only_when_the_other_is_silent(
    partition: Partition, log: ScriptedLog
) -> None:
    await offset_of(send(partition, batch([b"a"])))
    successor = partition_on(log, node_id=2)
    await offset_of(send(successor, batch([b"b"])))
    assert await code_of(send(partition, batch([b"x"]))) is ErrorCode.not_leader_or_follower
    with pytest.raises(NotLeader):
        send(partition, batch([b"x"]))
    await until(lambda: partition.state is State.IDLE)
    assert await offset_of(send(partition, batch([b"c"]))) == 2
    assert values_of(log) == [b"a", b"b", b"c"]
    await successor.close(1)


async def test_two_nodes_opening_at_once_end_with_one_writer(log: ScriptedLog) -> None:
    nodes = [partition_on(log, node_id=n) for n in (1, 2)]
    futures = [send(node, batch([b"%d" % n])) for n, node in enumerate(nodes)]
    results = await asyncio.gather(*futures, return_exceptions=True)
    states = sorted(node.state.name for node in nodes)
    assert states == ["ACTIVE", "DEPOSED"]
    acknowledged = [n for n, result in enumerate(results) if isinstance(result, Appended)]
    assert [b"%d" % n for n in acknowledged] == values_of(log)
    for node in nodes:
        await node.close(1)


# Reading


async def test_reading_never_fences(log: ScriptedLog) -> None:
    writer = partition_on(log)
    for n in range(10):
        await offset_of(send(writer, batch([b"%d" % n])))
    entries = len(log.entries)
    reader = partition_on(log, node_id=2)
    fetched = await reader.read(4, max_bytes=1 << 20)
    assert [DefaultRecordBatch(b).base_offset for b in fetched.records] == list(range(4, 10))
    assert (fetched.high_watermark, fetched.log_start_offset) == (10, 0)
    assert (await reader.offsets(-1)).offset == 10
    assert (await reader.offsets(-2)).offset == 0
    assert len(log.entries) == entries
    with pytest.raises(KafkaError) as caught:
        await reader.read(11, max_bytes=1)
    assert caught.value.code is ErrorCode.offset_out_of_range
    await writer.close(1)
    await reader.close(1)


async def test_a_waiting_reader_of_another_node_wakes_when_the_writer_appends(log: ScriptedLog) -> None:
    writer, reader = partition_on(log), partition_on(log, node_id=2)
    await offset_of(send(writer, batch([b"0"])))
    assert (await reader.read(1, max_bytes=100)).records == ()
    waiting = reader.advanced(1)
    await offset_of(send(writer, batch([b"1"])))
    async with asyncio.timeout(5):
        await waiting
    assert len((await reader.read(1, max_bytes=100)).records) == 1
    await writer.close(1)
    await reader.close(1)


async def test_old_offsets_are_found_without_folding_from_the_start(log: ScriptedLog) -> None:
    limits = Limits(snapshot_entries=20, retry_s=0.001)
    writer = partition_on(log, limits=limits)
    for n in range(300):
        await offset_of(send(writer, batch([b"%d" % n])))
    await writer.close(1)
    reader = partition_on(log, limits=limits)
    for offset in (299, 150, 0, 77):
        fetched = await reader.read(offset, max_bytes=1)
        assert DefaultRecordBatch(fetched.records[0]).base_offset == offset
    await reader.close(1)


async def test_void_batches_are_never_handed_out(partition: Partition, log: ScriptedLog) -> None:
    await offset_of(send(partition, batch([b"a"])))
    log.hold()
    future = send(partition, batch([b"b"]))
    await until(lambda: len(log.sent) == 1)
    (late,) = log.take()
    log.release()
    await offset_of(future)
    log.store(late.payloads)
    await offset_of(send(partition, batch([b"c"])))
    reader = partition_on(log, node_id=2)
    fetched = await reader.read(0, max_bytes=1 << 20)
    values = [r.value for data in fetched.records for r in DefaultRecordBatch(data)]
    assert values == [b"a", b"b", b"c"]
    assert sum(isinstance(unpack(e), BatchEntry) for e in log.entries) > 3
    await reader.close(1)


# Closing


async def test_close_finishes_what_is_under_way_and_answers_the_rest(log: ScriptedLog) -> None:
    partition = partition_on(log)
    await offset_of(send(partition, batch()))
    log.hold()
    futures = [send(partition, batch([b"%d" % n])) for n in range(4)]
    await until(lambda: len(log.sent) == 2)
    closing = asyncio.create_task(partition.close(0.1))
    await asyncio.sleep(0)
    log.complete()
    await closing
    assert await offset_of(futures[0]) == 1
    assert await code_of(futures[1]) is ErrorCode.request_timed_out
    with pytest.raises(NotLeader):
        send(partition, batch())


# What operators see


def lines_about(caplog: pytest.LogCaptureFixture, text: str) -> list[str]:
    return [record.message for record in caplog.records if text in record.message]


async def test_waiting_for_an_unseal_is_said_at_once_and_then_only_now_and_then(
    partition: Partition, log: ScriptedLog, caplog: pytest.LogCaptureFixture
) -> None:
    await offset_of(send(partition, batch()))
    log.sealed = True
    waiting = send(partition, batch())
    await until(lambda: log.appenders > 12)
    (said,) = lines_about(caplog, "is sealed; kov waits until it is unsealed")
    assert "<Partition orders/0 OPENING next=1 " in said
    assert "log stream 1 of Varlog topic 1" in said
    log.sealed = False
    assert await offset_of(waiting) == 1


def test_a_wait_that_lasts_is_said_again(log: ScriptedLog, caplog: pytest.LogCaptureFixture) -> None:
    """In simulated time."""

    async def main() -> None:
        partition = partition_on(log, limits=Limits(max_retry_s=1.0))
        log.sealed = True
        waiting = send(partition, batch(), timeout_s=60)
        await asyncio.sleep(25)
        assert len(lines_about(caplog, "is sealed")) == 3
        assert log.appenders > 15
        log.sealed = False
        assert await offset_of(waiting) == 0
        await partition.close(1)

    run(1, main())


async def test_a_new_reason_to_wait_is_said_at_once(
    partition: Partition, log: ScriptedLog, caplog: pytest.LogCaptureFixture
) -> None:
    log.unreachable = True
    waiting = send(partition, batch())
    await until(lambda: bool(lines_about(caplog, "can't be opened now: no replica answers")))
    log.sealed, log.unreachable = True, False
    await until(lambda: bool(lines_about(caplog, "is sealed")))
    log.sealed = False
    assert await offset_of(waiting) == 0


# Memory


ROOM = 2000
BULK = b"x" * 400
BULKY = len(batch([BULK]))


@pytest.fixture
async def small(log: ScriptedLog) -> AsyncIterator[tuple[Partition, Budget]]:
    memory = Budget(10 * ROOM)
    made = partition_on(log, limits=replace(QUICK, max_queued_bytes=ROOM), memory=memory)
    yield made, memory
    log.sealed = log.unreachable = False
    log.release()
    await made.close(1)
    assert memory.used == 0


async def test_past_its_bound_a_partition_turns_batches_away_at_once(
    small: tuple[Partition, Budget], log: ScriptedLog
) -> None:
    partition, memory = small
    log.unreachable = True
    taken = [send(partition, batch([BULK])) for _ in range(ROOM // BULKY + 1)]
    assert memory.used == len(taken) * BULKY >= ROOM
    for _ in range(100):
        assert await code_of(send(partition, batch([BULK]))) is ErrorCode.kafka_storage_error
        assert await code_of(send(partition, idempotent(4))) is ErrorCode.request_timed_out
    assert memory.used == len(taken) * BULKY
    log.unreachable = False
    assert [await offset_of(future) for future in taken] == list(range(len(taken)))
    assert memory.used == 0


async def test_what_was_turned_away_must_come_again_before_later_batches(
    small: tuple[Partition, Budget], log: ScriptedLog
) -> None:
    partition, _ = small
    await offset_of(send(partition, idempotent(0)))
    log.hold()
    taken = [send(partition, batch([BULK])) for _ in range(ROOM // BULKY + 1)]
    assert await code_of(send(partition, idempotent(1))) is ErrorCode.request_timed_out
    log.release()
    last = [await offset_of(future) for future in taken][-1]
    assert await code_of(send(partition, idempotent(2))) is ErrorCode.kafka_storage_error, "and not 45"
    assert await offset_of(send(partition, idempotent(1))) == last + 1
    assert await offset_of(send(partition, idempotent(2))) == last + 2


@pytest.mark.parametrize("how", ["stored", "lost", "expired", "abandoned", "retried", "refused"])
async def test_bytes_are_given_back_however_a_batch_ends(
    small: tuple[Partition, Budget], log: ScriptedLog, how: str
) -> None:
    partition, memory = small
    await offset_of(send(partition, idempotent(0)))
    log.hold()
    futures = [send(partition, idempotent(n), timeout_s=0.05 if how == "expired" else 10) for n in (1, 2, 3)]
    assert memory.used > 0
    match how:
        case "lost":
            log.strand(stored=1)
        case "abandoned":
            for future in futures:
                future.cancel()
        case "retried":
            futures += [send(partition, idempotent(n)) for n in (0, 1, 2, 3)]
        case "refused":
            futures += [send(partition, idempotent(9))]
        case "expired":
            await asyncio.wait(futures)
    log.release()
    await asyncio.wait(futures)
    await offset_of(send(partition, batch(), source=object()))
    assert memory.used == 0
