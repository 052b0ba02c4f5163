"""Who appends: one LogStreamAppender with its pipeline, or callers that each wait for their own answer."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from itertools import cycle
from typing import TypeAlias

from bench.ticker import Ticker
from bench.windows import ClosedWindow, OpenWindow
from varlog_client import AppendError, EntryMeta, LogStreamAppender

Append: TypeAlias = Callable[[list[bytes]], Awaitable[None]]


class Pipelined:
    """Every answer is followed by the next batch, from its callback. An error ends it, and is raised."""

    def __init__(self, appender: LogStreamAppender, batches: Sequence[list[bytes]]) -> None:
        self._appender = appender
        self._batches = cycle(batches)
        self._most = len(batches[0])
        self._idle = asyncio.Event()
        self._failure: AppendError | None = None

    async def flat_out(self, window: ClosedWindow) -> None:
        sent: deque[tuple[float, int]] = deque()

        def append() -> None:
            batch = next(self._batches)
            sent.append((time.monotonic(), len(batch)))
            self._appender.append_batch_nowait(batch, answered)

        def answered(_: Sequence[EntryMeta] | None, error: AppendError | None) -> None:
            window.answered(*sent.popleft())
            self._failure = self._failure or error
            if window.open and not self._failure:
                append()
            elif not sent:
                self._idle.set()

        for _ in range(self._appender.pipeline):
            append()
        await self._finish()

    async def by_timetable(self, window: OpenWindow, ticker: Ticker, *, patience_s: float) -> None:
        """All that waits goes into one batch, up to the batch size, as soon as there is a slot."""
        sent: deque[range] = deque()

        def pump() -> None:
            while self._appender.free_slots and (taken := window.take(self._most)):
                sent.append(taken)
                self._appender.append_batch_nowait(next(self._batches)[: len(taken)], answered)

        def answered(_: Sequence[EntryMeta] | None, error: AppendError | None) -> None:
            window.answered(sent.popleft())
            self._failure = self._failure or error
            if window.complete or self._failure:
                self._idle.set()
            else:
                pump()

        ticker.listener = pump
        await _bounded(self._finish(), window, patience_s)
        ticker.listener = lambda: None

    async def _finish(self) -> None:
        await self._idle.wait()
        if self._failure is not None:
            raise self._failure


class Callers:
    """`count` of them at once; each appends one batch, waits for the answer, and goes on."""

    def __init__(self, append: Append, batches: Sequence[list[bytes]], count: int) -> None:
        self._append = append
        self._batches = cycle(batches)
        self._count = count
        self._tick = asyncio.Event()

    async def flat_out(self, window: ClosedWindow) -> None:
        async def call() -> None:
            while window.open:
                since, batch = time.monotonic(), next(self._batches)
                await self._append(batch)
                window.answered(since, len(batch))

        await self._all(call)

    async def by_timetable(self, window: OpenWindow, ticker: Ticker, *, patience_s: float) -> None:
        """An entry goes to whichever caller is free first."""

        async def call() -> None:
            while not window.exhausted:
                if taken := window.take(1):
                    await self._append(next(self._batches)[:1])
                    window.answered(taken)
                else:
                    await self._tick.wait()

        ticker.listener = self._ticked
        await _bounded(self._all(call), window, patience_s)
        ticker.listener = lambda: None

    def _ticked(self) -> None:
        tick, self._tick = self._tick, asyncio.Event()
        tick.set()

    async def _all(self, call: Callable[[], Coroutine[None, None, None]]) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._count):
                    group.create_task(call())
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None


async def _bounded(work: Awaitable[None], window: OpenWindow, patience_s: float) -> None:
    """Gives up some time after the last arrival: what is unanswered then shows in the figures."""
    last = window.arrivals.due_s(window.arrivals.total - 1)
    try:
        async with asyncio.timeout(last + patience_s):
            await work
    except TimeoutError:
        pass
