"""What a partition answers in each of its states, and what it says of itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest
from kio.schema.errors import ErrorCode

from kov.errors import KafkaError, NotLeader
from kov.partition.limits import Limits
from kov.partition.partition import Appended, Partition
from kov.partition.states import State
from kov.topics import TimestampType, TopicConfig
from tests.builders import batch, idempotent
from tests.kov.partition.asking import code_of, offset_of, send, until, values_of
from tests.kov.partition.scripted import (
    LOG_STREAM_ID,
    TOPIC_ID,
    ScriptedAppender,
    ScriptedLog,
    partition_on,
)
from varlog_client.types import GLSN, LLSN, EntryMeta, LogStreamId, LogStreamState, TopicId

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


def refused(partition: Partition, data: bytes) -> KafkaError:
    """The error that is raised at once."""
    with pytest.raises(KafkaError) as caught:
        send(partition, data)
    return caught.value


async def error_of(future: asyncio.Future[Appended]) -> KafkaError:
    with pytest.raises(KafkaError) as caught:
        async with asyncio.timeout(5):
            await future
    return caught.value


# What it says of itself


async def test_a_partition_that_nobody_has_asked_knows_nothing_yet(partition: Partition) -> None:
    assert str(partition) == "partition 0 of orders"
    assert repr(partition) == "<Partition orders/0 IDLE next=? epoch=0 in_flight=0 queued=0 doubtful=0>"
    assert (partition.epoch, partition.start_offset, partition.leader) == (0, -1, None)


async def test_a_partition_tells_what_is_under_way(partition: Partition, log: ScriptedLog) -> None:
    log.unreachable = True
    futures = [send(partition, batch()) for _ in range(3)]
    assert repr(partition) == "<Partition orders/0 OPENING next=? epoch=0 in_flight=0 queued=3 doubtful=0>"
    log.hold()
    log.unreachable = False
    await until(lambda: len(log.sent) == 1 and len(log.sent[0].payloads) == 3)
    futures += [send(partition, batch()) for _ in range(2)]
    assert repr(partition) == "<Partition orders/0 ACTIVE next=0 epoch=1 in_flight=2 queued=1 doubtful=0>"
    assert (partition.epoch, partition.start_offset) == (1, 0)
    log.unreachable = True
    log.strand(stored=0)
    assert repr(partition) == "<Partition orders/0 OPENING next=0 epoch=1 in_flight=0 queued=1 doubtful=4>"
    log.unreachable = False
    log.release()
    assert [await offset_of(future) for future in futures] == [0, 1, 2, 3, 4]


async def test_start_and_epoch_of_a_trimmed_partition(log: ScriptedLog) -> None:
    writer = partition_on(log, limits=Limits(snapshot_entries=5))
    for _ in range(20):
        await offset_of(send(writer, batch()))
    await writer.close(1)
    log.trim(12)
    reader = partition_on(log, node_id=2)
    start = (await reader.offsets(-2)).offset
    assert reader.start_offset == start > 0
    assert reader.epoch == 1
    assert (await send(reader, batch())).log_start_offset == start
    await reader.close(1)


# Duplicates


@pytest.mark.parametrize("type_", list(TimestampType))
async def test_a_retry_is_told_what_the_stored_batch_was(log: ScriptedLog, type_: TimestampType) -> None:
    partition = partition_on(log, config=TopicConfig(timestamp_type=type_))
    await offset_of(send(partition, batch([b"before"])))
    first = await send(partition, idempotent(0, 3))
    retry = send(partition, idempotent(0, 3))
    assert retry.done(), "it is known already"
    again = await retry
    assert (
        (again.base_offset, again.log_start_offset) == (first.base_offset, first.log_start_offset) == (1, 0)
    )
    (stored,) = (await partition.producers())[7].batches
    assert again.log_append_time_ms == stored.timestamp_ms > 0
    assert len(values_of(log)) == 4
    await partition.close(1)


# Full


async def test_one_append_too_many_is_turned_away_at_once_and_not_before(log: ScriptedLog) -> None:
    partition = partition_on(log, limits=Limits(max_queued_bytes=2 * len(batch())))
    log.hold(lambda payload: True)
    taken = [send(partition, batch()) for _ in range(2)]
    turned_away = send(partition, batch())
    assert turned_away.done()
    assert not any(future.done() for future in taken)
    error = await error_of(turned_away)
    assert error.code is ErrorCode.kafka_storage_error
    assert error.message == "the batch was not stored: too much waits for this partition already"
    log.release()
    assert [await offset_of(future) for future in taken] == [0, 1]
    await partition.close(1)


# Doubt and closing


async def test_a_batch_that_is_found_stored_is_answered_like_any_other(
    partition: Partition, log: ScriptedLog, caplog: pytest.LogCaptureFixture
) -> None:
    first = await send(partition, batch())
    log.hold()
    future = send(partition, batch())
    await until(lambda: len(log.sent) == 1)
    log.strand(stored=1)
    assert await future == replace(first, base_offset=1)
    assert any(record.message.endswith(">: log stream 1: cut by the test") for record in caplog.records)


async def test_a_question_from_before_the_opening_doesnt_read_ahead_of_the_writer(
    partition: Partition, log: ScriptedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is stored and not confirmed yet is the writer's to fold."""
    log.hold(lambda payload: True)
    first = send(partition, batch())
    await until(lambda: len(log.sent) == 1)
    answered, peek = asyncio.Event(), log.peek

    async def late(topic_id: TopicId, log_stream_id: LogStreamId) -> LogStreamState:
        await answered.wait()
        return await peek(topic_id, log_stream_id)

    monkeypatch.setattr(log, "peek", late)
    question = asyncio.create_task(partition.offsets(-1))
    await asyncio.sleep(0)
    log.complete()
    await until(lambda: len(log.sent) == 1)
    stored = log.sent.popleft()
    llsn = log.store(stored.payloads)
    answered.set()
    assert (await question).offset == 0
    stored.callback([EntryMeta(TOPIC_ID, LOG_STREAM_ID, GLSN(llsn), LLSN(llsn))], None)
    assert first.done()
    assert partition.state is State.ACTIVE


