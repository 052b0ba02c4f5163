"""What the demo prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from kov.demo.reading import Stream
from kov.demo.records import Written

_MIB = 1024 * 1024


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))


def show_producers(console: Console, written: Sequence[Written]) -> None:
    table = _table("written")
    table.add_column("client")
    table.add_column("codec")
    for name in ("records", "MiB", "records/s", "MiB/s"):
        table.add_column(name, justify="right")
    for each in written:
        count, size = len(each.records), each.size / _MIB
        rates = f"{count / each.seconds:,.0f}", f"{size / each.seconds:.1f}"
        table.add_row(each.lot.client, each.lot.codec, f"{count:,}", f"{size:.2f}", *rates)
    console.print(table)


def show_partitions(
    console: Console, topic: str, ends: Mapping[int, int], streams: Sequence[Stream] | None
) -> None:
    """With `streams`, also what lies in Varlog."""
    table = _table(f"topic {topic}")
    names = ["partition", "records", "offsets"]
    names += ["log stream", "entries", "fences", "other", "KiB"] if streams else []
    for name in names:
        table.add_column(name, justify="right")
    by_partition = {stream.found.partition.index: stream for stream in streams or ()}
    for partition, end in sorted(ends.items()):
        row = [str(partition), f"{end:,}", f"0 to {end - 1}"]
        if (stream := by_partition.get(partition)) is not None:
            row += [str(stream.found.log_stream_id), str(stream.entries)]
            row += [str(stream.fences), str(stream.other), f"{stream.size / 1024:,.0f}"]
        table.add_row(*row)
    console.print(table)


def show_verdict(console: Console, faults: Sequence[str], agreed: str) -> None:
    if not faults:
        console.print(f"[bold green]OK[/]: {agreed}", soft_wrap=True, highlight=False)
        return
    for fault in faults:
        console.print(fault, soft_wrap=True, markup=False, highlight=False)
    console.print(f"[bold red]NOT OK[/]: {len(faults)} differences", soft_wrap=True, highlight=False)
