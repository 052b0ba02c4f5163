"""Tables and sizes as all tools print them: for people on a terminal, plain in a pipe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

_GAP = "  "


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """`right` names those that hold numbers; `styles` is by the text of a cell."""

    names: Sequence[str]
    right: frozenset[str] = frozenset()
    styles: Mapping[str, str] = field(default_factory=dict)


def show(columns: Columns, rows: Sequence[Sequence[str]]) -> None:
    """On a terminal a table that fits it; else lines whose columns line up, however wide that gets."""
    console = Console()
    if console.is_terminal:
        console.print(table_of(columns, rows))
        return
    for line in lines_of(columns, rows):
        typer.echo(line)


def size(count: int) -> str:
    """Bytes as people read them: 512 B, 1.5 KiB, 3.0 MiB."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def counted(count: int, what: str) -> str:
    """`1 topic`, `2 topics`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def table_of(columns: Columns, rows: Sequence[Sequence[str]]) -> Table:
    """For a terminal."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in columns.names:
        number = name in columns.right
        table.add_column(name, justify="right" if number else "left", no_wrap=number, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell, style=columns.styles.get(cell, "")) for cell in row))
    return table


def lines_of(columns: Columns, rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """For a pipe: the columns line up, however wide that gets."""
    everything = [columns.names, *rows]
    widths = [max(len(row[at]) for row in everything) for at in range(len(columns.names))]
    for row in everything:
        cells = (
            cell.rjust(width) if name in columns.right else cell.ljust(width)
            for name, cell, width in zip(columns.names, row, widths, strict=True)
        )
        yield _GAP.join(cells).rstrip()
