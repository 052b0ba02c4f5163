"""A connection over real sockets, whose answers the test gives by hand."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from contextlib import asynccontextmanager

from kov.budget import Budget
from kov.errors import ProtocolError
from kov.wire.connection import Connection
from kov.wire.frames import Frame
from kov.wire.limits import Limits
from tests.kov.wire.requests import sized


class Reply:
    """An answer that the test gives through `future`."""

    def __init__(self, request: bytes) -> None:
        self.request = request
        self.future: asyncio.Future[Sequence[bytes] | None] = asyncio.get_running_loop().create_future()
        self.closed = False

    def __await__(self) -> Generator[object, None, Sequence[bytes] | None]:
        return self.future.__await__()

    def close(self) -> None:
        self.closed = True


class Client:
    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.errors: list[str] = []
        self.gone = asyncio.Event()

    def opened(self, connection: Connection) -> None:
        self.connection = connection

    def answer(self, frame: Frame) -> Reply:
        if bytes(frame) == b"bad":
            raise ProtocolError("a bad request")
        self.replies.append(Reply(bytes(frame)))
        return self.replies[-1]

    def broke(self, error: ProtocolError) -> None:
        self.errors.append(str(error))

    def lost(self) -> None:
        self.gone.set()


class Wire:
    """The other end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, *requests: bytes) -> None:
        self.writer.write(b"".join(map(sized, requests)))

    async def receive(self) -> bytes:
        async with asyncio.timeout(5):
            (size,) = struct.unpack(">i", await self.reader.readexactly(4))
            return await self.reader.readexactly(size)

    async def is_closed(self) -> bool:
        async with asyncio.timeout(5):
            try:
                return await self.reader.read(1) == b""
            except ConnectionResetError:
                return True


@asynccontextmanager
async def connected(
    limits: Limits | None = None, budget: Budget | None = None
) -> AsyncIterator[tuple[Client, Wire]]:
    limits = limits or Limits()
    client = Client()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Connection(client, limits, budget or Budget(limits.max_total_bytes)), "127.0.0.1", 0
    )
    wire = Wire(*await asyncio.open_connection(*server.sockets[0].getsockname()))
    try:
        await until(lambda: hasattr(client, "connection"))
        yield client, wire
    finally:
        server.close()
        wire.writer.close()
        client.connection.abort()
        await client.connection.wait_closed()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


def answer(reply: Reply) -> None:
    reply.future.set_result([sized(b"re:" + reply.request)])
