"""The markdown tables of docs/appender.md, each made of the results and nothing else. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from bench.appender_cells import CALLERS, OPEN_ENTRY_BYTES, SHARES, Cell, Figures, Way, large_batch, size_name
from bench.appender_results import Results
from bench.values import MIB

NONE = "–"  # noqa: RUF001 - no figure
_FOR_P99 = 100
_NEARLY = 0.9
_KEPT_UP = 0.9


def markdown(results: Results) -> str:
    return "\n\n".join(block for target in results.targets() for block in blocks(results, target))


def blocks(results: Results, target: str) -> list[str]:
    """A heading and its table each, of what there are figures for."""
    made = (
        ("gain, entries/s", _gain(results, target)),
        ("the client's CPU", _cpu(results, target)),
        ("pipeline × batch, MiB/s and p99 in ms", _sweep(results, target)),  # noqa: RUF001 - a product
        ("best", _best(results, target)),
        ("given loads, p50 and p99 in ms", _loads(results, target)),
    )
    return [f"#### {target}: {title}\n\n{table}" for title, table in made if table]


def mib_per_s(cell: Cell, figures: Figures) -> float:
    return figures.entries_per_s * cell.entry_bytes / MIB


def sizes(results: Results, target: str) -> list[int]:
    return sorted({cell.entry_bytes for cell in results.cells if cell.target == target})


def ways(target: str, size: int) -> dict[str, Cell]:
    """What the gain is shown of, by its name; batches as large as is shown for the size."""
    large = large_batch(size)
    one = Cell(target=target, way=Way.ONE, pipeline=1, batch=1, entry_bytes=size)
    found = {
        "new stream each": replace(one, way=Way.NEW_STREAM),
        "one at a time": one,
        "8 callers": replace(one, way=Way.CALLERS, pipeline=CALLERS),
    }
    appender = replace(one, way=Way.APPENDER)
    for pipeline in (1, 2, 8):
        found[f"{pipeline} × 1"] = replace(appender, pipeline=pipeline)  # noqa: RUF001 - a product
    for pipeline in (2, 8) if large > 1 else ():
        found[f"{pipeline} × large"] = replace(appender, pipeline=pipeline, batch=large)  # noqa: RUF001
    return found


def swept(results: Results, target: str) -> list[Cell]:
    """The appender's cells, as fast as it goes."""
    return [
        cell
        for cell in results.cells
        if cell.target == target and cell.way is Way.APPENDER and not cell.open and not cell.turn
    ]


def _gain(results: Results, target: str) -> str:
    def rate(each: Figures) -> float:
        return each.entries_per_s

    rows = []
    for size in sizes(results, target):
        cells = ways(target, size)
        base = results.middle(cells["one at a time"], rate)
        row = [size_name(size)]
        for name in _WAYS:
            cell = cells.get(name)
            middle = results.middle(cell, rate) if cell else None
            if cell is None or middle is None:
                row.append(NONE)
                continue
            times = f", ×{three(middle / base)}" if base and cell is not cells["one at a time"] else ""  # noqa: RUF001
            row.append(f"{three(middle)}{times}{_spread([rate(each) for each in results.turns(cell)])}")
        rows.append(row)
    return _table(("entry", *_WAYS), rows)


_WAYS = ("new stream each", "one at a time", "8 callers", "1 × 1", "2 × 1", "8 × 1", "2 × large", "8 × large")  # noqa: RUF001


def _spread(values: Sequence[float]) -> str:
    return f" ({three(min(values))}–{three(max(values))})" if len(values) > 1 else ""  # noqa: RUF001


def _cpu(results: Results, target: str) -> str:
    """µs per append / ms per MiB."""
    names = ("one at a time", "8 callers", "1 × 1", "8 × 1", "8 × large")  # noqa: RUF001
    rows = []
    for size in sizes(results, target):
        row = [size_name(size)]
        for name in names:
            cell = ways(target, size).get(name)
            per_append = results.middle(cell, lambda each: each.cpu_us_per_append) if cell else None
            if cell is None or per_append is None:
                row.append(NONE)
                continue
            per_mib = per_append / 1000 / (cell.batch * size / MIB)
            row.append(f"{three(per_append)} µs / {three(per_mib)} ms")
        rows.append(row)
    return _table(("entry; µs per append / ms per MiB", *names), rows)


def _sweep(results: Results, target: str) -> str:
    cells = {(cell.entry_bytes, cell.batch, cell.pipeline): cell for cell in swept(results, target)}
    pipelines = sorted({pipeline for _, _, pipeline in cells})
    rows = []
    for size, batch in sorted({key[:2] for key in cells}):
        row = [size_name(size), f"{batch:,}"]
        for pipeline in pipelines:
            cell = cells.get((size, batch, pipeline))
            row.append(_rate_and_p99(cell, results.cells[cell]) if cell else NONE)
        rows.append(row)
    return _table(("entry", "batch", *(f"pipeline {pipeline}" for pipeline in pipelines)), rows)


