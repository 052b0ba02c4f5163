"""The one private call of grpcio that appends go by, and what happens where a version lacks it."""

from __future__ import annotations

import logging
from typing import Any, cast

import grpc.aio
import pytest
from grpc import StatusCode

from tests.varlog_client.answers import Answers
from tests.varlog_client.scripted import STREAM, TOPIC, ScriptedVarlog
from varlog_client import AppendNotSent, AppendUnknown, Log, LogStreamAppender, Sealed, sending


class _Older:
    """A call of a grpcio that keeps its private parts elsewhere."""

    def __init__(self, call: Any) -> None:
        self._call = call

    def __getattr__(self, name: str) -> Any:
        if name == "_cython_call":
            raise AttributeError(name)
        return getattr(self._call, name)


@pytest.fixture
def older_grpcio(monkeypatch: pytest.MonkeyPatch) -> None:
    real = sending.sender

    def sender(call: Any) -> Any:
        return real(cast("grpc.aio.StreamStreamCall[bytes, bytes]", _Older(call)))

    monkeypatch.setattr("varlog_client.appender.sender", sender)
    monkeypatch.setattr(sending, "_warned", set())


def send(appender: LogStreamAppender, answers: Answers, *names: str) -> None:
    for name in names:
        assert appender.append_batch_nowait([name.encode()], answers.callback(name))


async def test_this_grpcio_has_the_call_that_keeps_the_status_of_an_ended_stream(log: Log) -> None:
    appender = log.appender(TOPIC, STREAM)
    assert appender._write == cast("Any", appender._call)._cython_call.send_serialized_message, (
        f"grpcio {grpc.__version__} moved it: look for it, or live with `write` (varlog_client/sending.py)"
    )


@pytest.mark.usefixtures("older_grpcio")
async def test_with_a_grpcio_that_lacks_it_appends_work_and_it_says_so_once(
    server: ScriptedVarlog, log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "varlog_client"):
        appender, answers = log.appender(TOPIC, STREAM, pipeline=4), Answers()
        log.appender(TOPIC, STREAM)
    assert [record.message.partition(" has ")[0] for record in caplog.records] == [
        f"grpcio {grpc.__version__}"
    ]
    send(appender, answers, "a", "b", "c")
    stream = await server.stream()
    for _ in range(3):
        await stream.answer(await stream.request())
    await answers.wait("a", "b", "c")
    assert [answers.llsns(name) for name in "abc"] == [[1], [2], [3]]


@pytest.mark.usefixtures("older_grpcio")
async def test_with_a_grpcio_that_lacks_it_the_end_of_a_stream_is_at_worst_unknown(
    server: ScriptedVarlog, log: Log
) -> None:
    for _ in range(10):
        appender, answers = log.appender(TOPIC, STREAM, pipeline=8), Answers()
        send(appender, answers, *"ab")
        stream = await server.stream()
        await stream.request()
        await stream.end(StatusCode.FAILED_PRECONDITION, "sealed")
        send(appender, answers, *"cdefgh")
        await answers.wait(*"abcdefgh")
        for error in answers.errors(*"abcdefgh"):
            assert issubclass(error, (Sealed, AppendNotSent, AppendUnknown))
        assert not isinstance(answers.error("a"), AppendNotSent)
        assert appender.broken is not None
