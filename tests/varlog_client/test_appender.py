"""The sentences of LogStreamAppender's contract, one by one."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence

import pytest
from grpc import StatusCode

from tests.varlog_client.answers import BOUND_S, Answers
from tests.varlog_client.scripted import NODE, STREAM, TOPIC, ScriptedVarlog
from varlog_client import (
    AppenderClosed,
    AppendError,
    AppendNotSent,
    AppendRefused,
    AppendUnknown,
    CallTimeout,
    Closed,
    EntryMeta,
    Log,
    LogStreamAppender,
    NoSuchLogStream,
    NotPrimary,
    Sealed,
    StreamBroken,
)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(BOUND_S):
        while not true():
            await asyncio.sleep(0.001)


def send(appender: LogStreamAppender, answers: Answers, *names: str) -> None:
    for name in names:
        assert appender.append_batch_nowait([name.encode()], answers.callback(name))


# Order


async def test_batches_are_sent_and_called_back_in_the_order_of_acceptance(
    server: ScriptedVarlog, log: Log
) -> None:
    appender, answers = log.appender(TOPIC, STREAM, pipeline=4), Answers()
    send(appender, answers, "a", "b", "c", "d")
    stream = await server.stream()
    requests = [await stream.request() for _ in range(4)]
    for request in requests:
        await stream.answer(request)
    await answers.wait("a", "b", "c", "d")
    assert [list(request.payload) for request in requests] == [[b"a"], [b"b"], [b"c"], [b"d"]]
    assert answers.order == ["a", "b", "c", "d"]
    assert [answers.llsns(name) for name in answers.order] == [[1], [2], [3], [4]]


async def test_waiting_callers_are_served_first_come_first_served(server: ScriptedVarlog, log: Log) -> None:
    appender, answers = log.appender(TOPIC, STREAM, pipeline=1), Answers()
    send(appender, answers, "a")
    waiting = [
        asyncio.create_task(appender.append_batch([name.encode()], answers.callback(name))) for name in "bcd"
    ]
    stream = await server.stream()
    for expected in "abcd":
        request = await stream.request()
        assert list(request.payload) == [expected.encode()]
        await stream.answer(request)
    await asyncio.gather(*waiting)
    await answers.wait("d")
    assert answers.order == ["a", "b", "c", "d"]


# Callbacks


async def test_a_batch_gets_one_meta_for_each_payload(server: ScriptedVarlog, log: Log) -> None:
    appender, answers = log.appender(TOPIC, STREAM), Answers()
    appender.append_batch_nowait([b"x", b"", bytearray(b"y")], answers.callback("three"))
    appender.append_batch_nowait([memoryview(b"z")], answers.callback("one"))
    stream = await server.stream()
    for _ in range(2):
        await stream.answer(await stream.request())
    await answers.wait("three", "one")
    assert answers.llsns("three") == [1, 2, 3]
    assert answers.metas("one") == [EntryMeta(TOPIC, STREAM, 4, 4)]  # type: ignore[arg-type]


@pytest.mark.parametrize("pipeline", [1, 2])
async def test_a_callback_may_append_because_its_slot_is_free_again(
    server: ScriptedVarlog, log: Log, pipeline: int
) -> None:
    appender, answers = log.appender(TOPIC, STREAM, pipeline=pipeline), Answers()
    accepted: list[bool] = []

    def chain(metas: Sequence[EntryMeta] | None, error: AppendError | None) -> None:
        if len(accepted) < 10:
            accepted.append(appender.append_batch_nowait([b"next"], chain))
        else:
            answers.callback("end")(metas, error)

    appender.append_batch_nowait([b"first"], chain)
    stream = await server.stream()
    for _ in range(11):
        await stream.answer(await stream.request())
    await answers.wait("end")
    assert accepted == [True] * 10
    assert answers.llsns("end") == [11]


async def test_a_callback_does_not_overtake_who_waits_for_the_slot(server: ScriptedVarlog, log: Log) -> None:
    appender, answers = log.appender(TOPIC, STREAM, pipeline=1), Answers()
    overtook: list[bool] = []
    appender.append_batch_nowait([b"a"], lambda *_: overtook.append(appender.append_batch_nowait([b"x"])))
    waiting = asyncio.create_task(appender.append_batch([b"b"], answers.callback("b")))
    stream = await server.stream()
    await stream.answer(await stream.request())
    assert list((await stream.request()).payload) == [b"b"]
    await waiting
    assert overtook == [False]


async def test_what_a_callback_raises_is_logged_and_stops_nothing(
    server: ScriptedVarlog, log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    appender, answers = log.appender(TOPIC, STREAM, pipeline=3), Answers()

    def fail(*_: object) -> None:
        raise RuntimeError("in the callback")

    def cancel(*_: object) -> None:
        raise asyncio.CancelledError

    with caplog.at_level(logging.ERROR, "varlog_client"):
        appender.append_batch_nowait([b"a"], fail)
        appender.append_batch_nowait([b"b"], cancel)
        send(appender, answers, "c")
        stream = await server.stream()
        for _ in range(3):
            await stream.answer(await stream.request())
        await answers.wait("c")
    assert answers.llsns("c") == [3]
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert appender.broken is None


async def test_callbacks_never_run_inside_one_another(server: ScriptedVarlog, log: Log) -> None:
    appender = log.appender(TOPIC, STREAM, pipeline=2)
    running, most, done = 0, 0, asyncio.Event()

    def deep(level: int) -> Callable[[object, object], None]:
        def callback(*_: object) -> None:
            nonlocal running, most
            running += 1
            most = max(most, running)
            if level:
                assert appender.append_batch_nowait([b"again"], deep(level - 1))
            else:
                done.set()
            running -= 1

        return callback

    appender.append_batch_nowait([b"a"], deep(5))
    stream = await server.stream()
    await stream.request()
    await stream.end(StatusCode.FAILED_PRECONDITION, "sealed")
    await asyncio.wait_for(done.wait(), BOUND_S)
    assert most == 1


async def test_the_default_callback_serves_batches_without_their_own(
    server: ScriptedVarlog, log: Log
) -> None:
    answers = Answers()
    appender = log.appender(TOPIC, STREAM, default_callback=answers.callback("default"))
    appender.append_batch_nowait([b"a"])
    send(appender, answers, "own")
    stream = await server.stream()
    for _ in range(2):
        await stream.answer(await stream.request())
    await answers.wait("default", "own")
    assert answers.order == ["default", "own"]


# How it ends

PREFIXED = "rpc error: code = {} desc = {}"


@pytest.mark.parametrize(
    ("code", "details", "expected"),
    [
        (StatusCode.FAILED_PRECONDITION, "sealed", Sealed),
        (StatusCode.FAILED_PRECONDITION, PREFIXED.format("FailedPrecondition", "sealed"), Sealed),
        (StatusCode.UNAVAILABLE, "not primary replica", NotPrimary),
        (StatusCode.UNAVAILABLE, PREFIXED.format("Unavailable", "not primary replica"), NotPrimary),
        (StatusCode.NOT_FOUND, PREFIXED.format("NotFound", "no such log stream"), NoSuchLogStream),
        (StatusCode.INVALID_ARGUMENT, PREFIXED.format("InvalidArgument", "no payload"), AppendRefused),
        (StatusCode.FAILED_PRECONDITION, "something else", StreamBroken),
        (StatusCode.UNAVAILABLE, "it was not primary replica before", StreamBroken),
        (StatusCode.UNAVAILABLE, "Socket closed", StreamBroken),
        (StatusCode.UNKNOWN, "closed", StreamBroken),
        (StatusCode.INTERNAL, "boom", StreamBroken),
        (StatusCode.DEADLINE_EXCEEDED, "", StreamBroken),
        (StatusCode.OK, "", StreamBroken),
    ],
)
async def test_the_end_of_the_stream_tells_all_sent_batches_what_is_certain(
    server: ScriptedVarlog, log: Log, code: StatusCode, details: str, expected: type[AppendError]
) -> None:
    appender, answers = log.appender(TOPIC, STREAM, pipeline=3), Answers()
    send(appender, answers, "a", "b", "c")
    stream = await server.stream()
    requests = [await stream.request() for _ in range(3)]
    await stream.answer(requests[0])
    await stream.end(code, details)
    await answers.wait("a", "b", "c")
    assert answers.llsns("a") == [1]
    assert answers.errors("b", "c") == [expected, expected]
    assert appender.broken is answers.error("b") is answers.error("c")


async def test_refused_and_unknown_are_told_apart_by_type() -> None:
    refused: set[type[AppendError]] = {Sealed, NotPrimary, NoSuchLogStream, AppendNotSent}
    unknown: set[type[AppendError]] = {StreamBroken, CallTimeout, AppenderClosed}
    assert all(issubclass(kind, AppendRefused) and not issubclass(kind, AppendUnknown) for kind in refused)
    assert all(issubclass(kind, AppendUnknown) and not issubclass(kind, AppendRefused) for kind in unknown)


async def test_a_backup_is_named_by_the_error(server: ScriptedVarlog, log: Log) -> None:
    appender, answers = log.appender(TOPIC, STREAM), Answers()
    send(appender, answers, "a")
    stream = await server.stream()
    await stream.request()
    await stream.end(StatusCode.UNAVAILABLE, "not primary replica")
    await answers.wait("a")
    error = answers.error("a")
    assert isinstance(error, NotPrimary)
    assert (error.storage_node_id, error.log_stream_id) == (NODE, STREAM)


async def test_sealed_stays_sealed_for_batches_written_while_the_status_arrives(
    server: ScriptedVarlog, log: Log
) -> None:
    for _ in range(20):
        appender, answers = log.appender(TOPIC, STREAM, pipeline=8), Answers()
        names = list("abcdefgh")
        send(appender, answers, *names[:2])
        stream = await server.stream()
        await stream.answer(await stream.request())
        await stream.end(StatusCode.FAILED_PRECONDITION, "sealed")
        send(appender, answers, *names[2:])
        await answers.wait(*names)
        assert answers.llsns("a") == [1]
        assert set(answers.errors(*names[1:])) <= {Sealed, AppendNotSent}


async def test_a_lost_connection_leaves_sent_batches_unknown(server: ScriptedVarlog, log: Log) -> None:
    appender, answers = log.appender(TOPIC, STREAM), Answers()
    send(appender, answers, "a", "b")
    stream = await server.stream()
    await stream.request()
    await stream.request()
    await server.stop()
    await answers.wait("a", "b")
    assert answers.errors("a", "b") == [StreamBroken, StreamBroken]


async def test_a_stream_that_broke_while_idle_does_not_swallow_the_next_batch(
    server: ScriptedVarlog, log: Log
) -> None:
    appender, answers = log.appender(TOPIC, STREAM), Answers()
    send(appender, answers, "a")
    stream = await server.stream()
    await stream.answer(await stream.request())
    await answers.wait("a")
    await stream.end()
    await until(lambda: appender.broken is not None)
    await appender.append_batch([b"b"], answers.callback("b"))
    send(appender, answers, "c")
    await answers.wait("b", "c")
    assert answers.errors("b", "c") == [AppendNotSent, AppendNotSent]
    assert isinstance(answers.error("b").__cause__, StreamBroken)


async def test_where_nobody_listens_nothing_was_sent(server: ScriptedVarlog, log: Log) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # and does not listen
        server.nodes = {NODE: f"127.0.0.1:{bound.getsockname()[1]}"}
        await log.refresh()
        appender, answers = log.appender(TOPIC, STREAM), Answers()
        send(appender, answers, "a", "b")
        await answers.wait("a", "b")
    assert answers.errors("a", "b") == [AppendNotSent, AppendNotSent]
    assert isinstance(appender.broken, StreamBroken)


async def test_a_broken_appender_sends_nothing_twice_and_opens_no_other_stream(
    server: ScriptedVarlog, log: Log
) -> None:
    appender, answers = log.appender(TOPIC, STREAM), Answers()
    send(appender, answers, "a")
    stream = await server.stream()
    await stream.request()
    await stream.end(StatusCode.UNAVAILABLE, "Socket closed")
    await answers.wait("a")
    for name in "bcd":
        send(appender, answers, name)
    await answers.wait("b", "c", "d")
    assert answers.errors("b", "c", "d") == [AppendNotSent] * 3
    assert len(server.streams) == 1
    assert stream.requests.empty()
    assert appender.free_slots == appender.pipeline


@pytest.mark.parametrize("llsns", [[], [1], [1, 2, 3], [1, 3], [0, 1], [2, 1]])
async def test_an_answer_that_does_not_fit_the_batch_leaves_it_unknown(
    server: ScriptedVarlog, log: Log, llsns: list[int]
) -> None:
    appender, answers = log.appender(TOPIC, STREAM), Answers()
    appender.append_batch_nowait([b"x", b"y"], answers.callback("two"))
    send(appender, answers, "after")
    stream = await server.stream()
    await stream.answer(await stream.request(), llsns=llsns)
    await answers.wait("two", "after")
    assert set(answers.errors("two", "after")) <= {AppendUnknown, AppendNotSent}
    assert answers.errors("two") == [AppendUnknown]
    await asyncio.wait_for(stream.cancelled.wait(), BOUND_S)


async def test_an_answer_that_is_no_message_leaves_the_batch_unknown(
    server: ScriptedVarlog, log: Log
) -> None:
    appender, answers = log.appender(TOPIC, STREAM), Answers()
    send(appender, answers, "a")
    stream = await server.stream()
    await stream.send(b"\x0a\xff")
    await answers.wait("a")
    assert answers.errors("a") == [AppendUnknown]


async def test_an_answer_nobody_asked_for_ends_the_stream(server: ScriptedVarlog, log: Log) -> None:
    appender, answers = log.appender(TOPIC, STREAM), Answers()
    send(appender, answers, "a")
    stream = await server.stream()
    request = await stream.request()
    await stream.answer(request)
    await stream.answer(request)
    await until(lambda: appender.broken is not None)
    assert answers.llsns("a") == [1]
    assert type(appender.broken) is AppendUnknown


async def test_the_end_of_a_stream_renews_the_metadata(server: ScriptedVarlog, log: Log) -> None:
    appender = log.appender(TOPIC, STREAM)
    stream = await server.stream()
    server.version = 2
    await stream.end(StatusCode.UNAVAILABLE, "not primary replica")
    await until(lambda: log.metadata.version == 2)
    assert appender.broken is not None


# Time


async def test_a_batch_unanswered_for_too_long_ends_all_sent_ones(server: ScriptedVarlog, log: Log) -> None:
    appender, answers = log.appender(TOPIC, STREAM, pipeline=2, call_timeout_s=0.2), Answers()
    send(appender, answers, "a", "b")
    stream = await server.stream()
    await answers.wait("a", "b")
    assert answers.errors("a", "b") == [CallTimeout, CallTimeout]
    await asyncio.wait_for(stream.cancelled.wait(), BOUND_S)


async def test_the_time_counts_for_each_batch_alone(server: ScriptedVarlog, log: Log) -> None:
    appender, answers = log.appender(TOPIC, STREAM, pipeline=1, call_timeout_s=0.8), Answers()
    begin = asyncio.get_running_loop().time()
    for name in "abc":
        send(appender, answers, name)
        stream = server.streams[0] if server.streams else await server.stream()
        request = await stream.request()
        await asyncio.sleep(0.3)  # a slow server
        await stream.answer(request)
        await answers.wait(name)
    assert asyncio.get_running_loop().time() - begin > 0.8
    assert [answers.llsns(name) for name in "abc"] == [[1], [2], [3]]
    send(appender, answers, "never")
    await answers.wait("never")
    assert answers.errors("never") == [CallTimeout]


async def test_a_node_that_accepts_no_connection_is_given_up_in_time(
    server: ScriptedVarlog, log: Log
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the kernel connects, nobody ever answers
        server.nodes = {NODE: f"127.0.0.1:{silent.getsockname()[1]}"}
        await log.refresh()
        appender, answers = log.appender(TOPIC, STREAM, call_timeout_s=0.2), Answers()
        send(appender, answers, "a")
        await answers.wait("a")
    assert answers.errors("a") == [AppendNotSent]
    assert isinstance(appender.broken, CallTimeout)


# Accepting


@pytest.mark.parametrize(("asked", "given"), [(-1, 1), (0, 1), (1, 1), (5, 5), (8, 8), (9, 8), (100, 8)])
async def test_the_pipeline_is_clamped(log: Log, asked: int, given: int) -> None:
    appender = log.appender(TOPIC, STREAM, pipeline=asked)
    taken = [appender.append_batch_nowait([b"x"]) for _ in range(given + 1)]
    assert appender.pipeline == given
    assert taken == [True] * given + [False]
    assert (appender.in_flight, appender.free_slots) == (given, 0)


async def test_the_pipeline_is_two_unless_told_otherwise(log: Log) -> None:
    assert log.appender(TOPIC, STREAM).pipeline == 2


async def test_what_was_not_accepted_for_want_of_a_slot_is_never_sent(
    server: ScriptedVarlog, log: Log
) -> None:
    appender, answers = log.appender(TOPIC, STREAM, pipeline=1), Answers()
    send(appender, answers, "a")
    assert not appender.append_batch_nowait([b"refused"], answers.callback("refused"))
    stream = await server.stream()
    await stream.answer(await stream.request())
    await answers.wait("a")
    send(appender, answers, "b")
    assert list((await stream.request()).payload) == [b"b"]
    await appender.close()
    assert answers.order == ["a", "b"]


async def test_a_cancelled_wait_has_accepted_nothing(server: ScriptedVarlog, log: Log) -> None:
    appender, answers = log.appender(TOPIC, STREAM, pipeline=1), Answers()
    send(appender, answers, "a")
    waiting = asyncio.create_task(appender.append_batch([b"cancelled"], answers.callback("cancelled")))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    stream = await server.stream()
    await stream.answer(await stream.request())
    await answers.wait("a")
    send(appender, answers, "b")
    assert list((await stream.request()).payload) == [b"b"]


async def test_payloads_may_be_changed_once_accepted(server: ScriptedVarlog, log: Log) -> None:
    appender = log.appender(TOPIC, STREAM)
    payload = bytearray(b"before")
    appender.append_batch_nowait([payload])
    payload[:] = b"after!"
    stream = await server.stream()
    assert list((await stream.request()).payload) == [b"before"]


async def test_misuse_is_raised_and_takes_no_slot(server: ScriptedVarlog, log: Log) -> None:
    appender, answers = log.appender(TOPIC, STREAM, pipeline=1), Answers()
    with pytest.raises(ValueError, match="at least one entry"):
        appender.append_batch_nowait([])
    with pytest.raises(ValueError, match="at least one entry"):
        await appender.append_batch([])
    with pytest.raises(TypeError):
        appender.append_batch_nowait(["text"])  # type: ignore[list-item]
    with pytest.raises(TypeError):
        await appender.append_batch([3])  # type: ignore[list-item]
    send(appender, answers, "fine")
    stream = await server.stream()
    await stream.answer(await stream.request())
    await answers.wait("fine")


# Closing


async def test_close_ends_what_is_in_flight_and_its_callbacks_have_run(
    server: ScriptedVarlog, log: Log
) -> None:
    appender, answers = log.appender(TOPIC, STREAM, pipeline=2), Answers()
    send(appender, answers, "a", "b")
    stream = await server.stream()
    await stream.request()
    await stream.request()
    await appender.close()
    assert answers.errors("a", "b") == [AppenderClosed, AppenderClosed]
    await asyncio.wait_for(stream.cancelled.wait(), BOUND_S)


async def test_close_before_anything_was_sent_says_so(log: Log) -> None:
    appender, answers = log.appender(TOPIC, STREAM), Answers()
    send(appender, answers, "a")
    await appender.close()
    assert answers.errors("a") == [AppendNotSent]


async def test_a_closed_appender_takes_nothing(log: Log) -> None:
    appender, answers = log.appender(TOPIC, STREAM, pipeline=1), Answers()
    send(appender, answers, "a")
    waiting = asyncio.create_task(appender.append_batch([b"b"], answers.callback("b")))
    await asyncio.sleep(0)
    await appender.close()
    with pytest.raises(Closed):
        await waiting
    with pytest.raises(Closed):
        appender.append_batch_nowait([b"c"], answers.callback("c"))
    with pytest.raises(Closed):
        await appender.append_batch([b"d"], answers.callback("d"))
    assert answers.order == ["a"]


async def test_close_may_be_called_twice_at_once_and_again(server: ScriptedVarlog, log: Log) -> None:
    appender, answers = log.appender(TOPIC, STREAM), Answers()
    send(appender, answers, "a")
    await asyncio.gather(appender.close(), appender.close())
    await appender.close()
    assert answers.order == ["a"]


async def test_close_from_a_callback_works(server: ScriptedVarlog, log: Log) -> None:
    appender, answers = log.appender(TOPIC, STREAM, pipeline=3), Answers()
    closing: list[asyncio.Task[None]] = []
    appender.append_batch_nowait([b"a"], lambda *_: closing.append(asyncio.create_task(appender.close())))
    send(appender, answers, "b", "c")
    stream = await server.stream()
    await stream.answer(await stream.request())
    await answers.wait("b", "c")
    await closing[0]
    assert set(answers.errors("b", "c")) <= {AppenderClosed, AppendNotSent}


async def test_close_from_a_callback_with_a_full_pipeline_frees_who_waits(
    server: ScriptedVarlog, log: Log
) -> None:
    appender = log.appender(TOPIC, STREAM, pipeline=1)
    closing: list[asyncio.Task[None]] = []
    appender.append_batch_nowait([b"a"], lambda *_: closing.append(asyncio.create_task(appender.close())))
    waiting = [asyncio.create_task(appender.append_batch([b"b"])) for _ in range(3)]
    stream = await server.stream()
    await stream.answer(await stream.request())
    async with asyncio.timeout(BOUND_S):
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        await closing[0]
    assert {type(outcome) for outcome in outcomes} <= {Closed, type(None)}
    assert [type(outcome) for outcome in outcomes[1:]] == [Closed, Closed]
    assert appender.in_flight == 0


async def test_the_first_error_is_the_one_that_broken_names(server: ScriptedVarlog, log: Log) -> None:
    appender, answers = log.appender(TOPIC, STREAM, pipeline=2), Answers()
    send(appender, answers, "a", "b")
    stream = await server.stream()
    for _ in range(2):
        await stream.request()
    await stream.end(StatusCode.FAILED_PRECONDITION, "sealed")
    await answers.wait("a", "b")
    assert answers.error("a") is answers.error("b") is appender.broken
    await appender.close()
    assert isinstance(appender.broken, Sealed)
    send_after_close = appender.append_batch([b"c"])
    with pytest.raises(Closed):
        await send_after_close


async def test_close_begun_inside_a_callback_runs_the_others_after_it(
    server: ScriptedVarlog, log: Log
) -> None:
    appender, answers = log.appender(TOPIC, STREAM, pipeline=2), Answers()
    closing = appender.close()

    def close(*_: object) -> None:
        closing.send(None)  # its first step, here and now
        answers.callback("a")(None, appender.broken)

    appender.append_batch_nowait([b"a"], close)
    send(appender, answers, "b")
    stream = await server.stream()
    await stream.answer(await stream.request())
    await answers.wait("a", "b")
    assert answers.order == ["a", "b"]
    closing.close()
    await appender.close()


async def test_a_cancelled_close_has_closed_all_the_same(server: ScriptedVarlog, log: Log) -> None:
    appender, answers = log.appender(TOPIC, STREAM), Answers()
    send(appender, answers, "a")
    await server.stream()
    closing = asyncio.create_task(appender.close())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait([closing])
    await answers.wait("a")
    with pytest.raises(Closed):
        appender.append_batch_nowait([b"b"])


async def test_closing_the_log_closes_its_appenders(server: ScriptedVarlog, log: Log) -> None:
    appender, answers = log.appender(TOPIC, STREAM), Answers()
    send(appender, answers, "a")
    stream = await server.stream()
    await stream.request()
    await log.close()
    assert answers.errors("a") == [AppenderClosed]
    with pytest.raises(Closed):
        log.appender(TOPIC, STREAM)


async def test_repr_shows_the_state(server: ScriptedVarlog, log: Log) -> None:
    appender = log.appender(TOPIC, STREAM)
    appender.append_batch_nowait([b"a"])
    assert repr(appender) == "<LogStreamAppender 1/7 on node 1 in_flight=1/2 open>"
    await appender.close()
    assert repr(appender) == "<LogStreamAppender 1/7 on node 1 in_flight=0/2 closed>"
