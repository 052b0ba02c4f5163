"""The plots of `make bench`, drawn of the results and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from bench.suite_cells import Cell, Figures, System, Way, appended, axes, mib_per_s
from bench.suite_results import Results
from bench.suite_tables import per_gib

_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "kov",
    "font.size": 9,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_COLOURS = {
    System.KOV_LITE: "#0072b2",
    System.KOV_WORKERS: "#56b4e9",
    System.KOV_VARLOG: "#009e73",
    System.KAFKA: "#e69f00",
    System.KAFKA_FSYNC: "#cc3311",
}
_ALONE = "#888888"
_SPREAD = "median of the rounds, the lines are the slowest and fastest"
_WIDTH = 0.85

Bars = Mapping[str, tuple[str, Sequence[Sequence[float]]]]
"""By name: a colour, and for each place on the axis the values of the rounds."""


def draw(results: Results, directory: Path, *, suffix: str = "svg") -> list[Path]:
    """The files that were drawn."""
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
    if results.cells:
        yield "throughput", _sizes(results)
        yield "axes", _axes(results)
        yield "latency", _latency(results)
        yield "cpu", _cpu(results)


def _sizes(results: Results) -> Figure:
    """By record size, for both producers; the appender alone beside kov."""
    figure, panels = plt.subplots(1, 2, figsize=(11, 3.8), sharey=True, width_ratios=(5, 3))
    for panel, axis in zip(panels, ("record size", "Java producer"), strict=True):
        cells = axes(System.KOV_LITE)[axis]
        found = dict(_bars(results, cells))
        if axis == "record size":
            alone = [each for each in results.systems() if appended(each)]
            for system in alone:
                cells_alone = [replace(each, system=system, way=Way.APPENDER) for each in cells]
                found[f"appender alone, {system.removeprefix('kov on ')}"] = (
                    _ALONE if system is System.KOV_LITE else "#bbbbbb",
                    [_rates(results, each) for each in cells_alone],
                )
        _draw(panel, found, [each.what.partition(",")[0] for each in cells])
        panel.set_title(cells[0].way.value)
        _numbers(panel)
    panels[0].set_ylabel("MiB/s")
    _legend(figure, panels[0], f"one partition, acks=all, as fast as it goes; {_SPREAD}")
    return figure


def _axes(results: Results) -> Figure:
    names = ("partitions", "producers", "codec", "acks")
    figure, panels = plt.subplots(1, len(names), figsize=(13, 3.4), sharey=True)
    for panel, name in zip(panels, names, strict=True):
        cells = axes(System.KOV_LITE)[name]
        _draw(panel, dict(_bars(results, cells)), [str(getattr(each, _FIELD[name])) for each in cells])
        panel.set_title(name)
        _numbers(panel)
    panels[0].set_ylabel("MiB/s of record values")
    _legend(figure, panels[0], f"records of 1 KiB, confluent-kafka, as fast as it goes; {_SPREAD}")
    return figure


_FIELD = {"partitions": "partitions", "producers": "producers", "codec": "codec", "acks": "acks"}


def _latency(results: Results) -> Figure:
    figure, panels = plt.subplots(1, 3, figsize=(11, 3.6), sharey=True)
    cells = axes(System.KOV_LITE)["latency"]
    shares: tuple[tuple[str, Callable[[Cell, Figures], float]], ...] = (
        ("p50", lambda _, each: each.p50_ms),
        ("p99", lambda _, each: each.p99_ms),
        ("p99.9", lambda _, each: each.p999_ms),
    )
    offered = [f"{each.rate:,g}" for each in cells]
    for panel, (name, value) in zip(panels, shares, strict=True):
        _draw(panel, dict(_bars(results, cells, value)), offered)
        panel.set_title(name)
        panel.set_xlabel("records/s offered")
        if panel.has_data():
            panel.set_yscale("log")
            panel.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        _numbers(panel)
    panels[0].set_ylabel("ms (log)")
    _legend(figure, panels[0], f"from produce() to the delivery report, 1 KiB, linger.ms 0; {_SPREAD}")
    return figure


def _cpu(results: Results) -> Figure:
    """Stacked: the server, the store, the load. A real cluster uses a core when idle, which says nothing."""
    cells = axes(System.KOV_LITE)["record size"]
    systems = [
        each
        for each in results.systems()
        if each is not System.KOV_VARLOG and results.turns(replace(cells[1], system=each))
    ]
    figure, panel = plt.subplots(figsize=(10, 3.8))
    width = _WIDTH / max(1, len(systems))
    for number, system in enumerate(systems):
        places = [place + (number - len(systems) / 2 + 0.5) * width for place in range(len(cells))]
        floor = [0.0] * len(cells)
        for part, (shade, hatch) in enumerate(((1.0, ""), (0.6, ""), (0.25, "///"))):
            heights = [_part(results, replace(each, system=system), part) for each in cells]
            label = f"{system}: {('server', 'store', 'load')[part]}" if any(heights) else None
            panel.bar(
                *(places, heights, width),
                bottom=floor,
                color=_COLOURS[system],
                alpha=shade,
                hatch=hatch,
                label=label,
                edgecolor="white",
            )
            floor = [low + height for low, height in zip(floor, heights, strict=True)]
    panel.set_xticks(range(len(cells)), [each.what.partition(",")[0] for each in cells])
    panel.grid(visible=False, axis="x")
    panel.set_ylabel("CPU seconds per GiB")
    _legend(figure, panel, "CPU time by record size: confluent-kafka, one partition, acks=all", columns=4)
    return figure


def _part(results: Results, cell: Cell, part: int) -> float:
    found = [per_gib(cell, each)[part] for each in results.turns(cell)]
    return median(found) if found else 0.0


def _rates(results: Results, cell: Cell) -> list[float]:
    return [mib_per_s(cell, each) for each in results.turns(cell)]


def _bars(
    results: Results, cells: Sequence[Cell], value: Callable[[Cell, Figures], float] = mib_per_s
) -> Iterator[tuple[str, tuple[str, Sequence[Sequence[float]]]]]:
    """Systems that have none of the cells are left out."""
    for system in results.systems():
        there = [replace(each, system=system) for each in cells]
        values = [[value(cell, each) for each in results.turns(cell)] for cell in there]
        if any(values):
            yield system.value, (_COLOURS[system], values)


def _draw(panel: Axes, bars: Bars, names: Sequence[str]) -> None:
    width = _WIDTH / max(1, len(bars))
    for number, (name, (colour, values)) in enumerate(bars.items()):
        shift = (number - len(bars) / 2 + 0.5) * width
        found = [(place + shift, sorted(each)) for place, each in enumerate(values) if each]
        middles = [median(each) for _, each in found]
        below = [middle - each[0] for middle, (_, each) in zip(middles, found, strict=True)]
        above = [each[-1] - middle for middle, (_, each) in zip(middles, found, strict=True)]
        panel.bar(
            *([place for place, _ in found], middles, width),
            yerr=[below, above],
            label=name,
            color=colour,
            error_kw={"elinewidth": 0.8},
        )
    panel.grid(visible=False, axis="x")
    panel.set_xticks(range(len(names)), list(names))


def _numbers(panel: Axes) -> None:
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    panel.yaxis.set_minor_locator(NullLocator())


def _legend(figure: Figure, panel: Axes, title: str, *, columns: int = 6) -> None:
    handles, names = panel.get_legend_handles_labels()
    figure.suptitle(title, fontsize=10)
    figure.tight_layout()
    if handles:
        figure.legend(
            *(handles, names),
            loc="upper center",
            bbox_to_anchor=(0.5, 0.0),
            ncols=min(len(names), columns),
            frameon=False,
        )
