"""Writing through kov beside the appender alone, on the same store, in one run: `python -m bench.produce`."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bench import machine, table
from bench.cells import Cell, How, Measured, measure
from bench.site import STORES, CpuSeconds, Site, Store, open_site

SIZES = (100, 1024, 16 * 1024, 100 * 1024)
OPEN_LOOP = ((100, 500.0), (1024, 500.0))

_WIDTH = 172
_IDLE_S = 2.0
_WARM_UP = Cell(record_bytes=16 * 1024)
_WARM_UP_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    stores: list[Store]
    cells: list[Cell]
    how: How


async def run(
    directory: Path, plan: Plan, progress: Progress
) -> tuple[list[Measured], dict[str, CpuSeconds]]:
    """The cells, and what each store and the kov on it use while nobody writes, in CPU seconds per second."""
    measured: list[Measured] = []
    idle: dict[str, CpuSeconds] = {}
    cells = len(plan.stores) * len(plan.cells)
    task = progress.add_task("starting", total=2 * plan.how.rounds * cells)
    for store in plan.stores:
        async with AsyncExitStack() as stack:
            where = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=directory)))
            progress.update(task, description=f"starting {store.name}")
            site = await stack.enter_async_context(open_site(store, where))
            idle[store.name] = await _idle(site)
            await measure(site, _WARM_UP, replace(plan.how, seconds=_WARM_UP_S, rounds=1), _unheard)
            for cell in plan.cells:
                progress.update(task, description=f"{store.name}, {cell}")
                measured.append(await measure(site, cell, plan.how, lambda: progress.advance(task)))
    return measured, idle


def _unheard() -> None:
    """The warm-up is not part of the progress: kov's memory of recent batches fills up in it."""


async def _idle(site: Site) -> CpuSeconds:
    before, began = site.cpu(), time.monotonic()
    await asyncio.sleep(_IDLE_S)
    used, seconds = site.cpu().since(before), time.monotonic() - began
    return CpuSeconds(kov=used.kov / seconds, store=used.store / seconds)


def main(
    seconds: Annotated[float, typer.Option(min=0.5, help="For each cell and path, over all rounds.")] = 4.0,
    rounds: Annotated[int, typer.Option(min=1, help="Turns that the two paths take in a cell.")] = 2,
    seed: Annotated[int, typer.Option(help="Of the record values.")] = 1,
    plain: Annotated[bool, typer.Option("--plain", help="A producer without idempotence.")] = False,
    size: Annotated[list[int] | None, typer.Option(help="Record sizes in bytes, instead of all.")] = None,
    store: Annotated[list[str] | None, typer.Option(help="varlog_lite or Varlog, instead of both.")] = None,
    directory: Annotated[Path | None, typer.Option(help="Where the data go for the time being.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write everything there too.")] = None,
) -> None:
    """Exit status 1 where a cell failed."""
    console = Console(width=_WIDTH)
    place = directory or Path(tempfile.gettempdir())
    conditions = machine.look(place)
    chosen = [each for each in STORES if store is None or each.name in store]
    absent = {each.name: reason for each in chosen if (reason := each.missing()) is not None}
    sizes = size or list(SIZES)
    cells = [Cell(record_bytes=each) for each in sizes]
    cells += [Cell(record_bytes=each, rate=rate) for each, rate in OPEN_LOOP if each in sizes]
    how = How(seconds=seconds, rounds=rounds, seed=seed, plain=plain)
    plan = Plan(stores=[each for each in chosen if each.name not in absent], cells=cells, how=how)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        measured, idle = asyncio.run(run(place, plan, progress))
    said = [
        *conditions.lines(),
        f"1 partition; {seconds:g} s per cell and path in {rounds} rounds, in turns; seed {seed}",
        f"producer: confluent-kafka, {'plain' if plain else 'idempotent'}, acks=all, librdkafka's defaults "
        "but for linger.ms: 5, at a rate 0",
        "before each turn the data files' page cache is dropped, so that all turns start alike",
        *(
            f"{name}, idle: kov {cpu.kov:.1%} of a core, the store {cpu.store:.1%}"
            for name, cpu in idle.items()
        ),
        *(f"{name}: not measured, {reason}" for name, reason in absent.items()),
    ]
    for line in said:
        console.print(line, soft_wrap=True, highlight=False)
    table.show(console, measured)
    table.show_small_records(console, measured)
    if json_file is not None:
        everything = {
            "conditions": asdict(conditions),
            "how": asdict(how),
            "idle_cores": {name: asdict(cpu) for name, cpu in idle.items()},
            "not_measured": absent,
            "rows": table.as_json(measured),
            "small_records": table.small_records(measured),
        }
        json_file.write_text(json.dumps(everything, indent=1))
    if any(each.kov.failure or each.appender.failure for each in measured):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
