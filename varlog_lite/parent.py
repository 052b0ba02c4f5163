"""A child that ends with its parent, however the parent ends.

Three watches, for each has a hole: the kernel's signal is Linux only; the pipe on standard input works
everywhere and from the first moment on, but only if the parent gave one; asking for the parent's id
needs neither, but is late.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import stat
import sys
import threading
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1
_POLL_S = 0.5
_LONGEST_STOP_S = 15.0
_STDIN = 0


class ParentWatch:
    """Calls `gone` once, in the event loop it was made in, when the parent has ended."""

    def __init__(self, gone: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._gone = gone
        self._parent = os.getppid()
        self._told = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._loop.add_signal_handler(signal.SIGUSR1, self._check)
        _ask_for_signal(signal.SIGUSR1)
        self._task = asyncio.create_task(self._poll(), name="parent-watch")
        if _stdin_is_pipe():
            threading.Thread(target=self._read_stdin, name="parent-watch", daemon=True).start()

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def _check(self) -> None:
        # The kernel also sends the signal when the thread that started us ends; then the parent is there.
        if os.getppid() != self._parent:
            self._tell()

    def _tell(self) -> None:
        if not self._told:
            self._told = True
            _end_at_last()
            self._gone()

    async def _poll(self) -> None:
        # The parent may have ended before its id was asked for: then init, or whoever adopts, is known.
        while not self._told:
            self._check()
            await asyncio.sleep(_POLL_S)

    def _read_stdin(self) -> None:
        while os.read(_STDIN, 4096):
            pass
        _end_at_last()
        self._loop.call_soon_threadsafe(self._tell)


def _end_at_last() -> None:
    """Nobody is left to notice a stop that hangs."""
    timer = threading.Timer(_LONGEST_STOP_S, os._exit, (1,))
    timer.daemon = True
    timer.start()


def _ask_for_signal(number: signal.Signals) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)


def _stdin_is_pipe() -> bool:
    try:
        mode = os.fstat(_STDIN).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
