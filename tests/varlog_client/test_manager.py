"""The sentences of AppenderManager's contract; that it takes appendable log streams is in tests/contract."""

from __future__ import annotations

import asyncio

import pytest
from grpc import StatusCode

from tests.varlog_client.answers import Answers
from tests.varlog_client.scripted import STREAM, TOPIC, ScriptedVarlog
from varlog_client import AppenderManager, Closed, Log, LogStreamId, NoRoom, Unavailable

OTHER = LogStreamId(8)


@pytest.mark.parametrize(
    ("code", "text"), [(StatusCode.UNAVAILABLE, "Socket closed"), (StatusCode.FAILED_PRECONDITION, "sealed")]
)
async def test_one_that_broke_is_replaced_and_who_holds_it_keeps_a_broken_one(
    server: ScriptedVarlog, log: Log, code: StatusCode, text: str
) -> None:
    manager, answers = AppenderManager(log), Answers()
    first = manager.get(TOPIC, STREAM)
    assert manager.get(TOPIC, STREAM) is first
    await first.append_batch([b"x"], answers.callback("x"))
    stream = await server.stream()
    await stream.request()
    await stream.end(code, text)
    await answers.wait("x")
    second = manager.get(TOPIC, STREAM)
    assert second is not first
    assert (first.broken is None, second.broken) == (False, None)
    assert repr(manager) == "<AppenderManager appenders=1>"


async def test_to_close_one_is_to_close_it_for_all_and_the_next_gets_another(
    server: ScriptedVarlog, log: Log
) -> None:
    manager = AppenderManager(log)
    mine, yours = manager.get(TOPIC, STREAM), manager.get(TOPIC, STREAM)
    await server.stream()
    await mine.close()
    with pytest.raises(Closed):
        await yours.append_batch([b"x"])
    appending = asyncio.create_task(manager.get(TOPIC, STREAM).append([b"y"]))
    stream = await server.stream()
    await stream.answer(await stream.request())
    [meta] = await appending
    assert meta.llsn == 1


async def test_clear_closes_all_and_the_manager_stays_usable(server: ScriptedVarlog) -> None:
    server.log_streams = [STREAM, OTHER]
    async with await Log.open(1, [server.address]) as log:
        manager = AppenderManager(log)
        before = {manager.get(TOPIC, stream) for stream in (STREAM, OTHER)}
        assert len(before) == 2
        await manager.clear()
        for appender in before:
            with pytest.raises(Closed):
                appender.append_batch_nowait([b"x"])
        assert repr(manager) == "<AppenderManager appenders=0>"
        assert manager.get(TOPIC, STREAM) not in before
        assert manager.any(TOPIC, [OTHER]).log_stream_id == OTHER


async def test_appenders_are_made_with_the_managers_options(server: ScriptedVarlog, log: Log) -> None:
    answers = Answers()
    manager = AppenderManager(
        log, pipeline=1, default_callback=answers.callback("default"), call_timeout_s=0.2
    )
    appender = manager.get(TOPIC, STREAM)
    await appender.append_batch([b"x"])
    with pytest.raises(NoRoom):
        await appender.append_batch([b"y"])
    await server.stop()
    await answers.wait("default")
    assert AppenderManager(log).get(TOPIC, STREAM).pipeline == 2


async def test_a_manager_of_a_closed_log_says_so(log: Log) -> None:
    manager = AppenderManager(log)
    await log.close()
    with pytest.raises(Closed):
        manager.get(TOPIC, STREAM)
    with pytest.raises(Closed):
        manager.any(TOPIC)


async def test_any_of_a_topic_without_log_streams_is_unavailable(server: ScriptedVarlog) -> None:
    server.log_streams = []
    async with await Log.open(1, [server.address]) as log:
        with pytest.raises(Unavailable, match="no appendable log stream"):
            AppenderManager(log).any(TOPIC)
