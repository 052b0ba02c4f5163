"""Goes through a plan: measures what is not in the results yet, until that or the time is at an end."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.progress import Progress

from bench.appender_cells import Cell, Figures, large_batch
from bench.appender_load import Job
from bench.appender_results import Results
from bench.appender_stand import TARGETS, Stand, open_stand
from bench.cells import LoadFailed

FRESH_STORE_BYTES = 3 << 30
"""Once so much was stored, copies counted, a store is thrown away for a new one: disks are small."""


@dataclass(slots=True, kw_only=True)
class Spent:
    """What a run came to. `left`: cells that the budget did not buy."""

    measured: int = 0
    there: int = 0
    above: int = 0
    left: int = 0
    failures: list[str] = field(default_factory=list)


class Run:
    """`until` is on the clock of `time.monotonic`; no cell is begun past it."""

    def __init__(
        self, results: Results, directory: Path, *, seconds: float, until: float, progress: Progress
    ) -> None:
        self._results = results
        self._directory = directory
        self._seconds = seconds
        self._until = until
        self._progress = progress
        self._task = progress.add_task("")
        self.spent = Spent()

    async def through(self, cells: Sequence[Cell]) -> None:
        """A cell that fails is named in `spent` and not kept, so the next run tries it again."""
        missing = [cell for cell in cells if cell not in self._results.cells]
        self.spent.there += len(cells) - len(missing)
        self._progress.reset(self._task, total=len(missing))
        for target in dict.fromkeys(cell.target for cell in missing):
            await self._target([cell for cell in missing if cell.target == target])
        self._progress.update(self._task, description="done")

    async def _target(self, cells: list[Cell]) -> None:
        async with _Stands(target=cells[0].target, directory=self._directory) as stands:
            for cell in cells:
                if time.monotonic() >= self._until:
                    self.spent.left += 1
                    continue
                self._progress.update(self._task, description=f"{cell.target}: {cell}")
                await self._cell(cell, stands)
                self._progress.advance(self._task)

    async def _cell(self, cell: Cell, stands: _Stands) -> None:
        rate = offered(cell, self._results)
        if cell.open and rate is None:
            self.spent.above += 1
            return
        job = Job(
            way=cell.way,
            pipeline=cell.pipeline,
            batch=cell.batch,
            entry_bytes=cell.entry_bytes,
            seconds=self._seconds,
            rate=rate,
        )
        try:
            figures = await (await stands.current()).measure(job)
        except LoadFailed as failure:
            self.spent.failures.append(f"{cell.target}: {cell}: {failure}")
            await stands.discard()
            return
        stands.stored(figures, cell)
        self._results.add(cell, figures)
        self.spent.measured += 1


def offered(cell: Cell, results: Results) -> float | None:
    """Entries per second for a cell with a load; None where that is more than its own way can take, by what
    was measured in a closed loop, or where that isn't known. All that bear one load get the same rate."""
    if cell.load_of is None or cell.load_share is None:
        return None
    if cell.turn and replace(cell, turn=0) not in results.cells:
        return None
    most = results.best(replace(_swept_like(cell), way=cell.load_of))
    own = results.best(cell)
    if most is None or own is None:
        return None
    rate = _rate_of(cell, results) or most * cell.load_share
    return rate if cell.turn or rate <= own else None


def _rate_of(cell: Cell, results: Results) -> float | None:
    """That of the same load, where it was measured already."""

    def load(each: Cell) -> tuple[object, ...]:
        return (each.target, each.entry_bytes, each.load_of, each.load_share)

    return next((found.rate for each, found in results.cells.items() if load(each) == load(cell)), None)


def _swept_like(cell: Cell) -> Cell:
    """The appender's best is that with the largest batches, whatever this cell's are."""
    return replace(cell, batch=large_batch(cell.entry_bytes), load_of=None, load_share=None)


class _Stands:
    """The store that is measured now: begun when needed, thrown away when it is large."""

    def __init__(self, *, target: str, directory: Path) -> None:
        self._target = TARGETS[target]
        self._directory = directory
        self._stack = AsyncExitStack()
        self._stand: Stand | None = None
        self._bytes = 0

    async def __aenter__(self) -> _Stands:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.discard()

    async def current(self) -> Stand:
        if self._stand is None:
            where = self._stack.enter_context(tempfile.TemporaryDirectory(dir=self._directory))
            self._stand = await self._stack.enter_async_context(open_stand(self._target, Path(where)))
            self._bytes = 0
        if self._bytes > FRESH_STORE_BYTES:
            await self.discard()
            return await self.current()
        return self._stand

    def stored(self, figures: Figures, cell: Cell) -> None:
        self._bytes += figures.entries * cell.entry_bytes * self._target.copies

    async def discard(self) -> None:
        self._stand = None
        await self._stack.aclose()