def appender_of(log: ScriptedLog) -> ScriptedAppender:
    return log.sent[-1].appender


async def test_behind_a_doubt_the_old_appender_is_closed_before_the_new_fence(
    partition: Partition, log: ScriptedLog
) -> None:
    await offset_of(send(partition, batch()))
    log.hold(lambda payload: True)
    future = send(partition, batch())
    old = appender_of(log)
    log.strand(stored=0)
    assert partition.state is State.OPENING
    closed = [old.closed]
    await until(lambda: bool(log.sent))
    assert [*closed, old.closed] == [False, True]
    assert appender_of(log) is not old
    log.release()
    assert await offset_of(future) == 1


async def test_closing_closes_the_appender(log: ScriptedLog) -> None:
    partition = partition_on(log)
    await offset_of(send(partition, batch()))
    future = send(partition, batch())
    appender = appender_of(log)
    await partition.close(1)
    assert await offset_of(future) == 1
    assert appender.closed
    assert partition.state is State.CLOSED


async def test_closing_twice_is_closing_once(log: ScriptedLog) -> None:
    partition = partition_on(log)
    await offset_of(send(partition, batch()))
    log.hold()
    future = send(partition, batch())
    closings = [asyncio.create_task(partition.close(0.01)) for _ in range(2)]
    await asyncio.gather(*closings)
    assert await code_of(future) is ErrorCode.request_timed_out
    await partition.close(1)


async def test_whoever_gives_up_closing_doesnt_keep_it_from_closing(log: ScriptedLog) -> None:
    partition = partition_on(log)
    await offset_of(send(partition, batch()))
    log.hold()
    future = send(partition, batch())
    closing = asyncio.create_task(partition.close(10))
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait([closing])
    assert partition.state is State.ACTIVE
    log.release()
    assert await offset_of(future) == 1
    await until(lambda: partition.state is State.CLOSED)
    await partition.close(1)


