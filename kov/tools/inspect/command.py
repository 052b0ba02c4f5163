"""`kov inspect`: a partition's log stream, entry by entry, as all of kov understands it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import typer

from kov.config import Config
from kov.errors import ConfigError
from kov.partition.fold import Fold
from kov.partition.stream import Stream
from kov.tools import opening
from kov.tools.inspect import report
from kov.tools.inspect.facts import entry_facts, state_facts
from kov.tools.inspect.walk import Seen, anchor, walk
from kov.tools.tables import show
from varlog_client.types import LogStreamState


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which entries: the newest `last`, or those of [`first`, `end`] as far as they are given."""

    last: int
    first: int | None = None
    end: int | None = None

    def range_in(self, extent: LogStreamState) -> tuple[int, int]:
        """First and last LLSN, within what is there; an empty one where nothing is. Raises ConfigError."""
        oldest, newest = extent.first.llsn or 1, extent.last.llsn
        end = min(newest, self.end) if self.end is not None else newest
        first = self.first if self.first is not None else end - self.last + 1
        if self.first is not None and self.first > newest:
            raise ConfigError(f"--from {self.first}: the log stream's last entry is {newest}")
        if self.end is not None and self.end < oldest:
            raise ConfigError(f"--to {self.end}: the log stream's first entry is {oldest}")
        if self.first is not None and self.end is not None and self.end < self.first:
            raise ConfigError(f"--to {self.end} lies before --from {self.first}")
        return max(first, oldest), end


async def inspect(
    config: Config, data: Path | None, place: str, wanted: Wanted, *, producers: bool, as_json: bool
) -> bool:
    """Prints the entries and the state behind the last one shown. Whether the fold could take them all.

    Reads only. Raises ConfigError, CannotStart where the cluster can't be read now.
    """
    name, index = opening.parse_place(place)
    async with opening.opened(config, data) as cluster:
        stream, identity = cluster.partition(cluster.topic(name), index)
        extent = await stream.peek()
        first, last = wanted.range_in(extent)
        oldest = extent.first.llsn or 1
        fold = await anchor(stream, identity, oldest, first, last)
        async with aclosing(walk(stream, fold, first, last)) as entries:
            if as_json:
                complete = await _print_json(place, stream, fold, entries, producers=producers)
            else:
                complete = await _print(place, stream, fold, entries, producers=producers)
    return complete


async def _print(
    place: str, stream: Stream, fold: Fold, entries: AsyncGenerator[Seen], *, producers: bool
) -> bool:
    kinds: Counter[str] = Counter()
    rows, newest = [], None
    async for newest in entries:
        rows.append(report.row(newest))
        kinds[report.what(newest)] += 1
    if rows:
        show(report.COLUMNS, rows)
        typer.echo(f"{report.counts(kinds)}\n")
    else:
        typer.echo("the log stream holds no entries\n")
    for line in report.lines(report.state(place, str(stream), fold)):
        typer.echo(line)
    if producers and fold.producers:
        typer.echo()
        show(report.PRODUCER_COLUMNS, report.producers(fold))
    return _taken(fold, newest)


async def _print_json(
    place: str, stream: Stream, fold: Fold, entries: AsyncGenerator[Seen], *, producers: bool
) -> bool:
    seen = [each async for each in entries]
    told = {
        "partition": place,
        "log_stream": stream.log_stream_id,
        "entries": [entry_facts(each) for each in seen],
        "state": state_facts(fold, with_producers=producers),
    }
    typer.echo(json.dumps(told))
    return _taken(fold, seen[-1] if seen else None)


def _taken(fold: Fold, newest: Seen | None) -> bool:
    """Whether the fold went on to the last entry: one that it can't take is the last there is."""
    return newest is None or newest.llsn <= fold.position.llsn
