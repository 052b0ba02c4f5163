"""A TCP proxy that knows nothing of what it carries, and does to it on order what networks do."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from random import Random

from tests.accepting import Accepting

_CHUNK = 64 * 1024
_SLOW_CHUNK = 2 * 1024
_RESET = struct.pack("ii", 1, 0)


class Cut(Enum):
    RESET = auto()
    CLOSE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """What happens to bytes on their way. `deaf`: what the server answers is swallowed."""

    stalled: bool = False
    deaf: bool = False
    delay_s: float = 0.0
    bytes_per_s: float | None = None


FAIR = Weather()


class Wire:
    """Forwards from `address` to `target`, both HOST:PORT; `target` may change, for later connections.

    Only connections from ports that `concerns` accepts are ever touched; the others are just forwarded.
    """

    def __init__(self, target: str, concerns: Callable[[int], bool] = lambda port: True) -> None:
        self.target = target
        self.address = ""
        self._concerns = concerns
        self._links: set[_Link] = set()
        self._connections = Accepting(self._accept)
        self._server: asyncio.Server | None = None
        self._weather = FAIR
        self._strikes: Callable[[], bool] = bool

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._connections.accept, "127.0.0.1")
        host, port = self._server.sockets[0].getsockname()
        self.address = f"{host}:{port}"

    async def close(self) -> None:
        """Cuts everything. Idempotent."""
        if self._server is not None:
            self._server.close()
        await self._connections.close()

    def impose(self, weather: Weather, chance: Random, share: float = 1.0) -> None:
        """From now on, for about `share` of the connections there are and those that come."""
        self._weather, self._strikes = weather, lambda: chance.random() < share
        for link in self._links:
            if self._strikes():
                link.set_weather(weather)

    def clear(self) -> None:
        """Fair weather again for all; what was held up goes on its way."""
        self._weather = FAIR
        for link in self._links:
            link.set_weather(FAIR)

    def cut(self, how: Cut, chance: Random, share: float = 1.0) -> None:
        """Ends about `share` of the connections, towards both sides."""
        _cut_each(how, (link for link in list(self._links) if chance.random() < share))

    def cut_deaf(self, how: Cut) -> None:
        """Ends the connections whose answers were swallowed: what was asked on them is lost for good."""
        _cut_each(how, (link for link in list(self._links) if link.weather.deaf))

    def abandon(self, chance: Random, share: float = 1.0) -> None:
        """Ends about `share` of the connections for the clients; the server isn't told."""
        for link in list(self._links):
            if chance.random() < share:
                link.abandon()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, port = writer.get_extra_info("peername")
        with contextlib.suppress(OSError, asyncio.CancelledError):  # cancelled by `close` only
            await self._serve(reader, writer, concerned=self._concerns(port))

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, concerned: bool
    ) -> None:
        host, _, port = self.target.rpartition(":")
        to_server = await asyncio.open_connection(host, int(port))
        link = _Link((reader, writer), to_server)
        if concerned:
            self._links.add(link)
            if self._weather is not FAIR and self._strikes():
                link.set_weather(self._weather)
        try:
            await link.run()
        finally:
            self._links.discard(link)
            link.cut(Cut.CLOSE)


_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Link:
    """One connection, towards both sides. It ends when either side does, unless it was abandoned."""

    def __init__(self, client: _Streams, server: _Streams) -> None:
        self.weather = FAIR
        self._client, self._server = client, server
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._abandoned = False

    def set_weather(self, weather: Weather) -> None:
        self.weather = weather
        if weather.stalled:
            self._flowing.clear()
        else:
            self._flowing.set()

    def cut(self, how: Cut) -> None:
        for _, writer in (self._client, self._server):
            _end(writer, how)
        self._flowing.set()

    def abandon(self) -> None:
        self._abandoned = True
        _end(self._client[1], Cut.RESET)

    async def run(self) -> None:
        up = asyncio.create_task(self._pump(self._client[0], self._server[1], up=True))
        down = asyncio.create_task(self._pump(self._server[0], self._client[1], up=False))
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
            if self._abandoned:
                await down
        finally:
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(_SLOW_CHUNK if self.weather.bytes_per_s else _CHUNK):
                await self._travel(len(data))
                if not up and (self.weather.deaf or self._abandoned):
                    continue
                writer.write(data)
                await writer.drain()

    async def _travel(self, size: int) -> None:
        await self._flowing.wait()
        weather = self.weather
        pause_s = weather.delay_s + (size / weather.bytes_per_s if weather.bytes_per_s else 0.0)
        if pause_s:
            await asyncio.sleep(pause_s)
        await self._flowing.wait()


def _cut_each(how: Cut, links: Iterable[_Link]) -> None:
    for link in links:
        link.cut(how)


def _end(writer: asyncio.StreamWriter, how: Cut) -> None:
    if how is Cut.CLOSE:
        writer.close()
        return
    connection = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