async def test_while_it_closes_what_waits_is_still_finished(log: ScriptedLog) -> None:
    partition = partition_on(log)
    log.hold(lambda payload: True)
    futures = [send(partition, batch()) for _ in range(3)]
    closing = asyncio.create_task(partition.close(10))
    await asyncio.sleep(0)
    log.release()
    await closing
    assert [await offset_of(future) for future in futures] == [0, 1, 2]


async def test_what_was_never_sent_is_not_stored_unless_it_may_be_a_retry(log: ScriptedLog) -> None:
    partition = partition_on(log)
    log.unreachable = True
    plain, sequenced = send(partition, batch()), send(partition, idempotent(0))
    await partition.close(0)
    error = await error_of(plain)
    assert error.code is ErrorCode.kafka_storage_error
    assert error.message == "the batch was not stored: this node is shutting down"
    assert await code_of(sequenced) is ErrorCode.request_timed_out
    later = refused(partition, batch())
    assert isinstance(later, NotLeader)
    assert (later.message, later.leader) == ("this node is shutting down", None)


async def test_closing_is_said(log: ScriptedLog, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "kov.partition")
    partition = partition_on(log)
    await offset_of(send(partition, batch()))
    await partition.close(1)
    said = [record.message.partition(">: ")[2] for record in caplog.records]
    assert said[0] == "a producer asks"
    assert said[-1] == "closed"


# A partition that can't be opened


async def test_in_a_partition_that_cant_be_opened_nothing_is_stored_and_a_retry_is_in_doubt(
    partition: Partition, log: ScriptedLog
) -> None:
    newer = bytearray(16)
    newer[:8] = b"\xffkov\x09\x01\x00\x00"  # an envelope of a version to come
    log.store([bytes(newer)])
    first = await error_of(send(partition, batch()))
    assert first.code is ErrorCode.kafka_storage_error
    assert partition.state is State.FAILED
    plain, sequenced = refused(partition, batch()), refused(partition, idempotent(0))
    assert plain.code is ErrorCode.kafka_storage_error
    assert sequenced.code is ErrorCode.request_timed_out, "56 would say that it isn't stored"
    for error in (first, plain, sequenced):
        assert "run the newer one" in error.message


# A deposed one


async def test_a_deposed_node_refuses_at_once_and_names_the_writer(
    partition: Partition, log: ScriptedLog
) -> None:
    await offset_of(send(partition, batch([b"a"])))
    successor = partition_on(log, node_id=2)
    await offset_of(send(successor, batch([b"b"])))
    assert isinstance(await error_of(send(partition, batch())), NotLeader)
    assert partition.state is State.DEPOSED
    error = refused(partition, batch())
    assert isinstance(error, NotLeader)
    assert error.leader is not None
    assert error.leader.node_id == 2
    assert partition.leader == error.leader
    assert (await partition.offsets(-1)).offset == 2, "it can be read all the same"
    await successor.close(1)


async def test_a_verdict_that_waited_for_its_claim_is_given_anew_after_a_doubt(
    partition: Partition, log: ScriptedLog
) -> None:
    """What made the epoch look old was never stored."""
    await offset_of(send(partition, batch([b"first"])))
    log.hold(lambda payload: True)
    newer = send(partition, idempotent(0, epoch=5))
    older = send(partition, idempotent(0, epoch=3))
    await until(lambda: len(log.sent) == 2)
    newer.cancel()
    log.strand(stored=0)
    log.release()
    assert await offset_of(older) == 1
    assert values_of(log) == [b"first", b"7/3/0"]


# Cost


async def test_one_timer_serves_all_requests(
    partition: Partition, log: ScriptedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    await offset_of(send(partition, batch()))
    log.hold()
    loop, armed = asyncio.get_running_loop(), list[float]()
    call_at = loop.call_at

    def counted(when: float, callback: Callable[[], object]) -> asyncio.TimerHandle:
        armed.append(when)
        return call_at(when, callback)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "call_at", counted)
        futures = [send(partition, batch(), timeout_s=10 + n) for n in range(50)]
    assert len(armed) <= 1
    log.release()
    assert [await offset_of(future) for future in futures] == list(range(1, 51))
