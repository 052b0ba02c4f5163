"""The file of results of `make bench`: cells with their figures, and facts."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median

from bench.results_file import ResultsFile, short
from bench.suite_cells import Cell, Fact, Figures, System, Way


class Results(ResultsFile[Cell, Figures]):
    """`facts` are kept like cells."""

    def __init__(self, file: Path) -> None:
        super().__init__(file)
        self.facts: dict[Fact, float] = {}

    def add_fact(self, fact: Fact, value: float) -> None:
        self.append({"fact": asdict(fact), "value": short(value)})
        self.facts[fact] = value

    def fact(self, system: System, name: str) -> float | None:
        """The median over the rounds."""
        found = self.fact_turns(system, name)
        return median(found) if found else None

    def fact_turns(self, system: System, name: str) -> list[float]:
        like = Fact(system=system, name=name)
        return [value for fact, value in self.facts.items() if replace(fact, turn=0) == like]

    def has_fact(self, fact: Fact) -> bool:
        return fact in self.facts

    def systems(self) -> list[System]:
        """Those that were measured, in their own order."""
        found = {cell.system for cell in self.cells}
        return [each for each in System if each in found]

    def rounds(self) -> int:
        return max((cell.turn + 1 for cell in self.cells), default=0)

    def cell_values(self, cell: Cell) -> dict[str, object]:
        return {name: value for name, value in asdict(cell).items() if value not in {None, 0}}

    def figures_values(self, figures: Figures) -> dict[str, object]:
        return {name: short(value) for name, value in asdict(figures).items()}

    def to_cell(self, values: dict[str, object]) -> Cell:
        known = {"system": System(str(values["system"])), "way": Way(str(values["way"]))}
        cell = Cell(**(values | known))  # type: ignore[arg-type]
        counts = (cell.record_bytes, cell.partitions, cell.producers)
        if any(type(each) is not int or each < 1 for each in counts) or type(cell.turn) is not int:
            raise ValueError("a cell's sizes are whole numbers")
        return cell

    def to_figures(self, values: dict[str, object]) -> Figures:
        figures = Figures(**values)  # type: ignore[arg-type]
        for name, value in values.items():
            if not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
                raise ValueError(f"{name} is {value!r}")
        if not figures.records or not figures.seconds:
            raise ValueError("nothing was measured")
        return figures

    def take(self, line: dict[str, object]) -> None:
        match line:
            case {"fact": {"system": system, "name": str(name), "turn": int(turn)}, "value": float(value)}:
                self.facts[Fact(system=System(str(system)), name=name, turn=turn)] = value
            case _:
                super().take(line)
