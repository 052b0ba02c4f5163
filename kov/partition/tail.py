"""The newest batches of every partition, in memory within one budget for all of them. Pure.

A consumer at the tail is served from here; what was evicted is read from Varlog again.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from typing import Final

DEFAULT_BUDGET_BYTES: Final = 128 * 1024 * 1024


class TailBudget:
    """Evicts the batch that came first, whichever partition it belongs to."""

    def __init__(self, max_bytes: int = DEFAULT_BUDGET_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._order: deque[tuple[Tail, int]] = deque()

    @property
    def bytes(self) -> int:
        return self._bytes

    def take(self, tail: Tail, size: int) -> None:
        self._order.append((tail, size))
        self._bytes += size
        while self._bytes > self._max_bytes:
            oldest, freed = self._order.popleft()
            self._bytes -= freed
            oldest.evict()


class Tail:
    """Consecutive stored batches up to the end of one partition: (next offset, bytes)."""

    def __init__(self, budget: TailBudget) -> None:
        self._budget = budget
        self._batches: deque[bytes] = deque()
        self._ends: deque[int] = deque()
        self._begin = 0
        self._evictable = 0

    def add(self, base_offset: int, next_offset: int, batch: bytes) -> None:
        """Takes the batch behind the newest one; after a jump, what came before is forgotten."""
        if not self._ends or self._ends[-1] != base_offset:
            self.clear()
            self._begin = base_offset
        self._batches.append(batch)
        self._ends.append(next_offset)
        self._evictable += 1
        self._budget.take(self, len(batch))

    def read(self, offset: int, max_bytes: int) -> list[bytes] | None:
        """Whole batches from the one that holds `offset`, at least one; None where it isn't here."""
        if not self._ends or not self._begin <= offset < self._ends[-1]:
            return None
        first = bisect_right(self._ends, offset)
        found: list[bytes] = []
        for at in range(first, len(self._batches)):
            batch = self._batches[at]
            if found and max_bytes < len(batch):
                break
            found.append(batch)
            max_bytes -= len(batch)
        return found

    def evict(self) -> None:
        """Called by the budget once for every batch that was added, in that order."""
        if self._evictable > len(self._batches):
            self._evictable -= 1  # a cleared one: it is gone already
            return
        self._evictable -= 1
        self._batches.popleft()
        self._begin = self._ends.popleft()

    def clear(self) -> None:
        """Forgets all; the budget's entries for them run out by themselves."""
        self._batches.clear()
        self._ends.clear()
