"""What the appender gains, and which pipeline and batch size suit which entries: `python -m bench.appender`.

Goes through one plan for each target: a sweep of pipeline, batch and entry size; one entry per append, one
at a time, by 8 callers, and with a stream for each; given loads; and the cells that conclusions rest on twice
more. Each result is kept in a file as soon as it is there. A run that ends early, by its budget or Ctrl-C, is
taken up by the next one. `--tables` and `--plot` show what the file holds.
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

from bench import appender_plots, appender_tables, machine
from bench.appender_cells import BATCHES, ENTRY_BYTES, PIPELINES, Grid, left_out, plan
from bench.appender_results import Results, ResultsUnusable
from bench.appender_run import Run, Spent
from bench.appender_stand import TARGETS
from bench.machine import Machine

_OUT = Path(tempfile.gettempdir(), "appender-figures.jsonl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to measure, where, and for how long."""

    targets: Sequence[str]
    grid: Grid
    seconds: float
    budget_s: float
    directory: Path


async def measure(order: Order, results: Results, console: Console) -> Spent:
    """Raises `ResultsUnusable` where the file holds figures of another machine or duration."""
    conditions = machine.look(order.directory)
    results.begin(_alike(conditions, order.seconds), _note(conditions))
    cells = [cell for target in order.targets for cell in plan(target, order.grid)]
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console) as progress:
        until = time.monotonic() + order.budget_s
        run = Run(results, order.directory, seconds=order.seconds, until=until, progress=progress)
        await run.through(cells)
    return run.spent


def _alike(conditions: Machine, seconds: float) -> dict[str, object]:
    versions = {name: conditions.versions[name] for name in ("grpcio", "lmdb", "uvloop", "protobuf")}
    return {
        "cores": conditions.cores,
        "system": conditions.system,
        "python": conditions.python,
        "file_system": conditions.file_system,
        **versions,
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


def _say(console: Console, spent: Spent, order: Order, took_s: float, file: Path) -> None:
    lines = [
        f"{spent.measured} cells measured in {took_s:.0f} s, {spent.there} were there already; "
        f"{spent.above} loads are above what their way can take",
        *(f"failed, and not kept: {each}" for each in spent.failures),
    ]
    if absent := left_out(order.grid):
        lines.append(f"left out, a batch would be larger than 16 MiB: {', '.join(absent)}")
    if spent.left:
        lines.append(f"{spent.left} cells are left: run it again to go on")
    lines.append(f"results: {file}; --tables and --plot show them")
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False)


def main(
    target: Annotated[list[str] | None, typer.Option(help=f"Of {', '.join(TARGETS)}; default: all.")] = None,
    budget: Annotated[float, typer.Option(min=0.0, max=20.0, help="Minutes; no cell begins later.")] = 20.0,
    out: Annotated[Path, typer.Option(help="The file of results, read and appended to.")] = _OUT,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what the file holds.")] = False,
    seconds: Annotated[float, typer.Option(min=0.02, help="Of one cell, behind its warm-up.")] = 1.0,
    pipeline: Annotated[list[int] | None, typer.Option(min=1, max=8, help="1 to 8, instead of all.")] = None,
    batch: Annotated[list[int] | None, typer.Option(min=1, help="Entries, instead of all.")] = None,
    entry: Annotated[list[int] | None, typer.Option(min=1, help="Bytes, instead of all.")] = None,
    directory: Annotated[Path | None, typer.Option(help="Where the data go for the time being.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw what is there into this directory.")] = None,
    tables: Annotated[bool, typer.Option("--tables", help="Print what is there, as markdown.")] = False,
) -> None:
    """Exit status 1 where a cell failed, 2 where the file or a target can't be used."""
    console = Console(stderr=True)
    try:
        if fresh:
            out.unlink(missing_ok=True)
        results = Results.read(out)
        if tables or plot is not None:
            _show(results, plot, tables)
            return
        order = Order(
            targets=_chosen(target, console),
            grid=Grid(
                pipelines=pipeline or PIPELINES, batches=batch or BATCHES, entry_bytes=entry or ENTRY_BYTES
            ),
            seconds=seconds,
            budget_s=budget * 60,
            directory=directory or Path(tempfile.gettempdir()),
        )
        began = time.monotonic()
        spent = asyncio.run(measure(order, results, console))
    except ResultsUnusable as error:
        console.print(str(error), style="bold", soft_wrap=True, highlight=False)
        raise typer.Exit(2) from error
    except KeyboardInterrupt:
        console.print(f"interrupted; {out} has what was measured: run it again to go on", soft_wrap=True)
        raise typer.Exit(130) from None
    _say(console, spent, order, time.monotonic() - began, out)
    if spent.failures:
        raise typer.Exit(1)


def _chosen(wanted: Sequence[str] | None, console: Console) -> list[str]:
    """Those that can be measured here; who asks for one by a wrong name is told the names."""
    if unknown := [name for name in wanted or () if name not in TARGETS]:
        raise typer.BadParameter(f"no target {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    missing = {name: TARGETS[name].missing() for name in wanted or TARGETS}
    for name, reason in missing.items():
        if reason is not None:
            console.print(f"{name}: not measured, {reason}", soft_wrap=True, highlight=False)
    return [name for name, reason in missing.items() if reason is None]


def _show(results: Results, plot: Path | None, tables: bool) -> None:
    if tables:
        print(appender_tables.markdown(results))
    if plot is not None:
        for file in appender_plots.draw(results, plot):
            print(file)


if __name__ == "__main__":
    typer.run(main)
