"""Reading committed entries: in chunks, each in a short transaction on a reader thread, and at the tail
by waiting for the next commit.

A chunk is read when the one before it was taken by gRPC, so a slow subscriber costs one chunk of memory
and no open transaction.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple

from varlog_lite import status
from varlog_lite.layout import Damaged
from varlog_lite.status import Refusal
from varlog_lite.store import Encode, Store
from varlog_lite.streams import LogStream, Position

CHUNK_BYTES = 512 * 1024

_READERS = 4

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")
Write = Callable[[bytes], Awaitable[None]]


class ReadPool:
    """The threads that read. `stop` is for what waits, `close` for what reads."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.stopping = False
        self._executor = ThreadPoolExecutor(_READERS, thread_name_prefix="varlog-lite-reader")

    async def run(self, function: Callable[[*_Ts], _T], *args: *_Ts) -> _T:
        """Raises `Damaged` as the function does, or `Refusal` where the server ends."""
        if self.stopping:
            raise status.shutting_down()
        return await asyncio.get_running_loop().run_in_executor(self._executor, function, *args)

    def stop(self) -> None:
        self.stopping = True

    async def close(self) -> None:
        await asyncio.to_thread(self._executor.shutdown)


class Reading:
    """One subscription to one log stream, by LLSN or by GLSN."""

    def __init__(self, pool: ReadPool, stream: LogStream, encode: Encode) -> None:
        self._pool = pool
        self._stream = stream
        self._encode = encode

    async def by_llsn(self, write: Write, begin: int, end: int) -> None:
        """Writes the entries of [begin, end) as they are committed. Raises `Refusal`."""
        stream = self._stream
        if begin < stream.first_llsn and (not stream.empty or end <= stream.first_llsn):
            raise status.trimmed()
        # Where everything was trimmed, a range that reaches beyond it starts at the next entry, silently.
        llsn = max(begin, stream.first_llsn)
        while llsn < end:
            changed = stream.changed
            if llsn <= stream.last_llsn:
                llsn = await self._write_until(write, llsn, min(end, stream.last_llsn + 1))
            else:
                await self._wait(changed)

    async def by_glsn(self, write: Write, begin: int, end: int) -> None:
        """Writes the log stream's entries whose GLSN lies in [begin, end), as they are committed.

        Returns once the entry end-1 is written, or the topic has come that far and this log stream has
        nothing behind it. Where it has, and end-1 is another log stream's, this waits for ever: as Varlog.
        """
        stream, next_llsn = self._stream, 0
        while True:
            changed, topic_glsn = stream.topic.changed, stream.topic.last_glsn
            last_llsn, last_glsn = stream.last_llsn, stream.last_glsn
            if begin <= last_glsn and not stream.empty:
                next_llsn = next_llsn or (await self._find(begin, last_llsn)).llsn
                stop, complete = await self._stop(end, last_llsn, last_glsn)
                next_llsn = await self._write_until(write, next_llsn, stop)
                if complete:
                    return
            if last_glsn < end <= topic_glsn + 1:
                return
            await self._wait(changed)

    async def _stop(self, end: int, last_llsn: int, last_glsn: int) -> tuple[int, bool]:
        """The first LLSN that is not to be written yet; true if the entry before it is end-1."""
        if last_glsn < end - 1:
            return last_llsn + 1, False
        found = await self._find(end - 1, last_llsn)
        own = found.glsn == end - 1
        return found.llsn + own, own

    async def _find(self, glsn: int, last_llsn: int) -> Position:
        stream, first = self._stream, self._stream.first_llsn
        number, find = stream.log_stream_id, self._pool.store.first_from_glsn
        try:
            return Position(*await self._pool.run(find, number, first, last_llsn, glsn))
        except Damaged as damage:
            raise self._explain(damage, first) from damage

    async def _write_until(self, write: Write, llsn: int, stop: int) -> int:
        read, number = self._pool.store.read, self._stream.log_stream_id
        while llsn < stop:
            try:
                chunk = await self._pool.run(read, number, llsn, stop, CHUNK_BYTES, self._encode)
            except Damaged as damage:
                raise self._explain(damage, llsn) from damage
            llsn = chunk.next_llsn
            for message in chunk.messages:
                await write(message)
        return llsn

    def _explain(self, damage: Damaged, llsn: int) -> Refusal:
        """What was trimmed while it was being read is not damaged."""
        if llsn < self._stream.first_llsn or self._stream.closed:
            return status.trimmed()
        return status.corrupt(damage.reason)

    async def _wait(self, changed: asyncio.Event) -> None:
        self._check_open()
        await changed.wait()
        self._check_open()

    def _check_open(self) -> None:
        if self._pool.stopping:
            raise status.shutting_down()
        if self._stream.closed:
            raise status.closed()
