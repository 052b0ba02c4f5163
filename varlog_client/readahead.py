"""ReadAhead: entries between the task that reads them and the one that wants them, bounded."""

from __future__ import annotations

import asyncio
from collections import deque

from varlog_client.types import LogEntry

MAX_ENTRIES = 1024
_MAX_BYTES = 4 << 20


class ReadAhead:
    def __init__(self, news: asyncio.Event | None = None) -> None:
        """`news` is set by every `put` and `wake`; several may share one."""
        self._entries: deque[LogEntry] = deque()
        self._bytes = 0
        self._news = news or asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def head(self) -> LogEntry | None:
        """The entry that `pop` would give."""
        return self._entries[0] if self._entries else None

    @property
    def full(self) -> bool:
        return not self._room.is_set()

    def put(self, entry: LogEntry) -> None:
        """Takes the entry in any case; ask for `full` before the next one."""
        self._entries.append(entry)
        self._bytes += len(entry.data)
        self._news.set()
        if len(self._entries) >= MAX_ENTRIES or self._bytes >= _MAX_BYTES:
            self._room.clear()

    def pop(self) -> LogEntry:
        entry = self._entries.popleft()
        self._bytes -= len(entry.data)
        if len(self._entries) < MAX_ENTRIES and self._bytes < _MAX_BYTES:
            self._room.set()
        return entry

    async def room(self) -> None:
        """Waits until it isn't full."""
        await self._room.wait()

    async def news(self) -> None:
        """Waits for the next `put` or `wake`."""
        self._news.clear()
        await self._news.wait()

    def wake(self) -> None:
        """There won't be more."""
        self._news.set()

    def clear(self) -> None:
        self._entries.clear()
        self._bytes = 0
