"""How an appender ends with one batch sent, one being written and one accepted: what each of them is told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from grpc import StatusCode

from tests.varlog_client.answers import BOUND_S, Answers
from tests.varlog_client.scripted import STREAM, TOPIC, ScriptedStream, ScriptedVarlog
from varlog_client import (
    AppenderClosed,
    AppendError,
    AppendNotSent,
    CallTimeout,
    Closed,
    Log,
    LogStreamAppender,
    NotPrimary,
    Sealed,
    StreamBroken,
    sending,
)

End = Callable[[ScriptedVarlog, ScriptedStream, LogStreamAppender], Awaitable[object]]


async def nothing() -> None:
    """The call timeout ends it."""


ENDS: dict[str, tuple[End, type[AppendError]]] = {
    "seal": (lambda _, stream, __: stream.end(StatusCode.FAILED_PRECONDITION, "sealed"), Sealed),
    "backup": (lambda _, stream, __: stream.end(StatusCode.UNAVAILABLE, "not primary replica"), NotPrimary),
    "broken stream": (lambda server, _, __: server.stop(), StreamBroken),
    "timeout": (lambda *_: nothing(), CallTimeout),
    "close": (lambda _, __, appender: appender.close(), AppenderClosed),
}


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """The second write gets stuck, as by flow control; set once it has."""
    stuck, sender = asyncio.Event(), sending.sender

    def second_is_stuck(call: Any) -> Callable[[bytes], Awaitable[None]]:
        write = sender(call)

        async def written(request: bytes) -> None:
            if b"second" in request:
                stuck.set()
                await asyncio.Event().wait()
            await write(request)

        return written

    monkeypatch.setattr("varlog_client.appender.sender", second_is_stuck)
    return stuck


@pytest.mark.parametrize("end", ENDS)
async def test_at_its_end_what_was_written_in_part_counts_as_sent_and_the_rest_was_certainly_not(
    server: ScriptedVarlog, log: Log, held: asyncio.Event, end: str
) -> None:
    ends, expected = ENDS[end]
    timeout_s = 0.3 if expected is CallTimeout else None
    appender, answers = log.appender(TOPIC, STREAM, pipeline=4, call_timeout_s=timeout_s), Answers()
    for name in ("first", "second", "third"):
        assert appender.append_batch_nowait([name.encode()], answers.callback(name))
    stream = await server.stream()
    await asyncio.wait_for(held.wait(), BOUND_S)
    await ends(server, stream, appender)
    await answers.wait("first", "second", "third")
    assert answers.order == ["first", "second", "third"]
    assert answers.errors("first", "second", "third") == [expected, expected, AppendNotSent]
    assert answers.error("first") is answers.error("second") is appender.broken
    assert answers.error("third").__cause__ is appender.broken
    later = appender.append([b"later"])
    with pytest.raises(Closed if end == "close" else AppendNotSent):
        await later
