"""The file of results of `bench.appender`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict

from bench.appender_cells import Cell, Figures, Way
from bench.results_file import ResultsFile, ResultsUnusable, short

__all__ = ["Results", "ResultsUnusable"]


class Results(ResultsFile[Cell, Figures]):
    def best(self, like: Cell) -> float | None:
        """The most entries/s that the way of `like` reached in a closed loop, with batches up to its own."""
        found = [
            rate
            for cell in self.cells
            if (cell.target, cell.way, cell.entry_bytes) == (like.target, like.way, like.entry_bytes)
            and not cell.open
            and not cell.turn
            and cell.batch <= like.batch
            and (rate := self.middle(cell, lambda each: each.entries_per_s)) is not None
        ]
        return max(found, default=None)

    def targets(self) -> list[str]:
        return list(dict.fromkeys(cell.target for cell in self.cells))

    def cell_values(self, cell: Cell) -> dict[str, object]:
        return {name: value for name, value in asdict(cell).items() if value not in {None, 0}}

    def figures_values(self, figures: Figures) -> dict[str, object]:
        return {name: short(value) for name, value in asdict(figures).items() if value is not None}

    def to_cell(self, values: dict[str, object]) -> Cell:
        ways: dict[str, object] = {
            name: Way(str(values[name])) for name in ("way", "load_of") if name in values
        }
        cell = Cell(**(values | ways))  # type: ignore[arg-type]
        numbers = (cell.pipeline, cell.batch, cell.entry_bytes)
        if any(type(number) is not int or number < 1 for number in numbers) or type(cell.turn) is not int:
            raise ValueError("a cell's sizes are whole numbers")
        return cell

    def to_figures(self, values: dict[str, object]) -> Figures:
        figures = Figures(**values)  # type: ignore[arg-type]
        if not all(math.isfinite(number) and number >= 0 for number in _numbers(values)):
            raise ValueError("a figure is no number")
        if not figures.entries or not figures.batches or not figures.seconds:
            raise ValueError("nothing was measured")
        return figures


def _numbers(values: dict[str, object]) -> Iterator[float]:
    for name, value in values.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield value
        elif value is not None or name not in {"rate", "drain_s"}:
            raise TypeError(f"{name} is {value!r}")
