"""The tables of `make bench`, in markdown, of what was measured: medians, with their spread over rounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from statistics import median

from bench.suite_cells import Cell, Figures, System, Way, appended, axes, mib_per_s
from bench.suite_goals import lines as goal_lines
from bench.suite_results import Results
from bench.values import MIB

NOTHING = "–"  # noqa: RUF001 - a dash
_RATIOS = (
    (System.KOV_LITE, System.KAFKA_FSYNC, "kov ÷ Kafka, fsync"),
    (System.KOV_LITE, System.KAFKA, "kov ÷ Kafka"),
)

Value = Callable[[Cell, Figures], float]


def markdown(results: Results) -> str:
    return "\n\n".join(blocks(results))


def blocks(results: Results) -> Iterator[str]:
    """Each a heading line, an empty line and a table."""
    if not results.cells:
        yield "nothing was measured yet"
        return
    yield _conditions(results)
    yield "**MiB/s of record values**\n\n" + _throughput(results)
    yield "**Latency, ms: p50, p99, p99.9**\n\n" + _latency(results)
    yield "**CPU seconds per GiB of record values: kov or Kafka + store + load**\n\n" + _per_gib(results)
    yield "**CPU seconds per 1,000 requests: kov or Kafka + store**\n\n" + _per_request(results)
    yield "**At rest**\n\n" + _facts(results)
    if goals := goal_lines(results):
        yield "**Goals**\n\n" + _table(["goal", "measured", "bound", ""], goals)


def _conditions(results: Results) -> str:
    said = ", ".join(f"{name} {value}" for name, value in results.conditions.items())
    runs = "\n".join(f"- {note}" for note in results.notes)
    return f"{said}; {results.rounds()} rounds\n\n{runs}"


def _throughput(results: Results) -> str:
    systems = results.systems()
    alone = [each for each in systems if appended(each)]
    head = ["", *systems, *(f"appender alone, {each.removeprefix('kov on ')}" for each in alone)]
    head += [name for _, _, name in _RATIOS] + ["kov ÷ appender"]
    rows = []
    for cell in cells(results, lambda each: each.rate is None):
        row = [cell.what, *(_spread(results, replace(cell, system=each), mib_per_s) for each in systems)]
        row += [_spread(results, _appended(cell, each), mib_per_s) for each in alone]
        row += [_ratio(results, replace(cell, system=a), replace(cell, system=b)) for a, b, _ in _RATIOS]
        lite = replace(cell, system=System.KOV_LITE)
        row.append(_ratio(results, lite, _appended(cell, System.KOV_LITE)))
        rows.append(row)
    return _table(head, rows)


def _appended(cell: Cell, system: System) -> Cell | None:
    """The appender's cell beside a producer's."""
    return replace(cell, system=system, way=Way.APPENDER) if cell.way is Way.PRODUCER else None


def _latency(results: Results) -> str:
    systems = results.systems()
    alone = replace(Cell(system=System.KOV_LITE), way=Way.APPENDER, rate=500.0)
    shown = [*cells(results, lambda each: each.rate is not None), alone]
    rows = [
        [cell.what, *(_latencies(results, replace(cell, system=each)) for each in systems)] for cell in shown
    ]
    return _table(["", *systems], rows)


def _latencies(results: Results, cell: Cell) -> str:
    if not results.turns(cell):
        return NOTHING
    values: tuple[Callable[[Figures], float], ...] = (
        lambda each: each.p50_ms,
        lambda each: each.p99_ms,
        lambda each: each.p999_ms,
    )
    return ", ".join(f"{results.middle(cell, value) or 0:.2f}" for value in values)


def _per_gib(results: Results) -> str:
    systems = results.systems()
    rows = [
        [cell.what, *(_shares(results, replace(cell, system=each), per_gib) for each in systems)]
        for cell in cells(results, lambda each: each.rate is None)
    ]
    return _table(["", *systems], rows)


def _per_request(results: Results) -> str:
    systems = results.systems()
    rows = [
        [cell.what, *(_shares(results, replace(cell, system=each), per_thousand) for each in systems)]
        for cell in cells(results, lambda each: each.way is Way.PRODUCER)
    ]
    return _table(["", *systems], rows)


def _shares(results: Results, cell: Cell, parts: Callable[[Cell, Figures], Sequence[float]]) -> str:
    found = [parts(cell, each) for each in results.turns(cell)]
    if not found or not all(found):
        return NOTHING
    return " + ".join(three(median(values)) for values in zip(*found, strict=True) if any(values))


def per_gib(cell: Cell, figures: Figures) -> Sequence[float]:
    gib = figures.records * cell.record_bytes / MIB / 1024
    return [each / gib for each in (figures.server_cpu_s, figures.store_cpu_s, figures.load_cpu_s)]


def per_thousand(_cell: Cell, figures: Figures) -> Sequence[float]:
    """Nothing where the load didn't count its requests."""
    if not figures.requests:
        return []
    return [each * 1000 / figures.requests for each in (figures.server_cpu_s, figures.store_cpu_s)]


