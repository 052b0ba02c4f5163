"""A file of results: one JSON line for each measurement, below the conditions of all of them."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Generic, Protocol, Self, TypeVar

_DIGITS = 5
_MOST_TURNS = 100


class Turned(Protocol):
    """What is measured; `turn` tells the measurements of a repeated one apart."""

    def at_turn(self, turn: int) -> Self: ...


CellT = TypeVar("CellT", bound=Turned)
FiguresT = TypeVar("FiguresT")


class ResultsUnusable(Exception):
    """The text names the file, the line and what to do."""


class ResultsFile(ABC, Generic[CellT, FiguresT]):
    """`conditions` are what must be alike for figures to stand in one table: cores, versions, seconds…"""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.conditions: dict[str, object] = {}
        self.notes: list[str] = []
        self.cells: dict[CellT, FiguresT] = {}

    @classmethod
    def read(cls, file: Path) -> Self:
        """An absent file has no results. Raises `ResultsUnusable` at the first line that isn't one."""
        results = cls(file)
        if file.exists():
            for number, line in enumerate(file.read_text().splitlines(), start=1):
                try:
                    results.take(json.loads(line))
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
            self.append({"conditions": wanted})
            self.conditions = wanted
        for name in sorted(wanted.keys() | self.conditions.keys()):
            if wanted.get(name) != self.conditions.get(name):
                raise ResultsUnusable(
                    f"{self.file} was measured with {name} = {self.conditions.get(name)!r}, this run has "
                    f"{wanted.get(name)!r}: name another --out, or measure everything again with --fresh"
                )
        self.append({"run": note})
        self.notes.append(note)

    def add(self, cell: CellT, figures: FiguresT) -> None:
        """Kept at once, in one write, so that an interruption tears no line."""
        self.append({"cell": self.cell_values(cell), "figures": self.figures_values(figures)})
        self.cells[cell] = figures

    def turns(self, cell: CellT) -> list[FiguresT]:
        """All measurements of a cell, whichever turn is asked for."""
        turns = (cell.at_turn(turn) for turn in range(_MOST_TURNS))
        return [self.cells[each] for each in turns if each in self.cells]

    def middle(self, cell: CellT, value: Callable[[FiguresT], float]) -> float | None:
        """The median over the turns."""
        found = [value(each) for each in self.turns(cell)]
        return median(found) if found else None

    @abstractmethod
    def cell_values(self, cell: CellT) -> dict[str, object]: ...

    @abstractmethod
    def figures_values(self, figures: FiguresT) -> dict[str, object]: ...

    @abstractmethod
    def to_cell(self, values: dict[str, object]) -> CellT:
        """Raises ValueError or TypeError."""

    @abstractmethod
    def to_figures(self, values: dict[str, object]) -> FiguresT:
        """Raises ValueError or TypeError."""

    def take(self, line: dict[str, object]) -> None:
        """One line as it was read. Raises ValueError, TypeError, KeyError or AttributeError."""
        match line:
            case {"conditions": dict(conditions)}:
                self.conditions = conditions
            case {"run": str(note)}:
                self.notes.append(note)
            case {"cell": dict(cell), "figures": dict(figures)}:
                self.cells[self.to_cell(cell)] = self.to_figures(figures)
            case _:
                raise ValueError("neither conditions nor a cell with figures")

    def append(self, line: Mapping[str, object]) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        data = json.dumps(line, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
        descriptor = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(descriptor, data)
        finally:
            os.close(descriptor)


def short(value: object) -> object:
    """A number with as many digits as mean something."""
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value
