"""What `bench.appender` measures: every cell of its plan, and the figures that one yields. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from bench.values import MIB

PIPELINES = (1, 2, 3, 4, 6, 8)
BATCHES = (1, 10, 100, 1000)
ENTRY_BYTES = (100, 1024, 16 * 1024, 100 * 1024, MIB)
MAX_BATCH_BYTES = 16 * MIB
"""Cells with a larger batch are left out: no more than 8 of the largest are then on their way."""

CALLERS = 8
TURNS = 3
OPEN_ENTRY_BYTES = (1024, 16 * 1024)
SHARES = (0.5, 0.8)

_LARGE_BATCH = {100: 1000, 1024: 1000, 16 * 1024: 100, 100 * 1024: 10}


class Way(StrEnum):
    """How entries are appended; all but the first send one entry per append, and wait for its answer."""

    APPENDER = "appender"
    ONE = "one at a time"
    NEW_STREAM = "new stream each"
    CALLERS = "8 callers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Closed loop: as fast as it goes. With a load: that share of the most entries/s that `load_of` reached.

    `pipeline` is the number of callers where the way isn't the appender; `batch` is the most entries in one
    append. `turn` tells the measurements of a repeated cell apart.
    """

    target: str
    way: Way
    pipeline: int
    batch: int
    entry_bytes: int
    load_of: Way | None = None
    load_share: float | None = None
    turn: int = 0

    def __str__(self) -> str:
        how = f"{self.pipeline} × {self.batch}" if self.way is Way.APPENDER else self.way.value  # noqa: RUF001
        load = f", at {self.load_share:.0%} of {self.load_of}" if self.load_of is not None else ""
        return f"{size_name(self.entry_bytes)}, {how}{load}"

    def at_turn(self, turn: int) -> Cell:
        return replace(self, turn=turn)

    @property
    def open(self) -> bool:
        return self.load_of is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Latencies are a batch's, from its hand-over to its callback; in an open loop an entry's, from the time
    at which it was due. `drain_s`: from the last arrival to the last answer, in an open loop."""

    entries: int
    batches: int
    seconds: float
    cpu_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    rate: float | None = None
    drain_s: float | None = None

    @property
    def entries_per_s(self) -> float:
        return self.entries / self.seconds

    @property
    def cpu_us_per_append(self) -> float:
        return self.cpu_s * 1e6 / self.batches


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """What is swept; the defaults are all of it."""

    pipelines: Sequence[int] = PIPELINES
    batches: Sequence[int] = BATCHES
    entry_bytes: Sequence[int] = ENTRY_BYTES


def size_name(size: int) -> str:
    if size < 1024:
        return f"{size} B"
    return f"{size // 1024} KiB" if size < MIB else f"{size // MIB} MiB"


def large_batch(entry_bytes: int) -> int:
    """The batch size with which an entry size is shown where there is room for one only."""
    return _LARGE_BATCH.get(entry_bytes, 1)


def plan(target: str, grid: Grid) -> list[Cell]:
    """In the order in which it is measured. The loads come last: they are shares of what was measured."""
    sweep = list(_sweep(target, grid))
    ways = [each for size in grid.entry_bytes for each in _ways(target, size)]
    loads = [each for size in grid.entry_bytes if size in OPEN_ENTRY_BYTES for each in _loads(target, size)]
    again = [each for size in grid.entry_bytes for each in _repeated(target, size, grid)]
    return [*sweep, *ways, *_later(again), *loads, *_later(loads)]


def left_out(grid: Grid) -> list[str]:
    """The sizes whose batch would be too large."""
    return [
        f"{batch} × {size_name(size)}"  # noqa: RUF001 - a product
        for size in grid.entry_bytes
        for batch in grid.batches
        if batch * size > MAX_BATCH_BYTES
    ]


def _later(cells: Sequence[Cell]) -> list[Cell]:
    """Once more, and once more again: turns far apart say more than one long one."""
    return [replace(each, turn=turn) for turn in range(1, TURNS) for each in cells]


def _sweep(target: str, grid: Grid) -> Iterator[Cell]:
    for size in grid.entry_bytes:
        for batch in grid.batches:
            if batch * size <= MAX_BATCH_BYTES:
                for pipeline in grid.pipelines:
                    yield _appender(target, pipeline, batch, size)


def _appender(target: str, pipeline: int, batch: int, size: int) -> Cell:
    return Cell(target=target, way=Way.APPENDER, pipeline=pipeline, batch=batch, entry_bytes=size)


def _ways(target: str, size: int) -> list[Cell]:
    """One entry at a time, in three ways."""
    callers = ((Way.ONE, 1), (Way.NEW_STREAM, 1), (Way.CALLERS, CALLERS))
    return [Cell(target=target, way=way, pipeline=count, batch=1, entry_bytes=size) for way, count in callers]


def _repeated(target: str, size: int, grid: Grid) -> list[Cell]:
    """Those whose ratios are concluded from."""
    batches = sorted({1, large_batch(size)} & set(grid.batches))
    pipelines = sorted({1, 2, 8} & set(grid.pipelines))
    swept = [_appender(target, pipeline, batch, size) for pipeline in pipelines for batch in batches]
    return [*_ways(target, size), *swept]


def _loads(target: str, size: int) -> Iterator[Cell]:
    large = large_batch(size)
    appenders = [_appender(target, pipeline, large, size) for pipeline in (1, 2, 4, 8)]
    appenders.append(_appender(target, 8, 1, size))
    for load_of in (Way.ONE, Way.CALLERS, Way.APPENDER):
        for share in SHARES:
            for cell in (*_ways(target, size), *appenders):
                yield replace(cell, load_of=load_of, load_share=share)
