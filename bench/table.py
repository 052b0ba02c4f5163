"""The table, and what is concluded from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from rich import box
from rich.console import Console
from rich.table import Table

from bench.cells import Measured, Row

GOAL = 2.0
"""kov's CPU per MiB for 100-byte records may be this many times that for 1 KiB records."""

_NOTES = (
    "appender alone: one LogStreamAppender, pipeline 2, one entry per append, of the sizes that were stored "
    "through kov; an entry counts as the records of such a batch",
    "ratio: records/s through kov by those of the appender alone; in brackets the slowest and fastest round",
    "p50, p99: of a record from produce() to its delivery report, with up to 8 MiB of records ahead of it "
    "where no rate is given; of an append from its hand-over to its callback. At a given rate the difference "
    "of the two is what kov and the producer add",
    "ms/MiB: CPU milliseconds per MiB of record values, of kov, of the store's processes, and of the process "
    "that produces or appends (load); µs/request: per Produce request or append",
)


def show(console: Console, measured: Sequence[Measured]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("store", "records", "path"):
        table.add_column(name, no_wrap=True)
    for name in ("records/s", "MiB/s", "ratio", "p50 ms", "p99 ms", "KiB/entry"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("kov\nms/MiB", "store\nms/MiB", "load\nms/MiB", "kov\nµs/request", "store\nµs/request"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in measured:
        table.add_row(*_cells(each.appender, each, ratio=""))
        table.add_row(*_cells(each.kov, each, ratio=_ratio(each)), end_section=True)
    console.print(table)
    for note in _NOTES:
        console.print(note, style="dim", soft_wrap=True, highlight=False)


def _cells(row: Row, measured: Measured, *, ratio: str) -> list[str]:
    start = [row.store, str(row.cell), row.path]
    if row.failure:
        return [*start, f"failed: {row.failure}"]
    mean = sum(each.size for each in measured.entries) / len(measured.entries)
    through_kov = row is measured.kov
    return [
        *start,
        f"{row.records_per_s:,.0f}",
        f"{row.mib / row.seconds:.1f}",
        ratio,
        f"{row.latency_ms(0.5):.2f}",
        f"{row.latency_ms(0.99):.2f}",
        f"{mean / 1024:.1f}",
        _per_mib(row.kov_cpu_s, row) if through_kov else "",
        _per_mib(row.store_cpu_s, row),
        _per_mib(row.load_cpu_s, row),
        f"{row.kov_cpu_s * 1e6 / row.requests:.0f}" if through_kov else "",
        f"{row.store_cpu_s * 1e6 / row.requests:.0f}",
    ]


def _per_mib(cpu_s: float, row: Row) -> str:
    """Where the rate is given, the bytes say nothing."""
    return "" if row.cell.rate else f"{cpu_s * 1000 / row.mib:.2f}"


def _ratio(measured: Measured) -> str:
    if measured.ratio is None or measured.kov.cell.rate:
        return ""
    pairs = zip(measured.kov.rates, measured.appender.rates, strict=True)
    rounds = [through_kov / alone for through_kov, alone in pairs]
    return f"{measured.ratio:.2f} ({min(rounds):.2f}–{max(rounds):.2f})"  # noqa: RUF001 - a range


def small_records(measured: Sequence[Measured]) -> list[dict[str, object]]:
    """Whether kov does anything per record: its CPU per MiB for 100 B records by that for 1 KiB, by store."""
    found: list[dict[str, object]] = []
    for store in dict.fromkeys(each.kov.store for each in measured):
        rows = {
            each.kov.cell.record_bytes: each.kov
            for each in measured
            if each.kov.store == store and each.kov.cell.rate is None and not each.kov.failure
        }
        if 100 in rows and 1024 in rows:
            small, large = (rows[size].kov_cpu_s * 1000 / rows[size].mib for size in (100, 1024))
            found.append({"store": store, "small_ms": small, "large_ms": large, "ratio": small / large})
    return found


def show_small_records(console: Console, measured: Sequence[Measured]) -> None:
    for each in small_records(measured):
        ratio = each["ratio"]
        assert isinstance(ratio, float)
        console.print(
            f"{each['store']}: kov's CPU per MiB, 100 B by 1 KiB records: "
            f"{each['small_ms']:.2f} / {each['large_ms']:.2f} ms = {ratio:.2f}; "
            f"goal at most {GOAL:g}: {'holds' if ratio <= GOAL else 'MISSED'}",
            soft_wrap=True,
            highlight=False,
        )


def as_json(measured: Sequence[Measured]) -> list[dict[str, object]]:
    """Everything but the single latencies, which percentiles stand for."""
    rows: list[dict[str, object]] = []
    for each in measured:
        for row in (each.appender, each.kov):
            values: dict[str, object] = {
                "store": row.store,
                "path": row.path,
                "record_bytes": row.cell.record_bytes,
                "rate": row.cell.rate,
                "failure": row.failure,
            }
            if row.rounds and not row.failure:
                values |= {
                    "records": row.records,
                    "requests": row.requests,
                    "seconds": row.seconds,
                    "records_per_s": row.records_per_s,
                    "records_per_s_by_round": row.rates,
                    "mib_per_s": row.mib / row.seconds,
                    "latency_ms": {str(share): row.latency_ms(share) for share in (0.5, 0.9, 0.99, 0.999)},
                    "kov_cpu_s": row.kov_cpu_s if row is each.kov else None,
                    "store_cpu_s": row.store_cpu_s,
                    "load_cpu_s": row.load_cpu_s,
                    "entries": [asdict(entry) for entry in each.entries[:5]],
                    "ratio": each.ratio if row is each.kov else None,
                }
            rows.append(values)
    return rows
