"""What an appender waits for, what it doesn't, and for how long."""

from __future__ import annotations

import asyncio
import socket

import pytest

from tests.varlog_client.answers import BOUND_S, Answers
from tests.varlog_client.scripted import NODE, STREAM, TOPIC, ScriptedVarlog
from varlog_client import AppendNotSent, CallTimeout, Log

HOUR_S = 3600.0


async def an_hour_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that was to happen within an hour happens; the loop's clock is ahead from then on."""
    loop = asyncio.get_running_loop()
    before = loop.time
    monkeypatch.setattr(loop, "time", lambda: before() + HOUR_S)
    for _ in range(20):
        await asyncio.sleep(0.1)  # a watch that was late gives those who were held up another second


@pytest.mark.parametrize("call_timeout_s", [None, HOUR_S - 10])
async def test_without_a_call_timeout_an_answer_and_a_slot_are_waited_for_for_ever(
    server: ScriptedVarlog, log: Log, monkeypatch: pytest.MonkeyPatch, call_timeout_s: float | None
) -> None:
    """The other half shows that an hour does pass."""
    appender, answers = log.appender(TOPIC, STREAM, pipeline=1, call_timeout_s=call_timeout_s), Answers()
    await appender.append_batch([b"sent"], answers.callback("sent"))
    stream = await server.stream()
    request = await stream.request()
    waiting = asyncio.create_task(appender.append_batch([b"next"], answers.callback("next")))
    await an_hour_passes(monkeypatch)
    if call_timeout_s is not None:
        assert answers.errors("sent") == [CallTimeout]
        await asyncio.wait([waiting])
        waiting.exception()
        return
    assert (answers.order, appender.broken, waiting.done()) == ([], None, False)
    await stream.answer(request)
    await stream.answer(await stream.request())
    await answers.wait("sent", "next")
    await waiting
    assert [answers.llsns("sent"), answers.llsns("next")] == [[1], [2]]


async def test_the_time_counts_from_sending_and_not_from_the_wait_for_a_slot(
    server: ScriptedVarlog, log: Log
) -> None:
    appender, answers = log.appender(TOPIC, STREAM, pipeline=1, call_timeout_s=1.0), Answers()
    await appender.append_batch([b"a"], answers.callback("a"))
    waiting = asyncio.create_task(appender.append_batch([b"b"], answers.callback("b")))
    stream = await server.stream()
    for _ in range(2):
        request = await stream.request()
        await asyncio.sleep(0.7)  # a slow server: together more than the time
        await stream.answer(request)
    await answers.wait("a", "b")
    await waiting
    assert [answers.llsns("a"), answers.llsns("b")] == [[1], [2]]


async def test_nothing_but_a_full_pipeline_makes_a_caller_wait(server: ScriptedVarlog, log: Log) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes nothing that is sent
        server.nodes = {NODE: f"127.0.0.1:{silent.getsockname()[1]}"}
        await log.refresh()
        appender, answers = log.appender(TOPIC, STREAM, pipeline=8), Answers()
        for name in "abcdefgh":
            accepting = appender.append_batch([name.encode() * (4 << 20)], answers.callback(name))
            with pytest.raises(StopIteration):  # not even one turn of the loop
                accepting.send(None)
        waiting = asyncio.create_task(appender.append_batch([b"i"]))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        waiting.cancel()
        await appender.close()
    assert set(answers.errors(*"abcdefgh")) == {AppendNotSent}


async def test_an_awaited_append_that_is_cancelled_after_it_was_accepted_goes_on(
    server: ScriptedVarlog, log: Log
) -> None:
    appender = log.appender(TOPIC, STREAM)
    appending = asyncio.create_task(appender.append([b"a"]))
    stream = await server.stream()
    request = await stream.request()
    appending.cancel()
    await asyncio.wait([appending])
    await stream.answer(request)
    behind = asyncio.create_task(appender.append([b"b"]))
    await stream.answer(await stream.request())
    async with asyncio.timeout(BOUND_S):
        [meta] = await behind
    assert (meta.llsn, appender.broken) == (2, None)
