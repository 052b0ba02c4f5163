"""Peers that get nowhere are ended, and nobody else is; over real sockets, swept by the test."""

from __future__ import annotations

import asyncio
import inspect
import math
import socket
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager

import pytest
import uvloop

from kov.budget import Budget
from kov.wire.idleness import PROGRESS_BYTES, Idleness
from kov.wire.limits import Limits
from tests.kov.wire.by_hand import Client, Wire, answer, connected, until
from tests.kov.wire.requests import sized

IDLE_S = 0.1
LIMITS = Limits(max_idle_s=IDLE_S, stalled_s=IDLE_S)


async def idle_for(seconds: float) -> None:
    """Until so much time has passed by the loop's clock."""
    await asyncio.sleep(seconds + 0.01)


@asynccontextmanager
async def unread(limits: Limits, budget: Budget | None = None) -> AsyncIterator[tuple[Client, Wire]]:
    """A peer that has asked for more than the sockets hold, and takes nothing of it."""
    async with connected(limits, budget) as (client, wire):
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        wire.send(b"1", b"2")
        await until(lambda: len(client.replies) == 2)
        client.replies[0].future.set_result([sized(bytes(30_000_000))])
        await until(lambda: not client.connection._writable.is_set())
        assert not client.connection.end_if_idle()  # sees for the first time how much there is to take
        yield client, wire


async def test_a_connection_that_asks_for_nothing_is_closed_without_a_complaint() -> None:
    async with connected(LIMITS) as (client, wire):
        assert not client.connection.end_if_idle()
        await idle_for(IDLE_S)
        assert client.connection.end_if_idle()
        assert await wire.is_closed()
        assert client.errors == []


async def test_the_time_counts_from_the_last_answer() -> None:
    async with connected(LIMITS) as (client, wire):
        await idle_for(IDLE_S / 2)
        wire.send(b"1")
        await until(lambda: bool(client.replies))
        answer(client.replies[0])
        await wire.receive()
        await idle_for(IDLE_S / 2)
        assert not client.connection.end_if_idle()
        await idle_for(IDLE_S / 2)
        assert client.connection.end_if_idle()


async def test_a_connection_with_a_request_in_progress_is_kept() -> None:
    async with connected(LIMITS) as (client, wire):
        wire.send(b"1")
        await until(lambda: bool(client.replies))
        await idle_for(2 * IDLE_S)
        assert not client.connection.end_if_idle()
        answer(client.replies[0])
        assert await wire.receive() == b"re:1"


async def test_without_a_bound_nobody_is_idle() -> None:
    async with connected(Limits(max_idle_s=math.inf)) as (client, _):
        await idle_for(IDLE_S)
        assert not client.connection.end_if_idle()


async def test_a_request_that_comes_byte_by_byte_doesn_t_hold_a_connection_for_ever() -> None:
    async with connected(LIMITS) as (client, wire):
        request, sent = sized(bytes(1000)), 0
        async with asyncio.timeout(5):
            while not client.connection.end_if_idle():
                wire.writer.write(request[sent : sent + 1])
                sent += 1
                await asyncio.sleep(IDLE_S / 20)
        assert sent > 10
        assert await wire.is_closed()
        assert client.errors == ["a request has begun and doesn't arrive"]


async def test_a_large_request_over_a_slow_line_may_take_its_time() -> None:
    async with connected(LIMITS) as (client, wire):
        wire.writer.write(struct.pack(">i", 10 * 2 * PROGRESS_BYTES))
        for _ in range(10):
            wire.writer.write(bytes(2 * PROGRESS_BYTES))
            await asyncio.sleep(IDLE_S / 4)
            assert not client.connection.end_if_idle()
        await until(lambda: bool(client.replies))


async def test_a_connection_that_is_not_read_for_want_of_bytes_is_not_idle() -> None:
    budget = Budget(1000)
    budget.take(1000)
    async with connected(LIMITS, budget) as (client, wire):
        wire.send(b"1")
        await until(lambda: bool(client.replies))
        answer(client.replies[0])
        await wire.receive()
        await until(lambda: "paused requests=0" in repr(client.connection))
        await idle_for(IDLE_S)
        assert not client.connection.end_if_idle()
        budget.give(1000)
        assert not client.connection.end_if_idle()
        await idle_for(IDLE_S)
        assert client.connection.end_if_idle()


async def test_a_peer_that_takes_nothing_of_its_answers_is_cut_off() -> None:
    async with unread(LIMITS) as (client, _):
        await idle_for(IDLE_S)
        assert client.connection.end_if_idle()
        await client.gone.wait()
        assert client.errors == ["its answers are not being read"]


async def test_a_peer_that_reads_slowly_is_kept() -> None:
    async with unread(LIMITS) as (client, wire):
        for _ in range(5):
            await idle_for(IDLE_S)
            left = client.connection._transport.get_write_buffer_size()
            wire.writer.transport.resume_reading()  # type: ignore[attr-defined]
            async with asyncio.timeout(5):
                while client.connection._transport.get_write_buffer_size() >= left:
                    await wire.reader.read(65536)
            wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
            assert not client.connection.end_if_idle()


