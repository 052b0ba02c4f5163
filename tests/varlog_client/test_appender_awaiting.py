"""Awaiting a batch's outcome instead of being called back, and awaiting a slot."""

from __future__ import annotations

import asyncio
import time

import pytest
from grpc import StatusCode

from tests.varlog_client.answers import BOUND_S, Answers
from tests.varlog_client.scripted import STREAM, TOPIC, ScriptedVarlog
from varlog_client import (
    AppenderClosed,
    AppendNotSent,
    AppendUnknown,
    CallTimeout,
    Closed,
    Log,
    NoRoom,
    Sealed,
    VarlogError,
)


async def test_append_returns_one_meta_for_each_payload(server: ScriptedVarlog, log: Log) -> None:
    appending = asyncio.create_task(log.appender(TOPIC, STREAM).append([b"x", b"y"]))
    stream = await server.stream()
    await stream.answer(await stream.request())
    assert [meta.llsn for meta in await appending] == [1, 2]


async def test_append_raises_what_a_callback_would_be_told(server: ScriptedVarlog, log: Log) -> None:
    appender = log.appender(TOPIC, STREAM)
    appending = asyncio.create_task(appender.append([b"x"]))
    stream = await server.stream()
    await stream.request()
    await stream.end(StatusCode.FAILED_PRECONDITION, "sealed")
    with pytest.raises(Sealed):
        await appending
    with pytest.raises(AppendNotSent):
        await appender.append([b"y"])


async def test_futures_resolve_in_the_order_of_acceptance(server: ScriptedVarlog, log: Log) -> None:
    appender, order = log.appender(TOPIC, STREAM, pipeline=3), list[int]()
    futures = [await appender.append_soon([b"%d" % number]) for number in range(3)]
    for number, future in enumerate(futures):
        future.add_done_callback(lambda _, number=number: order.append(number))  # type: ignore[misc]
    stream = await server.stream()
    for _ in range(3):
        await stream.answer(await stream.request())
    metas = await asyncio.gather(*futures)
    assert [meta.llsn for [meta] in metas] == [1, 2, 3]
    assert order == [0, 1, 2]


async def test_cancelling_a_future_does_not_take_the_batch_back(server: ScriptedVarlog, log: Log) -> None:
    appender = log.appender(TOPIC, STREAM)
    first, second = await appender.append_soon([b"a"]), await appender.append_soon([b"b"])
    first.cancel()
    stream = await server.stream()
    for payload in (b"a", b"b"):
        request = await stream.request()
        assert list(request.payload) == [payload]
        await stream.answer(request)
    [meta] = await second
    assert meta.llsn == 2


async def test_a_cancelled_append_that_waited_for_a_slot_has_sent_nothing(
    server: ScriptedVarlog, log: Log
) -> None:
    appender = log.appender(TOPIC, STREAM, pipeline=1)
    first = await appender.append_soon([b"a"])
    waiting = asyncio.create_task(appender.append([b"cancelled"]))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    stream = await server.stream()
    await stream.answer(await stream.request())
    await first
    await appender.append_soon([b"b"])
    assert list((await stream.request()).payload) == [b"b"]


async def test_close_resolves_all_futures_before_it_returns(server: ScriptedVarlog, log: Log) -> None:
    appender = log.appender(TOPIC, STREAM)
    sent = await appender.append_soon([b"a"])
    stream = await server.stream()
    await stream.request()
    await appender.close()
    assert isinstance(sent.exception(), AppenderClosed)
    with pytest.raises(Closed):
        await appender.append([b"b"])


async def test_without_a_slot_in_time_there_is_no_room_and_nothing_was_accepted(
    server: ScriptedVarlog, log: Log
) -> None:
    appender, answers = log.appender(TOPIC, STREAM, pipeline=1, call_timeout_s=0.3), Answers()
    sent = await appender.append_soon([b"a"])
    with pytest.raises(NoRoom, match=r"log stream 7: no slot became free in 0\.3 s"):
        await appender.append_batch([b"b"], answers.callback("b"))
    with pytest.raises(CallTimeout):
        await sent
    assert answers.order == []
    assert server.streams[0].requests.qsize() <= 1


async def test_the_three_errors_of_append_batch_are_types_of_their_own() -> None:
    for one in (Closed, NoRoom, ValueError):
        for other in (Closed, NoRoom, ValueError, AppendUnknown):
            assert one is other or not issubclass(one, other)
    assert issubclass(NoRoom, VarlogError)


async def test_an_event_loop_that_stood_still_does_not_time_out_what_was_answered(
    server: ScriptedVarlog, log: Log
) -> None:
    appender = log.appender(TOPIC, STREAM, call_timeout_s=0.4)
    slow = await appender.append_soon([b"a"])
    stream = await server.stream()
    request = await stream.request()
    await stream.answer(request)
    time.sleep(0.8)  # noqa: ASYNC251 a callback that computes, say
    async with asyncio.timeout(BOUND_S):
        [meta] = await slow
    assert meta.llsn == 1
    assert appender.broken is None


async def test_a_callback_that_takes_long_loses_no_answer(server: ScriptedVarlog, log: Log) -> None:
    appender, answers = log.appender(TOPIC, STREAM, pipeline=3, call_timeout_s=0.4), Answers()
    appender.append_batch_nowait([b"slow"], lambda *_: time.sleep(0.8))
    for name in "ab":
        appender.append_batch_nowait([name.encode()], answers.callback(name))
    stream = await server.stream()
    for request in [await stream.request() for _ in range(3)]:
        await stream.answer(request)
    await answers.wait("a", "b")
    assert answers.llsns("b") == [3]
