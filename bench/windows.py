"""When counting begins and ends, and what is made of what was counted.

A closed loop appends anew as soon as it is answered, so its load is whatever goes. In an open loop entries
arrive by a timetable, whatever goes, and wait where they must: a slow answer delays no later arrival, and the
wait counts.
"""

from __future__ import annotations

import math
import time

from bench.appender_cells import Figures
from bench.values import percentile

_FEWEST_BATCHES = 5
_LONGEST = 4.0
"""A window is at most this many times as long as asked for, waiting for those few batches."""

_SHORTEST_TICK_S = 0.0005
_NOTHING_LOST = 1e-9


class ClosedWindow:
    """Counts from the first answer after the warm-up to the first one after `seconds`: whole batches."""

    def __init__(self, *, warm_up_s: float, seconds: float) -> None:
        self.open = True
        self._seconds = seconds
        self._warm_at = time.monotonic() + warm_up_s
        self._began: float | None = None
        self._ended = self._cpu_began = self._cpu_ended = 0.0
        self._entries = 0
        self._latencies_ms: list[float] = []

    def answered(self, since: float, entries: int) -> None:
        now = time.monotonic()
        if self._began is None:
            if now >= self._warm_at:
                self._began, self._cpu_began = now, time.process_time()
            return
        if not self.open:
            return
        self._entries += entries
        self._latencies_ms.append((now - since) * 1000)
        asked = (now - self._began) / self._seconds
        if asked >= _LONGEST or (asked >= 1 and len(self._latencies_ms) >= _FEWEST_BATCHES):
            self.open = False
            self._ended, self._cpu_ended = now, time.process_time()

    def figures(self) -> Figures:
        assert self._began is not None
        assert not self.open
        return Figures(
            entries=self._entries,
            batches=len(self._latencies_ms),
            seconds=self._ended - self._began,
            cpu_s=self._cpu_ended - self._cpu_began,
            p50_ms=percentile(self._latencies_ms, 0.5),
            p99_ms=percentile(self._latencies_ms, 0.99),
            max_ms=max(self._latencies_ms),
        )


class Arrivals:
    """`rate` entries per second, evenly; above 2,000/s several at a time, every half millisecond."""

    def __init__(self, rate: float, *, warm_up_s: float, seconds: float) -> None:
        self.rate = rate
        self.tick_s = max(1 / rate, _SHORTEST_TICK_S)
        self.total = max(1, int(rate * (warm_up_s + seconds)))
        self.warm_up = min(self.total - 1, int(rate * warm_up_s))
        """How many are not counted."""
        self._per_tick = rate * self.tick_s

    def due_s(self, index: int) -> float:
        """When that entry arrives, after the beginning."""
        return self.tick_s * math.ceil((index + 1) / self._per_tick - _NOTHING_LOST)

    def arrived(self, elapsed_s: float) -> int:
        ticks = math.floor(elapsed_s / self.tick_s + _NOTHING_LOST)
        return min(self.total, math.floor(ticks * self._per_tick + _NOTHING_LOST))


class OpenWindow:
    """Hands out what has arrived, in order, and takes down when it was answered."""

    def __init__(self, arrivals: Arrivals) -> None:
        self.arrivals = arrivals
        self._taken = 0
        self._answered: list[tuple[float, int, int]] = []  # when, first, how many
        self._entries_answered = 0
        self._began = time.monotonic()
        self._cpu_began = time.process_time()
        self._cpu_s = 0.0

    @property
    def exhausted(self) -> bool:
        """Nothing is to come any more; what was taken may not be answered yet."""
        return self._taken == self.arrivals.total

    @property
    def complete(self) -> bool:
        return self._entries_answered == self.arrivals.total

    def take(self, most: int) -> range:
        """The entries that wait, up to `most`; empty while there are none."""
        arrived = self.arrivals.arrived(time.monotonic() - self._began)
        first, self._taken = self._taken, min(arrived, self._taken + most)
        return range(first, self._taken)

    def answered(self, entries: range) -> None:
        self._answered.append((time.monotonic() - self._began, entries.start, len(entries)))
        self._entries_answered += len(entries)
        self._cpu_s = time.process_time() - self._cpu_began

    def figures(self) -> Figures:
        """Where not everything was answered in time, the rest counts as answered now: no better than that."""
        if self._entries_answered < self.arrivals.total:
            self.answered(range(self._entries_answered, self.arrivals.total))
        counted = [each for each in self._answered if each[1] + each[2] > self.arrivals.warm_up]
        latencies_ms = [
            (when - self.arrivals.due_s(index)) * 1000
            for when, first, count in counted
            for index in range(max(first, self.arrivals.warm_up), first + count)
        ]
        ended = max(when for when, _, _ in counted)
        return Figures(
            entries=len(latencies_ms),
            batches=len(counted),
            seconds=ended - self.arrivals.due_s(self.arrivals.warm_up),
            cpu_s=self._cpu_s * len(latencies_ms) / self.arrivals.total,
            p50_ms=percentile(latencies_ms, 0.5),
            p99_ms=percentile(latencies_ms, 0.99),
            max_ms=max(latencies_ms),
            rate=self.arrivals.rate,
            drain_s=max(0.0, ended - self.arrivals.due_s(self.arrivals.total - 1)),
        )