async def test_sending_on_is_no_excuse_for_not_reading() -> None:
    async with unread(LIMITS) as (client, wire):
        wire.send(bytes(2 * PROGRESS_BYTES))
        await until(lambda: len(client.replies) == 3)
        wire.writer.write(struct.pack(">i", 4 * PROGRESS_BYTES) + bytes(2 * PROGRESS_BYTES))
        await idle_for(IDLE_S)
        assert client.connection.end_if_idle()


async def test_who_reads_nothing_goes_sooner_where_the_server_is_out_of_bytes() -> None:
    budget = Budget(100_000_000)
    async with unread(Limits(max_idle_s=600, stalled_s=IDLE_S), budget) as (client, _):
        await idle_for(IDLE_S)
        assert not client.connection.end_if_idle()
        budget.take(70_000_000)
        assert client.connection.end_if_idle()
        await client.gone.wait()


async def test_a_large_answer_counts_until_it_is_taken() -> None:
    budget = Budget(10_000_000)
    async with unread(Limits(), budget) as (client, wire):
        assert budget.exhausted
        answer(client.replies[1])
        wire.writer.transport.resume_reading()  # type: ignore[attr-defined]
        assert len(await wire.receive()) == 30_000_000
        assert await wire.receive() == b"re:2"
        await until(lambda: budget.used == 0)
        assert "reading requests=0 bytes=0" in repr(client.connection)


async def test_a_large_answer_that_nobody_took_is_given_back_with_its_connection() -> None:
    budget = Budget(10_000_000)
    async with unread(LIMITS, budget) as (client, _):
        await idle_for(IDLE_S)
        assert client.connection.end_if_idle()
        await client.gone.wait()
        assert repr(budget) == "<Budget 0/10000000 waiting=0>"


async def test_the_system_looks_for_peers_that_went_without_a_word() -> None:
    async with connected() as (client, _):
        sock = client.connection._transport.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        idle, every, count = (
            sock.getsockopt(socket.IPPROTO_TCP, option)
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        )
        assert idle + every * count <= 120


@pytest.mark.parametrize(("received", "reached"), [(PROGRESS_BYTES - 1, True), (PROGRESS_BYTES, False)])
def test_part_of_a_request_counts_from_some_size_on(received: int, reached: bool) -> None:
    idleness = Idleness(0)
    for count in (received - 1, 1):
        idleness.received(count, 9)
    assert idleness.reached(10, 10) is reached


async def test_an_unfinished_request_is_ended_early_where_its_memory_is_needed() -> None:
    budget = Budget(100_000)
    async with connected(Limits(max_idle_s=1000, stalled_s=IDLE_S), budget) as (client, wire):
        wire.writer.write(struct.pack(">i", 90_000_000) + bytes(200_000))
        await until(lambda: budget.exhausted)
        assert not client.connection.end_if_idle()
        await idle_for(IDLE_S)
        assert client.connection.end_if_idle()
        assert await wire.is_closed()
        assert client.errors == ["a request has begun and doesn't arrive"]
    assert budget.used == 0


async def test_an_unfinished_request_behind_one_that_waits_for_its_answer_is_no_exception() -> None:
    budget = Budget(100_000)
    async with connected(Limits(max_idle_s=1000, stalled_s=IDLE_S), budget) as (client, wire):
        wire.send(b"1")
        await until(lambda: bool(client.replies))
        wire.writer.write(struct.pack(">i", 90_000_000) + bytes(200_000))
        await until(lambda: budget.exhausted)
        await idle_for(IDLE_S)
        assert client.connection.end_if_idle()
        assert budget.used < 100
        answer(client.replies[0])
        assert await wire.receive() == b"re:1"


async def test_an_unfinished_request_that_makes_progress_is_kept_though_memory_is_short() -> None:
    budget = Budget(100_000)
    async with connected(Limits(max_idle_s=1000, stalled_s=0.4), budget) as (client, wire):
        wire.writer.write(struct.pack(">i", 200_000 + 5 * PROGRESS_BYTES) + bytes(200_000))
        await until(lambda: budget.exhausted)
        for _ in range(5):
            await asyncio.sleep(0.1)
            assert not client.connection.end_if_idle()
            wire.writer.write(bytes(PROGRESS_BYTES))
        await until(lambda: bool(client.replies))


SCENARIOS = [value for value in list(globals().values()) if inspect.iscoroutinefunction(value)]


@pytest.mark.parametrize("scenario", [each for each in SCENARIOS if each.__name__.startswith("test_")])
def test_the_same_on_uvloop(scenario: Callable[[], Coroutine[object, object, None]]) -> None:
    """The server runs on uvloop, whose transports are its own."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario())
