"""The sentences of Subscriber's contract that need a server misbehaving on cue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from grpc import StatusCode

from tests.varlog_client.answers import BOUND_S
from tests.varlog_client.scripted import STREAM, TOPIC, ScriptedVarlog
from varlog_client import (
    LLSN,
    Closed,
    Corrupt,
    InvalidArgument,
    Log,
    LogStreamId,
    NotFound,
    StorageNodeId,
    Subscriber,
    Trimmed,
    Unavailable,
)


@asynccontextmanager
async def two_nodes() -> AsyncIterator[tuple[ScriptedVarlog, ScriptedVarlog, Log]]:
    """A primary, a backup, and a log that knows both."""
    async with AsyncExitStack() as stack:
        primary = await stack.enter_async_context(ScriptedVarlog(StorageNodeId(1)))
        backup = await stack.enter_async_context(ScriptedVarlog(StorageNodeId(2)))
        primary.nodes = backup.nodes = primary.nodes | backup.nodes
        log = await stack.enter_async_context(
            await Log.open(1, [primary.address, backup.address], call_timeout_s=0.3)
        )
        yield primary, backup, log


def subscribe(
    log: Log, begin: int, end: int, *, silence_s: float = 5.0, patience_s: float = 5.0
) -> Subscriber:
    return log.subscribe_to(TOPIC, STREAM, LLSN(begin), LLSN(end), silence_s=silence_s, patience_s=patience_s)


async def rest(subscriber: Subscriber) -> list[int]:
    async with asyncio.timeout(BOUND_S):
        return [entry.llsn async for entry in subscriber]


async def test_a_range_is_read_in_order_and_ends(server: ScriptedVarlog, log: Log) -> None:
    subscriber = subscribe(log, 3, 6)
    call = await server.subscription()
    assert (call.begin, call.end_llsn) == (3, 6)
    for llsn in (3, 4, 5):
        await call.entry(llsn, b"%d" % llsn)
    entries = [entry async for entry in subscriber]
    assert [(entry.llsn, entry.glsn, entry.data) for entry in entries] == [
        (3, 0, b"3"),
        (4, 0, b"4"),
        (5, 0, b"5"),
    ]
    assert await subscriber.next_batch() == []


async def test_next_batch_gives_what_is_there_up_to_its_limit(server: ScriptedVarlog, log: Log) -> None:
    subscriber = subscribe(log, 1, 6)
    call = await server.subscription()
    for llsn in range(1, 6):
        await call.entry(llsn)
    await asyncio.wait_for(call.cancelled.wait(), BOUND_S)  # all were read ahead
    assert [entry.llsn for entry in await subscriber.next_batch(2)] == [1, 2]
    assert [entry.llsn for entry in await subscriber.next_batch()] == [3, 4, 5]
    assert await subscriber.next_batch() == []


async def test_an_empty_range_asks_nobody(server: ScriptedVarlog, log: Log) -> None:
    assert await rest(subscribe(log, 4, 4)) == []
    assert server.subscriptions == []


@pytest.mark.parametrize(("begin", "end"), [(0, 1), (5, 4), (1, 2**64)])
async def test_what_is_no_range_is_refused(log: Log, begin: int, end: int) -> None:
    with pytest.raises(ValueError, match="no range"):
        subscribe(log, begin, end)


async def test_a_log_stream_the_metadata_does_not_know_is_not_found(log: Log) -> None:
    with pytest.raises(NotFound):
        log.subscribe_to(TOPIC, LogStreamId(99), LLSN(1))


async def test_a_range_whose_begin_is_gone_is_trimmed_though_the_server_starts_later(
    server: ScriptedVarlog, log: Log
) -> None:
    subscriber = subscribe(log, 3, 9)
    await (await server.subscription()).entry(5)
    with pytest.raises(Trimmed) as caught:
        await rest(subscriber)
    assert caught.value.begin == 3


async def test_out_of_range_means_trimmed(server: ScriptedVarlog, log: Log) -> None:
    subscriber = subscribe(log, 3, 9)
    await (await server.subscription()).end(StatusCode.OUT_OF_RANGE, "log stream: logstream: trimmed")
    with pytest.raises(Trimmed):
        await rest(subscriber)


@pytest.mark.parametrize("wrong", [5, 3, 1])
async def test_a_gap_or_a_step_back_is_corrupt_and_comes_after_what_was_read(
    server: ScriptedVarlog, log: Log, wrong: int
) -> None:
    subscriber = subscribe(log, 2, 9)
    call = await server.subscription()
    for llsn in (2, 3, wrong):
        await call.entry(llsn)
    assert (await anext(subscriber)).llsn == 2
    assert (await anext(subscriber)).llsn == 3
    for _ in range(2):  # the error stays
        with pytest.raises(Corrupt, match=f"entry {wrong} came where 4 was due"):
            await anext(subscriber)


async def test_a_refused_request_is_not_asked_elsewhere(server: ScriptedVarlog, log: Log) -> None:
    subscriber = subscribe(log, 2, 9)
    await (await server.subscription()).end(StatusCode.INVALID_ARGUMENT, "no")
    with pytest.raises(InvalidArgument):
        await rest(subscriber)
    assert len(server.subscriptions) == 1


@pytest.mark.parametrize(
    "code", [StatusCode.UNAVAILABLE, StatusCode.NOT_FOUND, StatusCode.UNKNOWN, StatusCode.OK]
)
async def test_another_replica_goes_on_where_the_first_failed(code: StatusCode) -> None:
    async with two_nodes() as (primary, backup, log):
        subscriber = subscribe(log, 1, 5)
        first = await primary.subscription()
        await first.entry(1)
        await first.entry(2)
        await first.end(code, "trouble")
        second = await backup.subscription()
        assert (second.begin, second.end_llsn) == (3, 5)
        await second.entry(3)
        await second.entry(4)
        assert await rest(subscriber) == [1, 2, 3, 4]


async def test_a_dead_primary_does_not_stop_reading() -> None:
    async with two_nodes() as (primary, backup, log):
        subscriber = subscribe(log, 1, 3)
        call = await primary.subscription()
        await call.entry(1)
        assert (await anext(subscriber)).llsn == 1
        await primary.stop()
        await (await backup.subscription()).entry(2)
        assert await rest(subscriber) == [2]


async def test_a_replica_silent_about_an_entry_that_another_holds_is_left() -> None:
    async with two_nodes() as (primary, backup, log):
        primary.watermarks = None  # frozen
        backup.watermarks = (1, 2)
        subscriber = subscribe(log, 1, 3, silence_s=0.1)
        silent = await primary.subscription()
        call = await backup.subscription()
        await asyncio.wait_for(silent.cancelled.wait(), BOUND_S)
        await call.entry(1)
        await call.entry(2)
        assert await rest(subscriber) == [1, 2]


async def test_a_silent_replica_is_left_also_when_nobody_says_whether_an_entry_is_due() -> None:
    async with two_nodes() as (primary, backup, log):
        primary.watermarks = backup.watermarks = None  # they don't answer
        subscriber = subscribe(log, 1, 2, silence_s=0.2)
        await primary.subscription()
        subscription = await backup.subscription()
        await subscription.entry(1)
        assert await rest(subscriber) == [1]


async def test_waiting_at_the_tail_is_no_trouble(server: ScriptedVarlog, log: Log) -> None:
    server.watermarks = (1, 1)
    subscriber = subscribe(log, 1, 3, silence_s=0.02, patience_s=0.1)
    call = await server.subscription()
    await call.entry(1)
    assert (await anext(subscriber)).llsn == 1
    await asyncio.sleep(0.3)  # far longer than either time
    await call.entry(2)
    assert (await anext(subscriber)).llsn == 2
    assert len(server.subscriptions) == 1


async def test_reading_gives_up_when_no_replica_serves(server: ScriptedVarlog, log: Log) -> None:
    subscriber = subscribe(log, 1, 3, patience_s=0.3)

    async def refuse() -> None:
        while True:
            await (await server.subscription()).end(StatusCode.UNAVAILABLE, "closing")

    refusing = asyncio.create_task(refuse())
    with pytest.raises(Unavailable, match=r"no replica gave entry 1 for 0\.3 s; last: .*closing"):
        await rest(subscriber)
    refusing.cancel()
    assert len(server.subscriptions) > 1


async def test_a_log_stream_removed_while_reading_is_not_found(server: ScriptedVarlog, log: Log) -> None:
    subscriber = subscribe(log, 1, 3)
    call = await server.subscription()
    server.nodes = {}
    await call.end(StatusCode.NOT_FOUND, "no such log stream")
    with pytest.raises(NotFound):
        await rest(subscriber)


async def test_a_cancelled_wait_loses_nothing(server: ScriptedVarlog, log: Log) -> None:
    subscriber = subscribe(log, 1, 3)
    call = await server.subscription()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(subscriber), 0.02)
    await call.entry(1)
    await call.entry(2)
    assert await rest(subscriber) == [1, 2]
    assert len(server.subscriptions) == 1


async def test_reading_ahead_is_bounded(server: ScriptedVarlog, log: Log) -> None:
    subscriber = subscribe(log, 1, 13)
    call = await server.subscription()
    for llsn in range(1, 13):
        await call.entry(llsn, bytes(1 << 20))
    async with asyncio.timeout(BOUND_S):
        while not subscriber._ahead.full:
            await asyncio.sleep(0.001)
    await asyncio.sleep(0.1)  # time enough to read more than it may
    assert len(subscriber._ahead) == 4
    assert await rest(subscriber) == list(range(1, 13))


async def test_a_slow_consumer_is_no_silence() -> None:
    async with two_nodes() as (primary, backup, log):
        primary.watermarks = backup.watermarks = (1, 9)
        subscriber = subscribe(log, 1, 10, silence_s=0.4)
        call = await primary.subscription()
        for llsn in range(1, 10):
            await call.entry(llsn, bytes(2 << 20))
        await asyncio.sleep(1)
        assert await rest(subscriber) == list(range(1, 10))
        assert backup.subscriptions == []


async def test_closing_ends_the_call_and_whoever_waits(server: ScriptedVarlog, log: Log) -> None:
    subscriber = subscribe(log, 1, 9)
    call = await server.subscription()
    waiting = asyncio.create_task(subscriber.next_batch())
    await asyncio.sleep(0)
    await subscriber.aclose()
    with pytest.raises(Closed):
        await waiting
    with pytest.raises(Closed):
        await anext(subscriber)
    await asyncio.wait_for(call.cancelled.wait(), BOUND_S)
    await subscriber.aclose()


async def test_closing_the_log_closes_its_subscribers(server: ScriptedVarlog, log: Log) -> None:
    async with subscribe(log, 1, 9) as subscriber:
        await server.subscription()
        await log.close()
        with pytest.raises(Closed):
            await anext(subscriber)


async def test_repr_shows_the_state(server: ScriptedVarlog, log: Log) -> None:
    subscriber = subscribe(log, 1, 2)
    assert repr(subscriber) == "<Subscriber 1/7 next=1 end=2 reading>"
    await (await server.subscription()).entry(1)
    await rest(subscriber)
    assert repr(subscriber) == "<Subscriber 1/7 next=2 end=2 ended>"
    await subscriber.aclose()
    assert repr(subscriber) == "<Subscriber 1/7 next=2 end=2 closed>"
