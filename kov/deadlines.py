"""When waits end: one timer of the event loop for all who wait, however many they are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush
from math import ceil
from typing import Final

TICK_S: Final = 0.01


class Deadlines:
    """Waits that end within the same tick are ended together: never too early, and a tick late at most.

    Times are the event loop's. All are plain calls that never block.
    """

    __slots__ = ("_ends", "_over", "_ticks", "_timer")

    def __init__(self) -> None:
        self._ends: dict[int, dict[Callable[[], None], None]] = {}
        self._ticks: list[int] = []  # the keys of `_ends` as a heap
        self._timer: asyncio.TimerHandle | None = None
        self._over = False

    def __len__(self) -> int:
        return sum(map(len, self._ends.values()))

    def add(self, deadline: float, end: Callable[[], None]) -> None:
        """Calls `end` once when `deadline` has come; at once where all waits are over (`end_all`)."""
        if self._over:
            end()
            return
        tick = _tick(deadline)
        if tick not in self._ends:
            self._ends[tick] = {}
            heappush(self._ticks, tick)
            self._arm()
        self._ends[tick][end] = None

    def forget(self, deadline: float, end: Callable[[], None]) -> None:
        """Takes back what was added, if it has not come yet."""
        self._ends.get(_tick(deadline), {}).pop(end, None)

    def end_all(self) -> None:
        """Every wait is over, and every later one as soon as it begins. Idempotent."""
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        while self._ticks:
            self._end_first()

    def _arm(self) -> None:
        first = self._ticks[0] * TICK_S
        if self._timer is not None:
            if self._timer.when() <= first:
                return
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(first, self._ring)

    def _ring(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        while self._ticks and self._ticks[0] * TICK_S <= now:
            self._end_first()
        if self._ticks and self._timer is None:
            self._arm()

    def _end_first(self) -> None:
        for end in self._ends.pop(heappop(self._ticks)):
            end()


def _tick(deadline: float) -> int:
    return ceil(deadline / TICK_S)
