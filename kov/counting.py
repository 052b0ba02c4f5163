"""Plain counts of what happens, kept where it happens; `kov.observe` makes metrics of them when asked.

Nothing is counted per record, and counting allocates nothing and looks nothing up by name.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import Final

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
BYTES: Final = (256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262144.0, 1048576.0, 4194304.0)
ENTRIES: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)


class Histogram:
    """How many values lay at or below each of `bounds` and above the one before; the last: above all."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    @property
    def count(self) -> int:
        return sum(self.counts)


class ApiCounts:
    """The requests of one Kafka API. `errors`: by code, one for each part of an answer that carries it."""

    __slots__ = ("errors", "request_bytes", "response_bytes", "seconds", "versions")

    def __init__(self) -> None:
        self.versions: dict[int, int] = {}
        self.request_bytes = 0
        self.response_bytes = 0
        self.seconds = Histogram(SECONDS)
        self.errors: dict[int, int] = {}

    def taken(self, version: int, size: int) -> None:
        self.versions[version] = self.versions.get(version, 0) + 1
        self.request_bytes += size

    def answered(self, seconds: float, size: int) -> None:
        """`seconds` from the whole request's arrival to its answer, its turn behind others included."""
        self.seconds.add(seconds)
        self.response_bytes += size


class ConnectionCounts:
    """`closed`: by why (`kov.wire.endings`)."""

    __slots__ = ("closed", "opened")

    def __init__(self) -> None:
        self.opened = 0
        self.closed: Counter[str] = Counter()


class AppendCounts:
    """What all partitions of a process appended: records, and the rest as distributions."""

    __slots__ = ("append_entries", "append_seconds", "batch_bytes", "records")

    def __init__(self) -> None:
        self.batch_bytes = Histogram(BYTES)
        self.append_entries = Histogram(ENTRIES)
        self.append_seconds = Histogram(SECONDS)
        self.records = 0


class PartitionCounts:
    """One partition's. `appends`: sent to the log stream, each with one batch or more.

    `asked`: how often it began to open; `fences`: attempts to own it; `openings`: those that did. `doubts`:
    writers that ended without knowing what was stored. `deposals`: somebody else's fence was newer.
    `tail_reads` were served from memory, `cold_reads` from Varlog. `confirmed_seconds`: what the confirmed
    appends took, all together.
    """

    __slots__ = (
        "append_bytes",
        "appends",
        "asked",
        "batches",
        "cold_reads",
        "confirmed_appends",
        "confirmed_seconds",
        "deposals",
        "doubts",
        "fences",
        "openings",
        "read_bytes",
        "records",
        "tail_reads",
        "totals",
    )

    def __init__(self, totals: AppendCounts | None = None) -> None:
        """`totals` is shared by all partitions of the process."""
        self.totals = totals or AppendCounts()
        self.appends = self.append_bytes = self.batches = self.records = 0
        self.confirmed_appends, self.confirmed_seconds = 0, 0.0
        self.asked = self.fences = self.openings = self.doubts = self.deposals = 0
        self.tail_reads = self.cold_reads = self.read_bytes = 0

    def became(self, state: str) -> None:
        """A change of state, by its name (`kov.partition.states`)."""
        match state:
            case "opening":
                self.asked += 1
            case "active":
                self.openings += 1
            case "deposed":
                self.deposals += 1

    def batch_taken(self, size: int, records: int) -> None:
        self.batches += 1
        self.append_bytes += size
        self.records += records
        self.totals.records += records
        self.totals.batch_bytes.add(size)

    def append_sent(self, entries: int) -> None:
        self.appends += 1
        self.totals.append_entries.add(entries)

    def append_confirmed(self, seconds: float) -> None:
        self.confirmed_appends += 1
        self.confirmed_seconds += seconds
        self.totals.append_seconds.add(seconds)

    def read(self, size: int, *, from_tail: bool) -> None:
        if from_tail:
            self.tail_reads += 1
        else:
            self.cold_reads += 1
        self.read_bytes += size
