"""Slots: how many may be under way at a time; first come, first served."""

from __future__ import annotations

import asyncio
from collections import deque

from varlog_client.errors import Closed


class Slots:
    """A freed slot goes straight to whoever waits longest, so nobody overtakes."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.taken = 0  # also those promised to a waiter that hasn't run yet
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._closed: Closed | None = None

    def take(self) -> bool:
        """Takes one if that is possible now."""
        if self.taken >= self.size:
            return False
        self.taken += 1
        return True

    async def wait(self) -> None:
        """Takes one as soon as it is this caller's turn. Cancelled, it takes none. Raises `Closed`."""
        if self.take():
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                self._forget(waiter)
            elif waiter.exception() is None:
                self.free()
            raise
        if self._closed:
            self.free()
            raise self._closed

    def free(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self.taken -= 1

    def close(self, error: Closed) -> None:
        """Whoever waits gets `error`."""
        self._closed = error
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_exception(error)

    def _forget(self, waiter: asyncio.Future[None]) -> None:
        if waiter in self._waiters:
            self._waiters.remove(waiter)
