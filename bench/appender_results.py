"""The file of results: one JSON line per measured cell, below the conditions of all of them."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median

from bench.appender_cells import Cell, Figures, Way

_DIGITS = 5


class ResultsUnusable(Exception):
    """The text names the file, the line and what to do."""


class Results:
    """`conditions` are what must be alike for figures to stand in one table: cores, versions, seconds…"""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.conditions: dict[str, object] = {}
        self.notes: list[str] = []
        self.cells: dict[Cell, Figures] = {}

    @classmethod
    def read(cls, file: Path) -> Results:
        """An absent file has no results. Raises `ResultsUnusable` at the first line that isn't one."""
        results = cls(file)
        if file.exists():
            for number, line in enumerate(file.read_text().splitlines(), start=1):
                try:
                    results._take(json.loads(line))
                except (ValueError, TypeError, KeyError, AttributeError) as error:
                    raise ResultsUnusable(
                        f"{file}, line {number} is damaged ({error!r}): remove that line, or measure "
                        "everything again with --fresh"
                    ) from error
        return results

    def begin(self, conditions: Mapping[str, object], note: str) -> None:
        """Before the first `add` of a run. Raises `ResultsUnusable` where the file's conditions differ."""
        wanted = json.loads(json.dumps(conditions))
        if not self.conditions:
            self._append({"conditions": wanted})
            self.conditions = wanted
        for name in sorted(wanted.keys() | self.conditions.keys()):
            if wanted.get(name) != self.conditions.get(name):
                raise ResultsUnusable(
                    f"{self.file} was measured with {name} = {self.conditions.get(name)!r}, this run has "
                    f"{wanted.get(name)!r}: name another --out, or measure everything again with --fresh"
                )
        self._append({"run": note})
        self.notes.append(note)

    def add(self, cell: Cell, figures: Figures) -> None:
        """Kept at once, in one write, so that an interruption tears no line."""
        values = {name: _short(value) for name, value in asdict(figures).items() if value is not None}
        self._append({"cell": _without_defaults(cell), "figures": values})
        self.cells[cell] = figures

    def turns(self, cell: Cell) -> list[Figures]:
        """All measurements of a cell, whichever turn is asked for."""
        first = replace(cell, turn=0)
        return [found for turn in range(100) if (found := self.cells.get(replace(first, turn=turn)))]

    def middle(self, cell: Cell, value: Callable[[Figures], float]) -> float | None:
        """The median over the turns."""
        found = [value(each) for each in self.turns(cell)]
        return median(found) if found else None

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

    def _take(self, line: dict[str, object]) -> None:
        match line:
            case {"conditions": dict(conditions)}:
                self.conditions = conditions
            case {"run": str(note)}:
                self.notes.append(note)
            case {"cell": dict(cell), "figures": dict(figures)}:
                self.cells[_cell(cell)] = _figures(figures)
            case _:
                raise ValueError("neither conditions nor a cell with figures")

    def _append(self, line: Mapping[str, object]) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        data = json.dumps(line, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
        descriptor = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(descriptor, data)
        finally:
            os.close(descriptor)


def _without_defaults(cell: Cell) -> dict[str, object]:
    return {name: value for name, value in asdict(cell).items() if value not in {None, 0}}


def _short(value: float | None) -> float | None:
    if value is None or isinstance(value, int):
        return value
    return float(f"{value:.{_DIGITS}g}")


def _cell(values: dict[str, object]) -> Cell:
    ways: dict[str, object] = {name: Way(str(values[name])) for name in ("way", "load_of") if name in values}
    cell = Cell(**(values | ways))  # type: ignore[arg-type]
    numbers = (cell.pipeline, cell.batch, cell.entry_bytes)
    if any(type(number) is not int or number < 1 for number in numbers) or type(cell.turn) is not int:
        raise ValueError("a cell's sizes are whole numbers")
    return cell


def _figures(values: dict[str, object]) -> Figures:
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
