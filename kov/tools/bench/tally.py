"""What a load did, second by second and altogether. Pure: time is an argument."""

from __future__ import annotations

from dataclasses import dataclass, field

from kov.tools.bench.latencies import Latencies


@dataclass(frozen=True, slots=True, kw_only=True)
class Second:
    """One interval, which began `at` seconds after the load did; times in seconds."""

    at: float
    length: float
    records: int
    bytes: int
    failed: int
    median: float
    p99: float
    longest: float

    @property
    def rate(self) -> float:
        return self.records / self.length if self.length else 0.0


@dataclass(slots=True)
class Tally:
    """Records and bytes that were acknowledged; `failed` are those that weren't stored, or nobody knows."""

    records: int = 0
    bytes: int = 0
    failed: int = 0
    reason: str = ""
    latencies: Latencies = field(default_factory=Latencies)
    seconds: list[Second] = field(default_factory=list)
    lasted: float = 0.0
    _now: Latencies = field(default_factory=Latencies)
    _marked: tuple[int, int, int] = (0, 0, 0)
    _marked_at: float = 0.0

    def acknowledged(self, length: int, latency: float) -> None:
        self.records += 1
        self.bytes += length
        self._now.add(latency)

    def refused(self, reason: str) -> None:
        self.failed += 1
        self.reason = self.reason or reason

    def mark(self, at: float) -> Second:
        """Ends an interval, `at` seconds after the load began."""
        records, size, failed = self._marked
        second = Second(
            at=self._marked_at,
            length=at - self._marked_at,
            records=self.records - records,
            bytes=self.bytes - size,
            failed=self.failed - failed,
            median=self._now.percentile(50),
            p99=self._now.percentile(99),
            longest=self._now.longest,
        )
        self.seconds.append(second)
        self.latencies.merge(self._now)
        self._now = Latencies()
        self._marked = self.records, self.bytes, self.failed
        self._marked_at = self.lasted = at
        return second
