"""`kov bench`, from its order to what is shown."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from kov.errors import CannotStart, ConfigError
from kov.tools.bench import report
from kov.tools.bench.load import Load, Order
from kov.tools.bench.tally import Second, Tally
from kov.tools.tables import size

_PICTURES: Final = (".png", ".svg", ".pdf")
_WIDTH: Final = 60


def check_picture(path: Path | None) -> None:
    """Before a load of minutes. Raises ConfigError, CannotStart."""
    if path is None:
        return
    if path.suffix not in _PICTURES:
        raise ConfigError(f"--picture {path}: the name must end in {', '.join(_PICTURES)}")
    if not path.absolute().parent.is_dir():
        raise ConfigError(f"--picture {path}: there is no directory {path.absolute().parent}")
    if find_spec("matplotlib") is None:
        raise CannotStart("--picture needs matplotlib; install it with: pip install 'kov[bench]'")


def run(order: Order, *, picture: Path | None, as_json: bool) -> bool:
    """Whether every record was stored. Raises ConfigError, CannotStart.

    KeyboardInterrupt ends the load, and passes after the summary.
    """
    check_picture(picture)
    load = Load(order)
    partitions = load.check()
    try:
        with _shown(order, partitions, load.tally, as_json=as_json) as tick:
            load.run(tick)
    finally:
        if load.tally.seconds:
            _sum_up(order, partitions, load.tally, picture=picture, as_json=as_json)
    return not load.tally.failed


def _sum_up(order: Order, partitions: int, tally: Tally, *, picture: Path | None, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(report.facts(order, partitions, tally)))
    else:
        for name, value in report.lines(tally):
            typer.echo(f"{name:<8} {value}")
    if picture is not None:
        from kov.tools.bench.picture import draw  # noqa: PLC0415 - half a second, for those who want it

        draw(picture, report.what(order, partitions), tally)
        if not as_json:
            typer.echo(f"{'picture':<8} {picture}")


@contextmanager
def _shown(
    order: Order, partitions: int, tally: Tally, *, as_json: bool
) -> Iterator[Callable[[Second], None]]:
    """On a terminal a picture that moves; else a line a second, on stderr so that stdout is the summary's."""
    console = Console(stderr=True)
    title = report.what(order, partitions)
    if not console.is_terminal:
        if not as_json:
            typer.echo(title, err=True)
        yield lambda second: None if as_json else typer.echo(report.line(second), err=True)
        return
    with Live(_screen(title, tally), console=console, transient=True, auto_refresh=False) as live:
        yield lambda _: live.update(_screen(title, tally), refresh=True)


def _screen(title: str, tally: Tally) -> Group:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column()
    seconds = tally.seconds
    if seconds:
        last = seconds[-1]
        table.add_row("now", f"{last.rate:,.0f} records/s, {size(int(last.bytes / last.length))}/s")
        table.add_row("latency", f"median {report.ms(last.median)}, p99 {report.ms(last.p99)}")
        table.add_row("rate", Text(report.bars([each.rate for each in seconds], _WIDTH), style="blue"))
        table.add_row("p99", Text(report.bars([each.p99 for each in seconds], _WIDTH), style="magenta"))
        table.add_row("so far", f"{tally.records:,} records, {seconds[-1].at + seconds[-1].length:.0f} s")
    if tally.failed:
        table.add_row("failed", Text(f"{tally.failed:,}: {tally.reason}", style="red"))
    return Group(Text(title), table, Text("Ctrl-C ends it and sums up", style="dim"))
