"""A load as a picture: rate and latency over time, and how the latencies are spread."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from kov.errors import CannotStart
from kov.tools.bench.tally import Tally

_SPREAD: Final = [*range(1, 100), *(99 + n / 20 for n in range(1, 20)), 99.99]


def draw(path: Path, title: str, tally: Tally) -> None:
    """Writes a PNG, SVG or PDF, as the name ends. Raises CannotStart where it can't be written."""
    mpl.rcParams["svg.fonttype"] = "none"
    try:
        drawn(title, tally).savefig(path, dpi=120)
    except OSError as error:
        raise CannotStart(f"{path} can't be written: {error.strerror}") from None


def drawn(title: str, tally: Tally) -> Figure:
    """At least one interval has ended."""
    figure = Figure(figsize=(9, 7.5), layout="constrained")
    figure.suptitle(title, fontsize=10)
    rates, times, spread = figure.subplots(3, 1)
    middles = [each.at + each.length / 2 for each in tally.seconds]

    scale = "log" if tally.latencies.longest else "linear"  # of nothing there is no logarithm
    edges = [*(each.at for each in tally.seconds), tally.seconds[-1].at + tally.seconds[-1].length]
    rates.stairs([each.rate for each in tally.seconds], edges, baseline=None, color="#1f6feb", linewidth=1.5)
    rates.set(
        ylabel="records/s", ylim=(0, 1.1 * max(each.rate for each in tally.seconds) + 1), xlabel="seconds"
    )

    for label, values, color in (
        ("longest", [each.longest for each in tally.seconds], "#c9510c"),
        ("p99", [each.p99 for each in tally.seconds], "#8250df"),
        ("median", [each.median for each in tally.seconds], "#1a7f37"),
    ):
        times.plot(middles, [value * 1000 for value in values], label=label, color=color, marker=".")
    times.set(ylabel="latency, ms", yscale=scale, xlabel="seconds")
    times.legend(loc="upper right", fontsize=8)

    spread.plot(_SPREAD, [tally.latencies.percentile(each) * 1000 for each in _SPREAD], color="#1f6feb")
    spread.set(ylabel="latency, ms", yscale=scale, xlabel="percent of the records that took no longer")
    for axes in (rates, times, spread):
        axes.grid(visible=True, alpha=0.3)
    for axes in (times, spread):
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    for axes in (rates, times):
        axes.set_xlim(0, tally.lasted)
    return figure
