"""A clock for the event loop that is finer than its own timers, which count in milliseconds."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from types import TracebackType


class Ticker:
    """Calls `listener` on the event loop every `interval_s`, late where the loop is; ticks may coincide."""

    def __init__(self, interval_s: float) -> None:
        self.listener: Callable[[], None] = lambda: None
        self._interval_s = interval_s
        self._loop = asyncio.get_running_loop()
        self._descriptor = os.eventfd(0, os.EFD_NONBLOCK)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ticker", daemon=True)

    def __enter__(self) -> Ticker:
        self._loop.add_reader(self._descriptor, self._tick)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stopped.is_set():
            due = max(due + self._interval_s, time.monotonic() - self._interval_s)
            time.sleep(max(0.0, due - time.monotonic()))
            os.eventfd_write(self._descriptor, 1)

    def _tick(self) -> None:
        os.eventfd_read(self._descriptor)
        self.listener()
