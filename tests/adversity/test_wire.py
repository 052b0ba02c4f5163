from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from random import Random

import pytest

from tests.adversity.wire import Cut, Weather, Wire
from tests.waiting import wait_for

NOT_YET_S = 0.1


class Echo:
    """A server that says back what it hears, and what it has heard."""

    def __init__(self) -> None:
        self.heard = b""
        self.hung_up = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1000):
                self.heard += data
                writer.write(data)
        except ConnectionError:
            pass
        finally:
            self.hung_up += 1
            writer.close()


@asynccontextmanager
async def wired(echo: Echo, wire: Wire) -> AsyncIterator[Wire]:
    server = await asyncio.start_server(echo.serve, "127.0.0.1")
    host, port = server.sockets[0].getsockname()
    wire.target = f"{host}:{port}"
    await wire.start()
    try:
        yield wire
    finally:
        await wire.close()
        server.close()


@asynccontextmanager
async def connected(wire: Wire) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    host, port = wire.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(b"hello")
        await writer.drain()
        assert await reader.readexactly(5) == b"hello"
        yield reader, writer
    finally:
        writer.transport.abort()


async def takes_longer(call: Awaitable[bytes]) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(NOT_YET_S):
            await call


CHANCE = Random(1)


async def test_a_stalled_wire_delivers_when_it_clears() -> None:
    echo = Echo()
    async with wired(echo, Wire("")) as wire, connected(wire) as (reader, writer):
        wire.impose(Weather(stalled=True), CHANCE)
        writer.write(b"later")
        await takes_longer(reader.read(5))
        assert echo.heard == b"hello"
        wire.clear()
        assert await reader.readexactly(5) == b"later"


async def test_a_new_connection_meets_the_weather_too() -> None:
    echo = Echo()
    async with wired(echo, Wire("")) as wire:
        wire.impose(Weather(stalled=True), CHANCE)
        reader, writer = await asyncio.open_connection(*wire.address.split(":"))
        writer.write(b"later")
        await takes_longer(reader.read(5))
        wire.clear()
        assert await reader.readexactly(5) == b"later"
        writer.close()


async def test_lost_answers_leave_the_request_done() -> None:
    echo = Echo()
    async with wired(echo, Wire("")) as wire, connected(wire) as (reader, writer):
        wire.impose(Weather(deaf=True), CHANCE)
        writer.write(b"done")
        await wait_for(lambda: echo.heard == b"hellodone")
        wire.cut_deaf(Cut.RESET)
        wire.clear()
        with pytest.raises(ConnectionResetError):
            await reader.read(5)
        await wait_for(lambda: echo.hung_up == 1)


@pytest.mark.parametrize("weather", [Weather(delay_s=0.05), Weather(bytes_per_s=200)])
async def test_slow_wires_are_slow_and_lose_nothing(weather: Weather) -> None:
    loop = asyncio.get_running_loop()
    async with wired(Echo(), Wire("")) as wire, connected(wire) as (reader, writer):
        wire.impose(weather, CHANCE)
        begun = loop.time()
        writer.write(b"0123456789")
        assert await reader.readexactly(10) == b"0123456789"
        assert loop.time() - begun >= 0.1


async def test_a_reset_reaches_both_sides() -> None:
    echo = Echo()
    async with wired(echo, Wire("")) as wire, connected(wire) as (reader, _):
        wire.cut(Cut.RESET, CHANCE)
        with pytest.raises(ConnectionResetError):
            await reader.read(5)
        await wait_for(lambda: echo.hung_up == 1)


async def test_a_close_is_an_end_and_no_error() -> None:
    echo = Echo()
    async with wired(echo, Wire("")) as wire, connected(wire) as (reader, _):
        wire.cut(Cut.CLOSE, CHANCE)
        assert await reader.read(5) == b""
        await wait_for(lambda: echo.hung_up == 1)


async def test_an_abandoned_server_is_told_nothing() -> None:
    echo = Echo()
    async with wired(echo, Wire("")) as wire, connected(wire) as (reader, _):
        wire.abandon(CHANCE)
        with pytest.raises(ConnectionResetError):
            await reader.read(5)
        async with connected(wire):  # the wire is well
            assert echo.hung_up == 0


async def test_others_connections_are_left_alone() -> None:
    async with wired(Echo(), Wire("", lambda port: False)) as wire, connected(wire) as (reader, writer):
        wire.cut(Cut.RESET, CHANCE)
        wire.impose(Weather(stalled=True), CHANCE)
        writer.write(b"well")
        assert await reader.readexactly(4) == b"well"


async def test_about_the_share_asked_for_is_cut() -> None:
    echo = Echo()
    async with wired(echo, Wire("")) as wire, connected(wire), connected(wire), connected(wire):

        class Turns(Random):
            turns = iter([0.1, 0.9, 0.1])

            def random(self) -> float:
                return next(self.turns)

        wire.cut(Cut.CLOSE, Turns(), 0.5)
        await wait_for(lambda: echo.hung_up == 2)