def _rate_and_p99(cell: Cell, figures: Figures) -> str:
    return f"{three(mib_per_s(cell, figures))}, {_p99(figures)}"


def _p99(figures: Figures) -> str:
    """Of fewer than 100 batches it is the slowest: marked."""
    return f"{three(figures.p99_ms)}{'*' if figures.batches < _FOR_P99 else ''}"


def _best(results: Results, target: str) -> str:
    rows = []
    for size in sizes(results, target):
        found = {cell: results.cells[cell] for cell in swept(results, target) if cell.entry_bytes == size}
        if not found:
            continue
        single = {cell: each for cell, each in found.items() if cell.batch == 1}
        row = [size_name(size)]
        for some in (found, single):
            row += _most_and_nearly(some)
        rows.append(row)
    most, nearly = "most MiB/s", "90 % of it with the least p99"
    return _table(("entry", most, nearly, f"one entry each: {most}", f"one entry each: {nearly}"), rows)


def _most_and_nearly(found: dict[Cell, Figures]) -> list[str]:
    if not found:
        return [NONE, NONE]
    most = max(found, key=lambda cell: found[cell].entries_per_s)
    floor = found[most].entries_per_s * _NEARLY
    nearly = min(
        (cell for cell in found if found[cell].entries_per_s >= floor), key=lambda cell: found[cell].p99_ms
    )
    return [
        f"{cell.pipeline} × {cell.batch:,}: {_rate_and_p99(cell, found[cell])}"  # noqa: RUF001 - a product
        for cell in (most, nearly)
    ]


LOADS = tuple((way, share) for way in (Way.ONE, Way.CALLERS, Way.APPENDER) for share in SHARES)
"""In the order of the table; what they come to in entries/s is in the results."""


def load_cells(target: str, size: int) -> dict[str, Cell]:
    """Who bears a load, by name; the load is to be filled in."""
    large = large_batch(size)
    one = Cell(target=target, way=Way.ONE, pipeline=1, batch=1, entry_bytes=size)
    appender = replace(one, way=Way.APPENDER, batch=large)
    return {
        "new stream each": replace(one, way=Way.NEW_STREAM),
        "one at a time": one,
        "8 callers": replace(one, way=Way.CALLERS, pipeline=CALLERS),
        "8 × 1": replace(appender, pipeline=8, batch=1),  # noqa: RUF001
        **{f"{each} × large": replace(appender, pipeline=each) for each in (1, 2, 4, 8)},  # noqa: RUF001
    }


def _loads(results: Results, target: str) -> str:
    rows, names = [], list(load_cells(target, 1024))
    for size in (each for each in sizes(results, target) if each in OPEN_ENTRY_BYTES):
        for way, share in LOADS:
            cells = [
                replace(cell, load_of=way, load_share=share) for cell in load_cells(target, size).values()
            ]
            rates = [found.rate for cell in cells if (found := results.cells.get(cell)) and found.rate]
            if rates:
                title = f"{three(rates[0])}/s: {share:.0%} of {_LOADS[way]}"
                rows.append([size_name(size), title, *(_load(cell, results) for cell in cells)])
    return _table(("entry", "load", *names), rows)


_LOADS = {Way.ONE: "one at a time", Way.CALLERS: "8 callers", Way.APPENDER: "the appender's best"}


def _load(cell: Cell, results: Results) -> str:
    """No figure: not offered, since it is more than this way took as fast as it goes."""
    p50, p99 = (results.middle(cell, value) for value in (p50_ms, p99_ms))
    if p50 is None or p99 is None:
        return NONE
    behind = "" if kept_up(results, cell) else "behind: "
    return f"{behind}{three(p50)}, {three(p99)}"


def p50_ms(figures: Figures) -> float:
    return figures.p50_ms


def p99_ms(figures: Figures) -> float:
    return figures.p99_ms


def kept_up(results: Results, cell: Cell) -> bool:
    """Whether the answers came about as fast as the entries, the wait for the last one included."""
    borne = results.middle(cell, lambda each: each.entries_per_s / (each.rate or math.inf))
    return borne is not None and borne >= _KEPT_UP


def three(value: float) -> str:
    """Three digits that count."""
    if not math.isfinite(value) or value == 0:
        return str(value)
    rounded = float(f"{value:.2e}")
    return f"{rounded:,.{max(0, 2 - math.floor(math.log10(abs(rounded))))}f}"


def _table(header: Iterable[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    names = list(header)
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
