"""`kov top`: look, wait, look again, and show what happened in between."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from kov.address import Address
from kov.errors import CannotStart, ConfigError
from kov.tools.tables import lines_of, table_of
from kov.tools.top import report
from kov.tools.top.kafka import Look, Watcher
from kov.tools.top.metrics import Metrics, node_view, queues, scrape

_OTHER_LINES: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """`count`: after so many views it ends; `http`: where nodes answer /metrics."""

    bootstrap: str
    topics: Sequence[str]
    http: Sequence[Address]
    every_s: float
    count: int | None
    as_json: bool


@dataclass(frozen=True, slots=True)
class _Seen:
    look: Look
    metrics: dict[str, Metrics]
    unread: dict[str, str]


def run(order: Order) -> None:
    """Until `order.count` views were shown. Raises CannotStart, ConfigError; KeyboardInterrupt passes.

    Who doesn't answer for a while is waited for, once the first look was had.
    """
    watcher = Watcher(order.bootstrap, order.topics)
    before = _see(order, watcher)
    if before.unread:
        raise CannotStart(next(iter(before.unread.values())))
    if missing := set(order.topics) - {topic for topic, _ in before.look.leaders}:
        raise ConfigError(f"there is no topic {', '.join(sorted(missing))} at {order.bootstrap}")
    with _shown(order) as show:
        shown = 0
        while order.count is None or shown < order.count:
            time.sleep(order.every_s)
            try:
                after = _see(order, watcher)
            except CannotStart as error:
                show(str(error))
                continue
            show(_view(before, after))
            before = after
            shown += 1


def _see(order: Order, watcher: Watcher) -> _Seen:
    seen = _Seen(watcher.look(), {}, {})
    for address in order.http:
        try:
            seen.metrics[str(address)] = scrape(address)
        except CannotStart as error:
            seen.unread[str(address)] = str(error)
    return seen


def _view(before: _Seen, after: _Seen) -> report.View:
    seconds = max(after.look.at - before.look.at, 1e-9)
    nodes = {
        address: node_view(before.metrics[address], metrics, seconds)
        for address, metrics in after.metrics.items()
        if address in before.metrics
    }
    waiting = {place: each for metrics in after.metrics.values() for place, each in queues(metrics).items()}
    return report.View(before=before.look, after=after.look, nodes=nodes, queues=waiting, unread=after.unread)


@contextmanager
def _shown(order: Order) -> Iterator[Callable[[report.View | str], None]]:
    """A string is what is wrong at the moment."""
    console = Console()
    if order.as_json:
        yield lambda view: typer.echo(
            json.dumps({"problem": view} if isinstance(view, str) else report.facts(view))
        )
    elif not console.is_terminal:
        yield _print
    else:
        with Live(
            Text("looking ..."), console=console, auto_refresh=False, screen=order.count is None
        ) as live:
            yield lambda view: live.update(_screen(view, console.height), refresh=True)


def _print(view: report.View | str) -> None:
    if isinstance(view, str):
        typer.echo(view)
        return
    typer.echo(report.headline(view))
    for line in _node_lines(view):
        typer.echo(line)
    columns = report.QUEUES if view.nodes else report.PARTITIONS
    for line in lines_of(columns, [report.partition_row(view, place) for place in view.places]):
        typer.echo(line)
    for problem in view.unread.values():
        typer.echo(problem)
    typer.echo("")


def _screen(view: report.View | str, height: int) -> RenderableType:
    if isinstance(view, str):
        return Text(view, style="red")
    parts: list[RenderableType] = [Text(report.headline(view), style="bold")]
    parts += [Text(line) for line in _node_lines(view)]
    room = max(3, height - _OTHER_LINES - 2 * len(view.nodes) - len(view.unread))
    places = view.places
    columns = report.QUEUES if view.nodes else report.PARTITIONS
    parts.append(table_of(columns, [report.partition_row(view, place) for place in places[:room]]))
    if len(places) > room:
        parts.append(Text(f"and {len(places) - room:,} partitions that are less busy", style="dim"))
    parts += [Text(problem, style="red") for problem in view.unread.values()]
    parts.append(Text("Ctrl-C ends it", style="dim"))
    return Group(*parts)


def _node_lines(view: report.View) -> list[str]:
    return [line for each in view.nodes.items() for line in report.node_lines(*each)]
