"""A TCP proxy before kov that knows where a request begins, and breaks the wire on order."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum

from tests.accepting import Accepting

_SIZE = struct.Struct(">i")
_HEAD = struct.Struct(">hhi")
_PRODUCE = 0


class Fault(Enum):
    """What happens to a Produce request; the connection is cut in every case."""

    DROP_ANSWER = "the server answers, the client never hears it"
    CUT_REQUEST = "half of the request reaches the server"
    DROP_REQUEST = "nothing of the request reaches the server"


class Proxy:
    """Forwards whole frames from `address` to `target`, both HOST:PORT.

    `faults` is worked off in order, one per Produce request, until it is empty; `done` is what happened.
    """

    def __init__(self, target: str) -> None:
        self.address = ""
        self.target = target
        self.faults: list[Fault] = []
        self.done: list[Fault] = []
        self.connections = Accepting(self._join)

    async def _join(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        host, _, port = self.target.rpartition(":")
        try:
            server, to_server = await asyncio.open_connection(host, int(port))
        except OSError:
            return
        doomed: set[int] = set()
        directions = [
            asyncio.create_task(self._forward_requests(client, to_server, doomed)),
            asyncio.create_task(_forward_answers(server, to_client, doomed)),
        ]
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            to_server.transport.abort()  # first: `close` may cancel the wait
            for direction in directions:
                direction.cancel()
            await asyncio.wait(directions)

    async def _forward_requests(
        self, client: asyncio.StreamReader, to_server: asyncio.StreamWriter, doomed: set[int]
    ) -> None:
        """Ends when the wire is to be cut."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                frame = await _frame(client)
                api_key, _, correlation_id = _HEAD.unpack_from(frame, _SIZE.size)
                match self._next_fault(api_key):
                    case None:
                        to_server.write(frame)
                    case Fault.DROP_ANSWER:
                        doomed.add(correlation_id)
                        to_server.write(frame)
                    case Fault.CUT_REQUEST:
                        to_server.write(frame[: len(frame) // 2])
                        await to_server.drain()
                        return
                    case Fault.DROP_REQUEST:
                        return
                await to_server.drain()

    def _next_fault(self, api_key: int) -> Fault | None:
        if api_key != _PRODUCE or not self.faults:
            return None
        fault = self.faults.pop(0)
        self.done.append(fault)
        return fault


async def _forward_answers(
    server: asyncio.StreamReader, to_client: asyncio.StreamWriter, doomed: set[int]
) -> None:
    """Ends when an answer came that the client must not hear."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            frame = await _frame(server)
            if _SIZE.unpack_from(frame, _SIZE.size)[0] in doomed:
                return
            to_client.write(frame)
            await to_client.drain()


async def _frame(reader: asyncio.StreamReader) -> bytes:
    size = await reader.readexactly(_SIZE.size)
    return size + await reader.readexactly(_SIZE.unpack(size)[0])


def free_port() -> int:
    """For a proxy whose address must be known before it is started."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def start_proxy(target: str, port: int = 0) -> AsyncIterator[Proxy]:
    proxy = Proxy(target)
    server = await asyncio.start_server(proxy.connections.accept, "127.0.0.1", port)
    host, port = server.sockets[0].getsockname()
    proxy.address = f"{host}:{port}"
    try:
        yield proxy
    finally:
        server.close()
        await proxy.connections.close()
        await server.wait_closed()
