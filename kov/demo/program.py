"""The demo's course: a stage, writing, reading twice, comparing, the verdict."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import nullcontext
from uuid import UUID, uuid4

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from kov.demo import comparing, report, stage
from kov.demo.failure import DemoFailed
from kov.demo.finding import find_log_streams
from kov.demo.reading import Stream, read_from_kafka, read_from_varlog
from kov.demo.records import Lot, Written, shares
from kov.demo.stage import Stage
from kov.demo.writing import write
from kov.errors import CannotStart
from varlog_client import Log
from varlog_client.errors import VarlogError

_AGREED, _DIFFERS = 0, 1
_OPEN_S = 10.0


async def run(*, bootstrap: str | None, varlog: str | None, records: int) -> int:
    """The exit status: 0 only if everything that was read is what was written. Prints to stdout.

    Without `bootstrap` an embedded kov is started. With it, `varlog` is a metadata repository of the cluster
    behind it; without that the records are read back through Kafka only.
    """
    # aiokafka reports each step of finding the new topic as a warning.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    console = Console()
    place = nullcontext(Stage(bootstrap=bootstrap, varlog=varlog)) if bootstrap else stage.embedded()
    try:
        if not bootstrap:
            console.print("starting kov with an embedded store in a temporary directory")
        async with place as where:
            return await _play(console, where, shares(records))
    except (CannotStart, DemoFailed) as error:
        console.print(f"kov demo: {error}", soft_wrap=True, markup=False, highlight=False)
        return _DIFFERS


async def _play(console: Console, where: Stage, lots: Sequence[Lot]) -> int:
    topic = f"kov-demo-{uuid4().hex[:8]}"
    console.print(f"bootstrap.servers={where.bootstrap}, topic {topic}", highlight=False)
    topic_id = await stage.make_topic(where.bootstrap, topic)
    with _progress(console) as progress:
        written = await _write_all(progress, where.bootstrap, topic, lots)
        sent, ends = comparing.contents(written), comparing.ends(written)
        faults = comparing.faults_in(written)
        bar = _Bar(progress, "read through Kafka", len(sent))
        found = await read_from_kafka(where.bootstrap, topic, ends, bar.advance)
        faults += comparing.differences(sent, found, "read through Kafka")
        agreed = [f"through Kafka ({bar.rate})"]
        streams = None
        if where.varlog is not None:
            bar = _Bar(progress, "read through varlog_client", len(sent))
            streams = await _read_log_streams(where.varlog, topic_id, ends, bar)
            in_varlog = {place: record for stream in streams for place, record in stream.records.items()}
            faults += comparing.differences(sent, in_varlog, "read through varlog_client")
            agreed.append(f"through varlog_client from the log streams ({bar.rate})")
    report.show_producers(console, written)
    report.show_partitions(console, topic, ends, streams)
    read = " and ".join(agreed)
    report.show_verdict(
        console, faults, f"{len(sent):,} records of {len(lots)} producers, read back {read}, are as written"
    )
    if where.varlog is None:
        console.print("the log streams were not read: give --varlog HOST:PORT, a metadata repository")
    return _DIFFERS if faults else _AGREED


async def _write_all(
    progress: Progress, bootstrap: str, topic: str, lots: Sequence[Lot]
) -> Sequence[Written]:
    start_ms = time.time_ns() // 1_000_000
    bars = [_Bar(progress, f"write {lot.name}", lot.count) for lot in lots]
    writing = [
        asyncio.create_task(write(lot, bootstrap, topic, start_ms, bar.advance))
        for lot, bar in zip(lots, bars, strict=True)
    ]
    try:
        return await asyncio.gather(*writing)
    finally:  # the first failure ends them all
        for each in writing:
            each.cancel()
        await asyncio.wait(writing)


async def _read_log_streams(varlog: str, topic_id: UUID, ends: dict[int, int], bar: _Bar) -> Sequence[Stream]:
    try:
        # Metadata repositories answer whatever cluster id they are asked for.
        async with await Log.open(1, [varlog], open_timeout_s=_OPEN_S) as log:
            found = await find_log_streams(log, topic_id, ends)
            return await asyncio.gather(*(read_from_varlog(log, each, bar.advance) for each in found))
    except VarlogError as error:
        raise DemoFailed(f"Varlog at {varlog}: {error}") from error


class _Bar:
    """One line of the progress display, and the rate when all is done."""

    def __init__(self, progress: Progress, what: str, total: int) -> None:
        self._progress = progress
        self._task: TaskID = progress.add_task(what, total=total)
        self._total = total
        self._began = time.monotonic()

    def advance(self, count: int) -> None:
        self._progress.advance(self._task, count)

    @property
    def rate(self) -> str:
        """Since the line appeared until now."""
        return f"{self._total / (time.monotonic() - self._began):,.0f} records/s"


def _progress(console: Console) -> Progress:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    return Progress(*columns, console=console)
