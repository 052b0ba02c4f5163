"""How much too late the event loop comes to what is due."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Final

from kov.counting import Histogram

_EVERY_S: Final = 0.25
_BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class LoopLag:
    """Measures from `start` to `stop`. `last_s` is the newest one."""

    def __init__(self) -> None:
        self.histogram = Histogram(_BOUNDS)
        self.last_s = 0.0
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._due = perf_counter() + _EVERY_S
        self._timer = asyncio.get_running_loop().call_later(_EVERY_S, self._tick)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _tick(self) -> None:
        self.last_s = max(0.0, perf_counter() - self._due)
        self.histogram.add(self.last_s)
        self.start()
