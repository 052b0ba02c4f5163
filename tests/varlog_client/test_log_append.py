"""Log.append and append_to: what is tried again, where, and what is said in the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from grpc import StatusCode

from tests.varlog_client.scripted import STREAM, TOPIC, ScriptedVarlog
from varlog_client import (
    AppendError,
    AppendNotSent,
    CallTimeout,
    Closed,
    Log,
    LogStreamId,
    LogStreamStatus,
    NotFound,
    Sealed,
    StreamBroken,
)
from varlog_client.denied import Denied

OTHER = LogStreamId(8)


@pytest.fixture
async def two(server: ScriptedVarlog) -> AsyncIterator[Log]:
    """A log that knows STREAM and OTHER."""
    server.log_streams = [STREAM, OTHER]
    async with await Log.open(1, [server.address]) as log:
        yield log


async def refuse(server: ScriptedVarlog) -> LogStreamId:
    return await end(server, StatusCode.FAILED_PRECONDITION, "sealed")


async def end(server: ScriptedVarlog, code: StatusCode, details: str) -> LogStreamId:
    """Ends the next stream at its first request; the log stream that was."""
    stream = await server.stream()
    request = await stream.request()
    await stream.end(code, details)
    return LogStreamId(request.log_stream_id)


async def accept(server: ScriptedVarlog) -> LogStreamId:
    stream = await server.stream()
    request = await stream.request()
    await stream.answer(request)
    return LogStreamId(request.log_stream_id)


async def test_a_refused_append_is_tried_elsewhere(server: ScriptedVarlog, two: Log) -> None:
    appending = asyncio.create_task(two.append(TOPIC, [b"x"]))
    refused = await refuse(server)
    taken = await accept(server)
    [meta] = await appending
    assert {refused, taken} == {STREAM, OTHER}
    assert meta.log_stream_id == taken
    assert two.appendable_log_streams(TOPIC) == {taken}


async def test_append_to_is_tried_again_at_the_same_log_stream(server: ScriptedVarlog, two: Log) -> None:
    appending = asyncio.create_task(two.append_to(TOPIC, OTHER, [b"x"]))
    assert [await refuse(server), await accept(server)] == [OTHER, OTHER]
    assert len(await appending) == 1


@pytest.mark.parametrize("retries", [0, 2])
async def test_after_its_retries_a_refused_append_is_refused(
    server: ScriptedVarlog, log: Log, retries: int
) -> None:
    appending = asyncio.create_task(log.append(TOPIC, [b"x"], retries=retries))
    for _ in range(retries + 1):
        await refuse(server)
    with pytest.raises(Sealed):
        await appending
    assert len(server.streams) == retries + 1


async def test_what_may_be_stored_is_not_sent_again(server: ScriptedVarlog, two: Log) -> None:
    appending = asyncio.create_task(two.append(TOPIC, [b"x"]))
    await end(server, StatusCode.UNAVAILABLE, "gone")
    with pytest.raises(StreamBroken):
        await appending
    assert len(server.streams) == 1


async def test_what_may_be_stored_is_sent_again_where_that_is_allowed(
    server: ScriptedVarlog, log: Log
) -> None:
    appending = asyncio.create_task(log.append(TOPIC, [b"x"], may_duplicate=True))
    await end(server, StatusCode.UNAVAILABLE, "gone")
    await accept(server)
    assert len(await appending) == 1


async def test_a_refusal_later_does_not_hide_that_the_batch_may_be_stored(
    server: ScriptedVarlog, log: Log
) -> None:
    appending = asyncio.create_task(log.append(TOPIC, [b"x"], may_duplicate=True, retries=1))
    await end(server, StatusCode.UNAVAILABLE, "gone")
    await refuse(server)
    with pytest.raises(StreamBroken):
        await appending


async def test_appends_to_a_log_stream_share_one_call(server: ScriptedVarlog, log: Log) -> None:
    appending = [asyncio.create_task(log.append_to(TOPIC, STREAM, [b"%d" % n])) for n in range(20)]
    stream = await server.stream()
    for _ in range(20):
        await stream.answer(await stream.request())
    metas = await asyncio.gather(*appending)
    assert [meta.llsn for [meta] in metas] == list(range(1, 21))
    assert len(server.streams) == 1


async def test_in_time_unanswered_is_unknown_and_unsent_is_certain(server: ScriptedVarlog, log: Log) -> None:
    hanging = [asyncio.create_task(log.append(TOPIC, [b"x"], timeout_s=0.5)) for _ in range(9)]
    outcomes = await asyncio.gather(*hanging, return_exceptions=True)
    assert [type(each) for each in outcomes] == [CallTimeout] * 8 + [AppendNotSent]
    assert all(isinstance(each, AppendError) and each.log_stream_id == STREAM for each in outcomes)


async def test_a_cancelled_append_is_not_taken_back(server: ScriptedVarlog, log: Log) -> None:
    appending = asyncio.create_task(log.append(TOPIC, [b"cancelled"]))
    stream = await server.stream()
    request = await stream.request()
    appending.cancel()
    await asyncio.wait([appending])
    await stream.answer(request)
    second = asyncio.create_task(log.append(TOPIC, [b"x"]))
    await stream.answer(await stream.request())
    assert [meta.llsn for meta in await second] == [2]


async def test_a_log_stream_sealed_by_the_metadata_is_the_last_resort(server: ScriptedVarlog) -> None:
    server.stream_status = LogStreamStatus.SEALED
    async with await Log.open(1, [server.address]) as log:
        assert log.appendable_log_streams(TOPIC) == frozenset()
        appending = asyncio.create_task(log.append(TOPIC, [b"x"]))
        await accept(server)
        assert len(await appending) == 1


async def test_a_log_stream_is_denied_for_its_time(server: ScriptedVarlog) -> None:
    async with await Log.open(1, [server.address], deny_ttl_s=0.2) as log:
        appending = asyncio.create_task(log.append(TOPIC, [b"x"], retries=0))
        await refuse(server)
        with pytest.raises(Sealed):
            await appending
        assert log.appendable_log_streams(TOPIC) == frozenset()
        async with asyncio.timeout(10):
            while log.appendable_log_streams(TOPIC) != {STREAM}:
                await asyncio.sleep(0.01)


def test_denied_is_denied_from_the_last_failure_until_its_time_or_a_success() -> None:
    now = 0.0
    denied = Denied(10, lambda: now)
    denied.add(STREAM)
    now = 5
    denied.add(OTHER)
    assert denied.longest_denied([OTHER, STREAM]) == STREAM
    assert denied.longest_denied([OTHER, STREAM, LogStreamId(9)]) == 9
    assert denied.longest_denied([]) is None
    now = 10
    assert (STREAM in denied, OTHER in denied) == (False, True)
    denied.discard(OTHER)
    assert OTHER not in denied


async def test_a_log_stream_made_after_opening_is_found(server: ScriptedVarlog, log: Log) -> None:
    server.log_streams = [STREAM, OTHER]
    appending = asyncio.create_task(log.append_to(TOPIC, OTHER, [b"x"]))
    assert await accept(server) == OTHER
    await appending
    with pytest.raises(NotFound):
        await log.append_to(TOPIC, LogStreamId(9), [b"x"])


async def test_the_first_log_stream_of_a_topic_is_found_by_append(server: ScriptedVarlog) -> None:
    server.log_streams = []
    async with await Log.open(1, [server.address]) as log:
        with pytest.raises(NotFound):
            await log.append(TOPIC, [b"x"])
        server.log_streams = [STREAM]
        appending = asyncio.create_task(log.append(TOPIC, [b"x"]))
        assert await accept(server) == STREAM
        await appending


async def test_to_close_an_appender_denies_nothing(server: ScriptedVarlog, log: Log) -> None:
    appender = log.appender(TOPIC, STREAM)
    await server.stream()
    await appender.close()
    assert log.appendable_log_streams(TOPIC) == {STREAM}


async def test_fewer_retries_than_none_are_a_mistake(log: Log) -> None:
    with pytest.raises(ValueError, match="-1 retries"):
        await log.append(TOPIC, [b"x"], retries=-1)


async def test_a_closed_log_appends_and_trims_nothing(log: Log) -> None:
    await log.close()
    with pytest.raises(Closed):
        await log.append(TOPIC, [b"x"])
    with pytest.raises(Closed):
        await log.append_to(TOPIC, STREAM, [b"x"])
    with pytest.raises(Closed):
        log.appendable_log_streams(TOPIC)
