"""The plots of docs/appender.md, drawn of the results and nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from bench.appender_cells import Figures, size_name
from bench.appender_results import Results
from bench.appender_tables import LOADS, kept_up, load_cells, mib_per_s, p50_ms, p99_ms, sizes, swept, ways

_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "kov",
    "font.size": 9,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc3311", "#aa4499", "#666666", "#56b4e9", "#000000")
_MARKS = "osD^vXP*"


def draw(results: Results, directory: Path, *, suffix: str = "svg") -> list[Path]:
    """The files that were drawn: one of the gain, one of the loads, one of the sweep for each target."""
    directory.mkdir(parents=True, exist_ok=True)
    files = []
    with mpl.rc_context(_STYLE):  # type: ignore[arg-type]
        for name, figure in _figures(results):
            file = directory / f"{name}.{suffix}"
            metadata = {"Date": None} if suffix == "svg" else None
            figure.savefig(file, bbox_inches="tight", facecolor="white", metadata=metadata, dpi=110)
            plt.close(figure)
            files.append(file)
    return files


def _figures(results: Results) -> Iterator[tuple[str, Figure]]:
    if not results.cells:
        return
    yield "gain", _gain(results)
    if any(cell.open for cell in results.cells):
        yield "loads", _loads(results)
    for target in results.targets():
        yield f"sweep-{target}", _sweep(results, target)


def _gain(results: Results) -> Figure:
    targets = results.targets()
    figure, panels = plt.subplots(
        1, len(targets), figsize=(4.6 * len(targets), 3.6), sharey=True, squeeze=False
    )
    for axes, target in zip(panels[0], targets, strict=True):
        _bars(axes, results, target)
        axes.set_title(target)
    panels[0][0].set_ylabel("entries/s (log)")
    _legend(
        figure, panels[0][0], "as fast as it goes; median of the turns, the lines are the slowest and fastest"
    )
    return figure


def _bars(axes: Axes, results: Results, target: str) -> None:
    shown = sizes(results, target)
    names = list(ways(target, 100))
    width = 0.85 / len(names)
    for number, name in enumerate(names):
        found = [
            (place + (number - len(names) / 2 + 0.5) * width, rates)
            for place, size in enumerate(shown)
            if (cell := ways(target, size).get(name))
            and (rates := sorted(each.entries_per_s for each in results.turns(cell)))
        ]
        middles = [median(rates) for _, rates in found]
        below = [middle - rates[0] for middle, (_, rates) in zip(middles, found, strict=True)]
        above = [rates[-1] - middle for middle, (_, rates) in zip(middles, found, strict=True)]
        axes.bar(
            [place for place, _ in found],
            middles,
            width,
            label=name,
            color=_COLOURS[number],
            yerr=[below, above],
            error_kw={"elinewidth": 0.8},
        )
    axes.grid(visible=False, axis="x")
    axes.set_xticks(range(len(shown)), [size_name(size) for size in shown])
    _logarithmic(axes, x=False)


def _sweep(results: Results, target: str) -> Figure:
    """Throughput above, p99 below, a column for each entry size."""
    shown = sizes(results, target)
    figure, panels = plt.subplots(
        2, len(shown), figsize=(2.5 * len(shown), 5.2), sharex=True, sharey="row", squeeze=False
    )
    batches = sorted({cell.batch for cell in swept(results, target)})
    for column, size in enumerate(shown):
        above, below = panels[0][column], panels[1][column]
        for number, batch in enumerate(batches):
            cells = [c for c in swept(results, target) if (c.entry_bytes, c.batch) == (size, batch)]
            cells.sort(key=lambda cell: cell.pipeline)
            found = [
                (cell.pipeline, results.cells[cell], mib_per_s(cell, results.cells[cell])) for cell in cells
            ]
            name = f"batch {batch:,}"
            _line(above, [(depth, rate) for depth, _, rate in found], number, name)
            _line(below, [(depth, each.p99_ms) for depth, each, _ in found], number, name)
        above.set_title(f"entries of {size_name(size)}")
        below.set_xlabel("pipeline")
        below.set_xticks(sorted({cell.pipeline for cell in swept(results, target)}))
        for axes in (above, below):
            _logarithmic(axes, x=False)
    panels[0][0].set_ylabel("MiB/s (log)")
    panels[1][0].set_ylabel("p99 of a batch, ms (log)")
    _legend(figure, panels[1][0], f"{target}, as fast as it goes")
    return figure


def _loads(results: Results) -> Figure:
    """Latency over the offered load: for each target and entry size p50 and p99 side by side."""
    opened = [cell for cell in results.cells if cell.open]
    targets = [target for target in results.targets() if any(cell.target == target for cell in opened)]
    shown = sorted({cell.entry_bytes for cell in opened})
    figure, panels = plt.subplots(
        len(targets),
        2 * len(shown),
        figsize=(6.2 * len(shown), 2.9 * len(targets)),
        sharey="row",
        squeeze=False,
    )
    for row, target in enumerate(targets):
        for column, size in enumerate(shown):
            for number, share in enumerate(("p50", "p99")):
                axes = panels[row][2 * column + number]
                _latencies(axes, results, target, size, share)
                axes.set_title(f"{target}, {size_name(size)}: {share}")
                _logarithmic(axes, x=True)
        panels[row][0].set_ylabel("ms (log)")
    for axes in panels[-1]:
        axes.set_xlabel("offered entries/s (log)")
    _legend(figure, panels[0][0], "latency of an entry since it was due, at given loads; hollow: fell behind")
    return figure


def _latencies(axes: Axes, results: Results, target: str, size: int, share: str) -> None:
    value: Callable[[Figures], float] = p50_ms if share == "p50" else p99_ms
    for number, (name, cell) in enumerate(load_cells(target, size).items()):
        if name in _NOT_DRAWN:
            continue
        points = sorted(
            (found.rate, results.middle(load, value) or 0.0, kept_up(results, load))
            for load in (replace(cell, load_of=way, load_share=part) for way, part in LOADS)
            if (found := results.cells.get(load)) and found.rate
        )
        _line(axes, [(rate, ms) for rate, ms, _ in points], number, name)
        behind = [(rate, ms) for rate, ms, kept in points if not kept]
        axes.plot(
            [rate for rate, _ in behind],
            [ms for _, ms in behind],
            color=_COLOURS[number],
            marker=_MARKS[number],
            markerfacecolor="white",
            markersize=6,
            linestyle="none",
        )


_NOT_DRAWN = {"new stream each", "4 × large"}  # noqa: RUF001 - a product; they are in the table


def _line(axes: Axes, points: Sequence[tuple[float, float]], number: int, name: str) -> None:
    axes.plot(
        [x for x, _ in points],
        [y for _, y in points],
        label=name,
        color=_COLOURS[number],
        marker=_MARKS[number],
        markersize=4,
        linewidth=1.2,
    )


class _Decades(LogLocator):
    """1, 10, 100; where there are few of those, each `multiples` times."""

    def __init__(self, multiples: Sequence[float]) -> None:
        super().__init__()
        self._multiples = multiples

    def tick_values(self, vmin: float, vmax: float) -> Sequence[float]:
        self.set_params(subs=self._multiples if vmax < _FEW * vmin else (1.0,))
        return super().tick_values(vmin, vmax)


_FEW = 100


def _logarithmic(axes: Axes, *, x: bool) -> None:
    """With numbers instead of powers of ten. Where nothing is drawn there is nothing to scale."""
    if not axes.has_data() or not math.isfinite(axes.dataLim.minposy):
        return
    axes.set_yscale("log")
    if x:
        axes.set_xscale("log")
    for axis in (axes.xaxis, axes.yaxis) if x else (axes.yaxis,):
        axis.set_major_locator(_Decades((1.0, 3.0) if axis is axes.xaxis else (1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
        axis.set_minor_locator(NullLocator())
    low, high = axes.dataLim.minposy, axes.dataLim.y1
    if low == high:
        axes.set_ylim(low / 2, high * 2)


def _legend(figure: Figure, axes: Axes, title: str) -> None:
    handles, names = axes.get_legend_handles_labels()
    figure.suptitle(title, fontsize=10)
    figure.tight_layout(rect=(0, 0.0, 1, 1))
    figure.legend(
        handles, names, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=min(len(names), 8), frameon=False
    )
