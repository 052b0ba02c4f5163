"""Reads of old batches from Varlog: each goes on through the subscription that a consumer's last one left.

With a subscription for every Fetch the storage node sends megabytes that nobody takes, again and again. A
consumer asks next for the offset behind what it was given: a cursor waits there for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from kov.partition.history import History, StoredBatch

_IDLE_S: Final = 5.0


class _Cursor:
    """Where a consumer is in the history of a partition. `offset`: what the next read would begin with."""

    def __init__(self, history: History, offset: int) -> None:
        self.history = history
        self.offset = offset
        self.keep_until = 0.0
        self._end = history.view.end_offset
        self._batches: AsyncGenerator[StoredBatch] = history.batches(offset)
        self._next: StoredBatch | None = None

    @property
    def key(self) -> tuple[History, int]:
        return self.history, self.offset

    @property
    def at_end(self) -> bool:
        """Nothing more comes: what was appended since it was made lies behind its range."""
        return self.offset >= self._end

    async def read(self, max_bytes: int) -> list[bytes]:
        """The next batches within `max_bytes`, and one at least; fewer at the end. Raises `VarlogError`."""
        found: list[bytes] = []
        while not found or max_bytes > 0:
            batch = self._next or await anext(self._batches, None)
            if batch is None:
                self.offset = self._end
                break
            if found and len(batch.payload) > max_bytes:
                self._next = batch
                break
            self._next = None
            found.append(batch.payload)
            max_bytes -= len(batch.payload)
            self.offset = batch.end_offset
        return found

    async def aclose(self) -> None:
        await self._batches.aclose()


class ColdReads:
    """Of all partitions of a node: at most `at_once` subscriptions, in use or waiting for the next read.

    One that waits is closed after `idle_s`, or when another read needs its place.
    """

    def __init__(self, at_once: int, idle_s: float = _IDLE_S) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._idle_s = idle_s
        self._waiting = 0
        self._parked: dict[tuple[History, int], _Cursor] = {}  # the one that waits longest first
        self._closing: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def parked(self) -> int:
        """How many subscriptions wait for the next read."""
        return len(self._parked)

    async def read(self, history: History, offset: int, max_bytes: int) -> list[bytes]:
        """The batches from the one that holds `offset`: as many as `max_bytes` allow, and one at least.

        They end at the view's end as it was when the subscription began. Who comes first reads first.
        Raises `VarlogError`; `Trimmed` where the offset can't be read any more.
        """
        cursor = self._parked.pop((history, offset), None)
        if cursor is None:
            await self._take_place()
            cursor = _Cursor(history, offset)
        try:
            found = await cursor.read(max_bytes)
        except BaseException:
            self._close(cursor)
            raise
        if cursor.at_end or self._waiting:
            self._close(cursor)
        else:
            self._park(cursor)
        return found

    async def forget(self, history: History) -> None:
        """Closes what waits for the next read of a partition that is going."""
        theirs = [key for key in self._parked if key[0] is history]
        await asyncio.gather(*(self._close(self._parked.pop(key)) for key in theirs))

    async def _take_place(self) -> None:
        if self._free.locked() and self._parked:
            self._close(self._parked.pop(next(iter(self._parked))))
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1

    def _park(self, cursor: _Cursor) -> None:
        other = self._parked.pop(cursor.key, None)  # of a consumer that reads the same
        if other is not None:
            self._close(other)
        cursor.keep_until = asyncio.get_running_loop().time() + self._idle_s
        self._parked[cursor.key] = cursor
        self._arm()

    def _arm(self) -> None:
        """One timer for all of them."""
        if self._timer is None and self._parked:
            due = next(iter(self._parked.values())).keep_until
            self._timer = asyncio.get_running_loop().call_at(due, self._expire, due)

    def _expire(self, due: float) -> None:
        """`due` is the timer's own time: the clock may stand a little before it."""
        self._timer = None
        for cursor in [each for each in self._parked.values() if each.keep_until <= due]:
            del self._parked[cursor.key]
            self._close(cursor)
        self._arm()

    def _close(self, cursor: _Cursor) -> asyncio.Task[None]:
        """Its place is free once the subscription has ended."""
        task = asyncio.create_task(cursor.aclose(), name=f"end a cold read of {cursor.history.stream}")
        self._closing.add(task)
        task.add_done_callback(self._closed)
        return task

    def _closed(self, task: asyncio.Task[None]) -> None:
        self._closing.discard(task)
        self._free.release()
