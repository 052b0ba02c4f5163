"""kov, the log beneath it and Apache Kafka in one run: `python -m bench.suite`, which is `make bench`.

Each system is started in turn on the same disk, in each of the rounds, and measured by the same producers:
a base cell, and each axis varied alone. Each result is kept in a file as soon as it is there; a run that ends
early, by its budget or Ctrl-C, is taken up by the next one. `--tables` and `--plot` show what the file holds.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bench import machine, suite_growth, suite_plots, suite_tables
from bench.machine import Machine
from bench.results_file import ResultsUnusable
from bench.suite_cells import ROUNDS, Fact, System, plan
from bench.suite_results import Results
from bench.suite_run import Run, Spent
from bench.systems import STARTERS

_OUT = Path(tempfile.gettempdir(), "kov-bench.jsonl")
_QUICK_OUT = Path(tempfile.gettempdir(), "kov-bench-quick.jsonl")
_QUICK_SECONDS = 1.0
_QUICK_BUDGET_S = 160.0
_LEFT_FOR_GROWTH_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to measure, where, and for how long."""

    systems: Sequence[System]
    seconds: float
    rounds: int
    quick: bool
    growth: bool
    budget_s: float
    directory: Path


async def measure(order: Order, results: Results, console: Console) -> Spent:
    """Raises `ResultsUnusable` where the file holds figures of another machine or duration."""
    conditions = machine.look(order.directory)
    results.begin(_alike(conditions, order.seconds), _note(conditions))
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    until = time.monotonic() + order.budget_s
    with Progress(*columns, console=console) as progress:
        run = Run(results, order.directory, seconds=order.seconds, until=until, progress=progress)
        await run.through(plan(order.systems, rounds=order.rounds, quick=order.quick))
    if order.growth and time.monotonic() < until - _LEFT_FOR_GROWTH_S:
        await _grow(order, results, console)
    return run.spent


async def _grow(order: Order, results: Results, console: Console) -> None:
    """Once for each round that there is to be."""
    done = len(results.fact_turns(System.KOV_LITE, "mapped_start_s"))
    if done < order.rounds:
        console.print("growth: 10,000 log streams are made")
        for name, value in (await suite_growth.grown(order.directory)).items():
            results.add_fact(Fact(system=System.KOV_LITE, name=name, turn=done), value)


def _alike(conditions: Machine, seconds: float) -> dict[str, object]:
    return {
        "cores": conditions.cores,
        "system": conditions.system,
        "python": conditions.python,
        "file_system": conditions.file_system,
        **conditions.versions,
        "seconds": seconds,
    }


def _note(conditions: Machine) -> str:
    syncs = "; ".join(
        f"{each.size // 1024} KiB p50 {each.p50_ms:.2f} ms, p99 {each.p99_ms:.2f} ms"
        for each in conditions.syncs
    )
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M}, load average {conditions.load_average:.1f}, "
        f"write and fdatasync: {syncs}"
    )


def main(
    system: Annotated[
        list[str] | None, typer.Option(help=f"Of {', '.join(System)}; default: all that can be started.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A few cells, one round: below 3 minutes.")] = False,
    rounds: Annotated[int, typer.Option(min=1, help="How often each cell is measured.")] = ROUNDS,
    seconds: Annotated[float, typer.Option(min=0.2, help="Of one cell.")] = 2.0,
    budget: Annotated[float, typer.Option(min=0.0, max=40.0, help="Minutes; no cell begins later.")] = 38.0,
    growth: Annotated[bool, typer.Option(help="Many partitions and connections as well.")] = True,
    out: Annotated[Path | None, typer.Option(help="The file of results, read and appended to.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what the file holds.")] = False,
    directory: Annotated[Path | None, typer.Option(help="Where the data go for the time being.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw what is there into this directory.")] = None,
    tables: Annotated[bool, typer.Option("--tables", help="Only print what is there.")] = False,
) -> None:
    """Exit status 1 where a cell failed, 2 where the file or a system can't be used."""
    console = Console(stderr=True)
    file = out or (_QUICK_OUT if quick else _OUT)
    try:
        if fresh:
            file.unlink(missing_ok=True)
        results = Results.read(file)
        if tables or plot is not None:
            _show(results, plot, tables=tables)
            return
        order = Order(
            systems=_chosen(system, console),
            seconds=_QUICK_SECONDS if quick else seconds,
            rounds=1 if quick else rounds,
            quick=quick,
            growth=growth and not quick,
            budget_s=min(budget * 60, _QUICK_BUDGET_S) if quick else budget * 60,
            directory=directory or Path(tempfile.gettempdir()),
        )
        began = time.monotonic()
        spent = asyncio.run(measure(order, results, console))
    except ResultsUnusable as error:
        console.print(str(error), style="bold", soft_wrap=True, highlight=False)
        raise typer.Exit(2) from error
    except KeyboardInterrupt:
        console.print(f"interrupted; {file} has what was measured: run it again to go on", soft_wrap=True)
        raise typer.Exit(130) from None
    _show(results, None, tables=True)
    _say(console, spent, time.monotonic() - began, file)
    if spent.failures:
        raise typer.Exit(1)


def _chosen(wanted: Sequence[str] | None, console: Console) -> list[System]:
    """Those that can be measured here; who asks for one by a wrong name is told the names."""
    names = [each.value for each in System]
    if unknown := [name for name in wanted or () if name not in names]:
        raise typer.BadParameter(f"no system {', '.join(unknown)}; there are {', '.join(names)}")
    missing = {each: STARTERS[each].missing() for each in System if wanted is None or each.value in wanted}
    for each, reason in missing.items():
        if reason is not None:
            console.print(f"{each}: not measured, {reason}", soft_wrap=True, highlight=False)
    return [each for each, reason in missing.items() if reason is None]


def _show(results: Results, plot: Path | None, *, tables: bool) -> None:
    if tables:
        print(suite_tables.markdown(results))
    if plot is not None:
        for file in suite_plots.draw(results, plot):
            print(file)


def _say(console: Console, spent: Spent, took_s: float, file: Path) -> None:
    lines = [
        f"{spent.measured} cells measured in {took_s:.0f} s, {spent.there} were there already",
        *(f"failed, and not kept: {each}" for each in spent.failures),
    ]
    if spent.left:
        lines.append(f"{spent.left} cells are left: run it again to go on")
    lines.append(f"results: {file}; --tables and --plot DIRECTORY show them")
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False)


if __name__ == "__main__":
    typer.run(main)
