"""What a server keeps for clients that don't take what they are sent, or send more than the disk takes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tests.varlog_lite.child import Child, serving
from tests.varlog_lite.lite_client import END, connected
from varlog_client.pb import snpb_pb2
from varlog_lite import writer as writing
from varlog_lite.server import LiteServer
from varlog_lite.store import Chunk, Store

MIB = 1 << 20
CLIENTS = 16


class Memory:
    """The most of its own, over what it had at first; LMDB's map counts as shared."""

    def __init__(self, child: Child) -> None:
        self._process = psutil.Process(child.process.pid)
        self._first = self._now()
        self._most = self._first

    def _now(self) -> int:
        info = self._process.memory_info()
        return int(info.rss - info.shared)

    def grown(self) -> int:
        self._most = max(self._most, self._now())
        return self._most - self._first

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        async def watch() -> None:
            while True:
                self.grown()
                await asyncio.sleep(0.01)

        task = asyncio.create_task(watch())
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def settled(self) -> int:
        """Once it has not grown for half a second."""
        before, calm = self.grown(), 0
        async with asyncio.timeout(20):
            while calm < 10:
                await asyncio.sleep(0.05)
                calm = calm + 1 if self.grown() == before else 0
                before = self.grown()
        return before


async def test_subscribers_that_never_read_cost_a_little_each(tmp_path: Path) -> None:
    async with serving(tmp_path) as child, connected(child.address) as client:
        ids = await client.new_log_stream()
        stream = client.open_append(*ids)
        for _ in range(40):
            await stream.append(bytes(MIB))
        memory = Memory(child)
        request = snpb_pb2.SubscribeToRequest(
            topic_id=ids[0], log_stream_id=ids[1], llsn_begin=1, llsn_end=END
        )
        calls = [client.log_io.SubscribeTo(request) for _ in range(CLIENTS)]
        for call in calls:
            await call.read()
        assert await memory.settled() < 8 * CLIENTS * MIB, "of the 40 MiB that each asked for"
        for call in calls:
            call.cancel()
        stream.call.cancel()
        assert await client.append(*ids, b"x") == [(41, 41)]


async def test_appenders_that_never_read_an_answer_are_held_back(tmp_path: Path) -> None:
    """A request of 60 kB is answered with some 500 kB."""
    async with serving(tmp_path) as child, connected(child.address) as client:
        ids = await client.new_log_stream()
        memory = Memory(child)
        streams = [client.open_append(*ids) for _ in range(CLIENTS)]

        async def send() -> None:
            while True:
                for stream in streams:
                    await stream.send(*[b"x"] * 20_000)

        async with memory.watched():
            with suppress(TimeoutError):
                await asyncio.wait_for(send(), 2)
            assert await memory.settled() < 12 * CLIENTS * MIB
        for stream in streams:
            stream.call.cancel()


async def test_appenders_that_outrun_the_disk_are_held_back(tmp_path: Path) -> None:
    async with serving(tmp_path) as child, connected(child.address) as client:
        ids = await client.new_log_stream()
        memory = Memory(child)

        async def send() -> None:
            stream = client.open_append(*ids)
            for _ in range(20):
                await stream.send(bytes(MIB))
            stream.call.cancel()

        async with memory.watched():
            await asyncio.gather(*(send() for _ in range(CLIENTS)))
        assert memory.grown() < 200 * MIB


async def test_no_more_is_read_than_may_wait_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "MAX_UNWRITTEN_BYTES", MIB)
    async with LiteServer(tmp_path) as server, connected(server.address) as client:
        ids = await client.new_log_stream()
        assert server._rooms is not None
        writer = server._rooms.writer
        most = 0
        append = writer.append

        def watched(*args: object) -> object:
            nonlocal most
            done = append(*args)  # type: ignore[arg-type]
            most = max(most, writer._unwritten)
            return done

        monkeypatch.setattr(writer, "append", watched)
        streams = [client.open_append(*ids) for _ in range(CLIENTS)]
        await asyncio.gather(*(fill(stream.send) for stream in streams))
        for stream in streams:
            for _ in range(8):
                await stream.answer()
            stream.call.cancel()
        assert MIB <= most <= (CLIENTS + 5) * MIB // 4, "each stream may have one more on its way"
        assert writer._unwritten == 0
        assert len(await client.read(*ids, 1, CLIENTS * 8 + 1)) == CLIENTS * 8


async def fill(send: object) -> None:
    assert callable(send)
    for _ in range(8):
        await send(bytes(MIB // 4))


async def test_a_client_that_goes_while_it_is_written_to_is_no_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with LiteServer(tmp_path) as server, connected(server.address) as client:
        ids = await client.new_log_stream()
        await client.append(*ids, *[bytes(MIB)] * 30)
        assert server._rooms is not None
        store = server._rooms._store
        chunks: list[Chunk] = []

        def read(*args: object) -> Chunk:
            chunks.append(Store.read(store, *args))  # type: ignore[arg-type]
            return chunks[-1]

        monkeypatch.setattr(store, "read", read)
        request = snpb_pb2.SubscribeToRequest(
            topic_id=ids[0], log_stream_id=ids[1], llsn_begin=1, llsn_end=END
        )
        for _ in range(3):
            call = client.log_io.SubscribeTo(request)
            await call.read()
            await no_more_of(chunks)
            call.cancel()
        assert await client.append(*ids, b"x") == [(31, 31)]
    assert caplog.text == ""


async def no_more_of(things: list[Chunk]) -> None:
    """Until nothing was added for a tenth of a second: the server waits for the client."""
    seen, calm = len(things), 0
    async with asyncio.timeout(20):
        while calm < 20:
            await asyncio.sleep(0.005)
            calm = calm + 1 if len(things) == seen else 0
            seen = len(things)
    assert seen < 100
