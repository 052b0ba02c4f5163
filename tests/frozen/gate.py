"""A TCP proxy before Varlog that freezes a process in the middle of what it was doing.

    async with open_gate() as gate:
        gate.target = varlog.address
        gate.arm(kov.process.pid, 2, sent=False)   # at the third thing it sends from now on

What a process sends comes in chunks, one per step as a rule: asking for the tail, reading, the fence,
batches. Bytes are passed on as they are; which connections belong to the process is told by their ports.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import psutil

from tests.accepting import Accepting

_CHUNK = 1 << 20
_PREFACE = 24
_FRAME_HEAD = 9  # three bytes of length, one of type
_LAST_STEP_S = 1.0
_OF_CALLS = {0, 1}  # DATA and HEADERS; the others are HTTP/2's own talk


@dataclass(slots=True)
class Trap:
    """The process `pid` is stopped at the chunk number `step`, before it went on (`sent`: behind that)."""

    pid: int
    step: int
    sent: bool
    sprung: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    chunk: bytes = b""

    async def pass_by(self, chunk: bytes, to: asyncio.StreamWriter, *, step: bool) -> None:
        """Passes a chunk of the process on, perhaps much later."""
        if self.sprung.is_set():
            await self.released.wait()
        if not step or self.sprung.is_set() or not self._counted():
            to.write(chunk)
            return
        self.chunk = chunk
        if self.sent:
            to.write(chunk)
            await to.drain()
        self._spring()
        if not self.sent:
            await self.released.wait()
            to.write(chunk)

    def spring(self) -> None:
        """Stops the process now, wherever it is."""
        if not self.sprung.is_set():
            self._spring()

    def release(self) -> None:
        """What was held back arrives. The process stays stopped."""
        self.released.set()

    def _counted(self) -> bool:
        self.step -= 1
        return self.step < 0

    def _spring(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)
        self.sprung.set()


async def frozen_by(trap: Trap) -> None:
    """By then it has come to that step, or has nothing left to do."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LAST_STEP_S):
            await trap.sprung.wait()
    trap.spring()


class Gate:
    """Listens at `address`, which the cluster advertises as its own, and passes all on to `target`."""

    def __init__(self) -> None:
        self.address = ""
        self.target = ""
        self._trap: Trap | None = None
        self.connections = Accepting(self._join)

    def arm(self, pid: int, step: int, *, sent: bool) -> Trap:
        self._trap = Trap(pid, step, sent)
        return self._trap

    async def _join(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        host, _, port = self.target.rpartition(":")
        server, to_server = await asyncio.open_connection(host, int(port))
        owner = _Owner(to_client.get_extra_info("peername")[1])
        ways = [
            asyncio.create_task(self._pass_requests(client, to_server, owner)),
            asyncio.create_task(_pass_on(server, to_client)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            to_server.close()  # first: closing the gate may cancel the wait
            for way in ways:
                way.cancel()
            await asyncio.wait(ways)

    async def _pass_requests(
        self, client: asyncio.StreamReader, to_server: asyncio.StreamWriter, owner: _Owner
    ) -> None:
        frames = _Frames()
        with contextlib.suppress(ConnectionError):
            while chunk := await client.read(_CHUNK):
                trap, step = self._trap, frames.are_of_calls(chunk)
                if trap is not None and owner.is_process(trap.pid):
                    await trap.pass_by(chunk, to_server, step=step)
                else:
                    to_server.write(chunk)
                await to_server.drain()


class _Frames:
    """Finds the frames of an HTTP/2 connection, wherever the chunks are cut."""

    def __init__(self) -> None:
        self._ahead = _PREFACE  # of what is known already
        self._head = b""

    def are_of_calls(self, chunk: bytes) -> bool:
        """Whether something of a call begins in this chunk."""
        found, at = False, 0
        while at < len(chunk):
            skipped = min(self._ahead, len(chunk) - at)
            self._ahead -= skipped
            at += skipped
            more = chunk[at : at + _FRAME_HEAD - len(self._head)]
            self._head += more
            at += len(more)
            if len(self._head) == _FRAME_HEAD:
                found |= self._head[3] in _OF_CALLS
                self._ahead, self._head = int.from_bytes(self._head[:3]), b""
        return found


class _Owner:
    """Whose connection it is that comes from a port of this host."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._known: dict[int, bool] = {}

    def is_process(self, pid: int) -> bool:
        if pid not in self._known:
            connections = psutil.Process(pid).net_connections("tcp")
            self._known[pid] = any(each.laddr.port == self._port for each in connections if each.raddr)
        return self._known[pid]


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()


@asynccontextmanager
async def open_gate() -> AsyncIterator[Gate]:
    gate = Gate()
    server = await asyncio.start_server(gate.connections.accept, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    gate.address = f"{host}:{port}"
    async with server:
        try:
            yield gate
        finally:
            server.close()
            await gate.connections.close()
