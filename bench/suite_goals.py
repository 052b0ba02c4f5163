"""The goals that figures of `make bench` can judge, each with what was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from statistics import median

from bench.suite_cells import RECORD_BYTES, Cell, Figures, System, Way, size_name
from bench.suite_results import Results

_LITE = Cell(system=System.KOV_LITE)
_LARGE = 100 * 1024
_LARGEST_OF_SMALL = 1024
_AT_500 = replace(_LITE, rate=500.0)


def lines(results: Results) -> list[list[str]]:
    """What was to be reached, what was, the bound, and whether that holds; only of what was measured."""
    goals = [*_ratios(results), *_latencies(results), *_costs(results), *_growth(results)]
    return [
        [said, f"{value:.2f}", f"{'≥' if least else '≤'} {bound:g}", "holds" if holds else "**missed**"]
        for said, value, bound, least in goals
        for holds in [value >= bound if least else value <= bound]
    ]


_Goal = tuple[str, float, float, bool]


def _ratios(results: Results) -> Iterator[_Goal]:
    for size in RECORD_BYTES:
        cell = replace(_LITE, record_bytes=size)
        bound = 1.0 if size <= _LARGEST_OF_SMALL else 0.8
        yield from _ratio(
            results, f"kov ÷ Kafka with fsync, {size_name(size)}", cell, _on(System.KAFKA_FSYNC, cell), bound
        )
    for size in RECORD_BYTES:
        cell = replace(_LITE, record_bytes=size)
        alone = replace(cell, way=Way.APPENDER)
        yield from _ratio(results, f"kov ÷ appender alone, {size_name(size)}", cell, alone, 0.95)
    many = replace(_LITE, partitions=256)
    yield from _ratio(results, "256 partitions ÷ one", many, _LITE, 0.7)


def _ratio(results: Results, said: str, above: Cell, below: Cell, bound: float) -> Iterator[_Goal]:
    pairs = list(zip(results.turns(above), results.turns(below), strict=False))
    if pairs:
        yield said, median(a.records_per_s / b.records_per_s for a, b in pairs), bound, True


def _on(system: System, cell: Cell) -> Cell:
    return replace(cell, system=system)


def _latencies(results: Results) -> Iterator[_Goal]:
    kov, kafka = (results.middle(each, _p50) for each in (_AT_500, _on(System.KAFKA_FSYNC, _AT_500)))
    if kov is not None and kafka is not None:
        yield "p50 at 500/s: kov ÷ Kafka with fsync", kov / kafka, 1.5, False
    alone = replace(_AT_500, way=Way.APPENDER)
    for name, value, bound in (("p50", _p50, 0.5), ("p99", _p99, 1.0)):
        through, past = results.middle(_AT_500, value), results.middle(alone, value)
        if through is not None and past is not None:
            yield f"{name} at 500/s that kov and the producer add, ms", through - past, bound, False


def _p50(figures: Figures) -> float:
    return figures.p50_ms


def _p99(figures: Figures) -> float:
    return figures.p99_ms


def _costs(results: Results) -> Iterator[_Goal]:
    """librdkafka fills its requests with up to 1 MB of such records."""
    cell = replace(_LITE, record_bytes=_LARGE)
    found = [each.server_cpu_s * 1000 / each.requests for each in results.turns(cell) if each.requests]
    if found:
        yield "kov's CPU per Produce request of 100 KiB records, ms", median(found), 1.5, False


def _growth(results: Results) -> Iterator[_Goal]:
    found: tuple[tuple[str, str, float, Callable[[float], float]], ...] = (
        ("idle kov, % of a core", "server_idle_share", 1.0, lambda each: each * 100),
        ("ready with 10,000 mapped partitions, s", "mapped_start_s", 2.0, float),
        ("1,000 partitions opened, s", "opened_s", 5.0, float),
        ("1,000 idle connections, MiB", "connections_mib", 500.0, float),
        ("idle with those, % of a core", "crowded_idle_share", 1.0, lambda each: each * 100),
    )
    for said, name, bound, shown in found:
        value = results.fact(System.KOV_LITE, name)
        if value is not None:
            yield said, shown(value), bound, False
