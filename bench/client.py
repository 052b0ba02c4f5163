"""varlog_client beside Varlog's own benchmark program, on one real storage node: `python -m bench.client`.

Both keep one append stream to the same log stream full: the same entry size, batch size, pipeline, and
letters as content. They take turns in one run. Varlog's program frees a slot of its pipeline when the
callback has returned, varlog_client before it; the callbacks of both do next to nothing.
"""

from __future__ import annotations

import asyncio
import json
import resource
import shutil
import statistics
import subprocess
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from bench import machine, page_cache
from bench.appender_cells import Way, size_name
from bench.appender_load import Job
from bench.appender_stand import TARGETS, Stand, open_stand
from bench.appender_tables import three
from bench.cells import LoadFailed
from bench.values import MIB

GOAL = 0.95
PROGRAM = "benchmark"
CELLS = ((100, 1), (1024, 1), (16 * 1024, 1), (100 * 1024, 1), (100, 100), (1024, 100))
"""Entry bytes, and entries in a batch."""

_PATIENCE_S = 20.0
_TRIES = 3  # Varlog's program ends now and then with status 0 and without a report


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    entries_per_s: float
    cpu_s_per_s: float

    def cpu_us_per_append(self, batch: int) -> float:
        return self.cpu_s_per_s * 1e6 / (self.entries_per_s / batch)


@dataclass(slots=True, kw_only=True)
class Pair:
    """One cell's turns, each of ours beside the next one of theirs."""

    entry_bytes: int
    batch: int
    ours: list[Turn] = field(default_factory=list)
    theirs: list[Turn] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        return [a.entries_per_s / b.entries_per_s for a, b in zip(self.ours, self.theirs, strict=True)]

    @property
    def ratio(self) -> float:
        return statistics.median(self.ratios)

    def row(self) -> list[str]:
        rates = [statistics.median(each.entries_per_s for each in side) for side in (self.ours, self.theirs)]
        cpu = [
            statistics.median(each.cpu_us_per_append(self.batch) for each in side)
            for side in (self.ours, self.theirs)
        ]
        return [
            size_name(self.entry_bytes),
            str(self.batch),
            *(f"{three(rate)} ({three(rate * self.entry_bytes / MIB)} MiB/s)" for rate in rates),
            f"{self.ratio:.2f} ({min(self.ratios):.2f}–{max(self.ratios):.2f})",  # noqa: RUF001 - a range
            *(f"{three(each)} µs" for each in cpu),
        ]


def missing() -> str | None:
    """Why there is nothing to compare with here."""
    if (reason := TARGETS["varlog-rf1"].missing()) is not None:
        return reason
    program = shutil.which(PROGRAM)
    if program is None or "benchmark test" not in _help(program):
        return f"needs Varlog's program {PROGRAM!r} on PATH"
    return None


def _help(program: str) -> str:
    return subprocess.run([program, "--help"], check=False, capture_output=True, text=True).stdout


async def ours(stand: Stand, pair: Pair, *, pipeline: int, seconds: float) -> Turn:
    job = Job(
        way=Way.APPENDER,
        pipeline=pipeline,
        batch=pair.batch,
        entry_bytes=pair.entry_bytes,
        seconds=seconds,
        rate=None,
        letters=True,
    )
    figures = await stand.measure(job)
    return Turn(entries_per_s=figures.entries_per_s, cpu_s_per_s=figures.cpu_s / figures.seconds)


async def theirs(stand: Stand, pair: Pair, *, pipeline: int, seconds: float) -> Turn:
    """By its own count over its whole run, in which opening the stream takes some milliseconds."""
    await asyncio.to_thread(page_cache.drop, stand.directory)
    command = (
        *(PROGRAM, "test", f"--address={stand.metadata_repository}"),
        *(f"--target={stand.topic_id}:{stand.log_stream_id}", "--appenders=1", "--print-json"),
        *(f"--message-size={pair.entry_bytes}", f"--batch-size={pair.batch}"),
        *(f"--pipeline-size={pipeline}", f"--duration={seconds}s", "--report-interval=1h"),
    )
    for _ in range(_TRIES):
        before = _children_cpu_s()
        ended = await asyncio.to_thread(
            subprocess.run, command, capture_output=True, text=True, timeout=seconds + _PATIENCE_S
        )
        report = [line for line in ended.stdout.splitlines() if line.startswith("{")]
        if ended.returncode == 0 and report:
            total = json.loads(report[-1])["reports"][0]["total"]["append"]
            return Turn(
                entries_per_s=total["requestsPerSecond"] * pair.batch,
                cpu_s_per_s=(_children_cpu_s() - before) / seconds,
            )
    said = (ended.stderr + ended.stdout).strip()[-500:] or "no report"
    raise LoadFailed(f"{PROGRAM} ended with status {ended.returncode}: {said}")


def _children_cpu_s() -> float:
    """Of those that have ended, which in a turn is one."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


async def measure(pairs: list[Pair], directory: Path, *, pipeline: int, seconds: float, rounds: int) -> None:
    """A fresh store for each cell; who begins alternates."""
    for pair in pairs:
        async with AsyncExitStack() as stack:
            where = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=directory)))
            stand = await stack.enter_async_context(open_stand(TARGETS["varlog-rf1"], where))
            await ours(stand, pair, pipeline=pipeline, seconds=min(1.0, seconds))  # the store's warm-up
            for number in range(rounds):
                for side in (ours, theirs) if number % 2 else (theirs, ours):
                    turn = await side(stand, pair, pipeline=pipeline, seconds=seconds)
                    (pair.ours if side is ours else pair.theirs).append(turn)
        print(f"| {' | '.join(pair.row())} |", flush=True)


def main(
    seconds: Annotated[float, typer.Option(min=0.1, help="Of one turn.")] = 4.0,
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    pipeline: Annotated[int, typer.Option(min=1, max=8)] = 8,
    cell: Annotated[list[str] | None, typer.Option(help="BYTES:BATCH, instead of all.")] = None,
    directory: Annotated[Path | None, typer.Option(help="Where the data go for the time being.")] = None,
) -> None:
    """Prints a row for each cell, as markdown. Exit status 1 where the goal is missed, 2 without a result."""
    if (reason := missing()) is not None:
        print(f"not measured: {reason}")
        raise typer.Exit(2)
    cells = [tuple(map(int, each.split(":"))) for each in cell] if cell else CELLS
    pairs = [Pair(entry_bytes=size, batch=batch) for size, batch in cells]
    place = directory or Path(tempfile.gettempdir())
    for line in machine.look(place).lines():
        print(line)
    print(f"pipeline {pipeline}, {seconds:g} s a turn, {rounds} turns each; RF 1, one log stream, one stream")
    print("| entry | batch | varlog_client | Varlog's program | ratio | CPU per append | its CPU |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    try:
        asyncio.run(measure(pairs, place, pipeline=pipeline, seconds=seconds, rounds=rounds))
    except LoadFailed as failure:
        print(f"given up: {failure}")
        raise typer.Exit(2) from failure
    missed = [pair for pair in pairs if pair.ratio < GOAL]
    print(f"goal: a ratio of at least {GOAL}; missed in {len(missed)} of {len(pairs)} cells")
    if missed:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