_FACTS = {
    "start_s": "from start to ready, s",
    "server_idle_share": "idle: share of a core, kov or Kafka",
    "store_idle_share": "idle: share of a core, store",
    "server_fresh_mib": "memory after the start, MiB: kov or Kafka",
    "store_fresh_mib": "memory after the start, MiB: store",
    "mapped_start_s": "from start to ready with 10,000 mapped partitions, s",
    "mapped_start_cpu_s": "its CPU seconds",
    "mapped_mib": "memory with 10,000 mapped partitions, MiB",
    "opened_s": "a record into each of 1,000 partitions, s",
    "opened_cpu_s": "its CPU seconds, kov",
    "partition_kib": "memory of an opened partition, KiB",
    "connection_kib": "memory of an idle connection, KiB",
    "crowded_idle_share": "idle with 1,000 opened and 1,000 connections: share of a core",
    "held_per_mib": "memory for each MiB in flight, MiB",
}


def _facts(results: Results) -> str:
    systems = results.systems()
    rows = []
    for name, said in _FACTS.items():
        found = [results.fact_turns(each, name) for each in systems]
        if any(found):
            rows.append([said, *(_values(turns) for turns in found)])
    most = [_most_memory(results, each) for each in systems]
    rows.append(["memory at most behind a cell, MiB: kov or Kafka", *most])
    return _table(["", *systems], rows)


def _most_memory(results: Results, system: System) -> str:
    found = [each.server_mib for cell, each in results.cells.items() if cell.system is system]
    return f"{max(found):,.0f}" if found else NOTHING


def cells(results: Results, wanted: Callable[[Cell], bool]) -> list[Cell]:
    """In the plan's order, of whichever system; the appender's are no rows of their own."""
    found: dict[Cell, None] = {}
    for each in (cell for group in axes(System.KOV_LITE).values() for cell in group):
        measured = any(results.turns(replace(each, system=system)) for system in results.systems())
        if measured and wanted(each):
            found[each] = None
    return list(found)


def _spread(results: Results, cell: Cell | None, value: Value) -> str:
    return _values([value(cell, each) for each in results.turns(cell)] if cell else [])


def _values(found: Sequence[float]) -> str:
    if not found:
        return NOTHING
    spread = f" ({three(min(found))}–{three(max(found))})" if len(found) > 1 else ""  # noqa: RUF001
    return three(median(found)) + spread


def _ratio(results: Results, above: Cell, below: Cell | None) -> str:
    """Of the rounds that both have, each with its own."""
    found = ratios(results, above, below) if below else []
    if not found:
        return NOTHING
    spread = f" ({min(found):.2f}–{max(found):.2f})" if len(found) > 1 else ""  # noqa: RUF001
    return f"{median(found):.2f}{spread}"


def ratios(results: Results, above: Cell, below: Cell) -> list[float]:
    pairs = zip(results.turns(above), results.turns(below), strict=False)
    return [a.records_per_s / b.records_per_s for a, b in pairs]


def three(value: float) -> str:
    """With the digits that mean something."""
    if value == 0:
        return "0"
    return f"{float(f'{value:.3g}'):,.{2 if value < 10 else 1 if value < 100 else 0}f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])
