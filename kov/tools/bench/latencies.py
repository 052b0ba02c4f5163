"""Latencies, counted in buckets two percent wide: any number of them takes little room. Pure."""

from __future__ import annotations

import math
from typing import Final

_STEP: Final = math.log(1.02)
_SHORTEST_S: Final = 1e-5
_BUCKETS: Final = 1000  # up to an hour
SHOWN: Final = (50.0, 90.0, 99.0, 99.9)


class Latencies:
    """Times in seconds. `percentile` is right within two percent, `longest` exactly."""

    def __init__(self) -> None:
        self.count = 0
        self.longest = 0.0
        self._buckets = [0] * _BUCKETS

    def add(self, seconds: float) -> None:
        at = int(math.log(max(seconds, _SHORTEST_S) / _SHORTEST_S) / _STEP)
        self._buckets[min(at, _BUCKETS - 1)] += 1
        self.count += 1
        self.longest = max(self.longest, seconds)

    def merge(self, other: Latencies) -> None:
        self.count += other.count
        self.longest = max(self.longest, other.longest)
        self._buckets = [a + b for a, b in zip(self._buckets, other._buckets, strict=True)]

    def percentile(self, percent: float) -> float:
        """0 where nothing was counted."""
        wanted, seen = math.ceil(self.count * percent / 100), 0
        for at, count in enumerate(self._buckets):
            seen += count
            if count and seen >= wanted:
                return min(_SHORTEST_S * math.exp((at + 0.5) * _STEP), self.longest)
        return 0.0
