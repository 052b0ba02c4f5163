"""An event loop whose time is simulated: it jumps to the next timer when nothing else is ready.

Together with seeded random numbers every run of the same seed is the same run, and a minute of waiting
costs nothing. What runs on it belongs to processes, told apart by their context; a process can be frozen, as
SIGSTOP would: nothing of it runs, and all that came meanwhile runs when it is thawed.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar
from heapq import heappop
from typing import Any, TypeVar
from unittest.mock import patch

T = TypeVar("T")

PROCESS: ContextVar[str] = ContextVar("PROCESS", default="")


def process_context(name: str) -> Context:
    """What is started with this context belongs to the process `name`, and all that it starts, too."""
    context = Context()
    context.run(PROCESS.set, name)
    return context


class SimulatedLoop(asyncio.SelectorEventLoop):
    """`before_step`, if set, is told the process of everything that is about to run."""

    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self) -> None:
        self._now = 0.0
        self._frozen: dict[str, list[asyncio.Handle]] = {}
        self.before_step: Callable[[str], None] | None = None
        super().__init__()

    def time(self) -> float:
        return self._now

    def freeze(self, process: str) -> None:
        self._frozen.setdefault(process, [])

    def thaw(self, process: str) -> None:
        self._ready.extend(self._frozen.pop(process, ()))

    def _run_once(self) -> None:
        """One turn: asyncio's own would wait for I/O, and there is none."""
        timers, ready = self._scheduled, self._ready
        while timers and timers[0]._cancelled:
            self._drop(heappop(timers))
        if not ready:
            if not timers:
                raise RuntimeError("nothing is scheduled any more: the simulation waits for ever")
            self._now = max(self._now, timers[0].when())
        while timers and timers[0].when() <= self._now:
            timer = heappop(timers)
            self._drop(timer)
            ready.append(timer)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled and not self._is_withheld(handle):
                handle._run()

    def _drop(self, timer: asyncio.TimerHandle) -> None:
        if timer._cancelled:
            self._timer_cancelled_count -= 1
        timer._scheduled = False  # type: ignore[attr-defined]

    def _is_withheld(self, handle: asyncio.Handle) -> bool:
        if self.before_step is None and not self._frozen:
            return False
        process: str = handle._context.get(PROCESS, "")  # type: ignore[attr-defined]
        if self.before_step is not None and process not in self._frozen:
            self.before_step(process)
        withheld = self._frozen.get(process)
        if withheld is None:
            return False
        withheld.append(handle)
        return True

    _timer_cancelled_count: int


class _Clock:
    """The wall clock of what runs on the loop."""

    @staticmethod
    def time_ns() -> int:
        return 1_700_000_000_000_000_000 + int(asyncio.get_running_loop().time() * 1e9)


class Ids:
    """Random ids from the seeded numbers."""

    @staticmethod
    def uuid4() -> uuid.UUID:
        return uuid.UUID(int=random.getrandbits(128), version=4)


def run(seed: int, main: Coroutine[Any, Any, T]) -> T:
    """Runs `main` to its end in simulated time; all that is random in it comes from `seed`."""
    random.seed(seed)
    with (
        patch("kov.partition.writer.time", _Clock),
        patch("kov.partition.opening.uuid", Ids),
        asyncio.Runner(loop_factory=SimulatedLoop) as runner,
    ):
        return runner.run(main)
