"""What is said of a load, to people and to programs. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kov.tools.bench.latencies import SHOWN
from kov.tools.bench.load import Order
from kov.tools.bench.tally import Second, Tally
from kov.tools.tables import counted, size

_BARS: Final = " ▁▂▃▄▅▆▇█"


def what(order: Order, partitions: int) -> str:
    """The load in one line."""
    loop = (
        f"{order.rate:,.0f} records/s (open loop)"
        if order.rate
        else f"{order.in_flight} in flight (closed loop)"
    )
    return (
        f"{order.topic}, {counted(partitions, 'partition')}: {loop}, {size(order.size)} each, "
        f"acks={order.acks}, {order.codec}, {order.seconds:g} s"
    )


def lines(tally: Tally) -> list[tuple[str, str]]:
    """The summary, as names and values."""
    lasted = max(tally.lasted, 1e-9)
    latencies = tally.latencies
    rows = [
        ("records", f"{tally.records:,} in {tally.lasted:.1f} s"),
        ("rate", f"{tally.records / lasted:,.0f} records/s, {size(int(tally.bytes / lasted))}/s"),
    ]
    if tally.records:
        rows.append(("latency", ", ".join(f"p{each:g} {ms(latencies.percentile(each))}" for each in SHOWN)))
        rows.append(("longest", ms(latencies.longest)))
    if tally.failed:
        rows.append(("failed", f"{tally.failed:,}: {tally.reason}"))
    return rows


def line(second: Second) -> str:
    """For a pipe: one line a second."""
    failed = f", {second.failed:,} failed" if second.failed else ""
    volume = size(int(second.bytes / second.length))
    return (
        f"{second.at + second.length:6.1f} s  {second.rate:>10,.0f} records/s  {volume:>10}/s"
        f"  median {ms(second.median):>8}  p99 {ms(second.p99):>8}  longest {ms(second.longest):>8}{failed}"
    )


def facts(order: Order, partitions: int, tally: Tally) -> dict[str, object]:
    """For programs; all times in milliseconds."""
    lasted = max(tally.lasted, 1e-9)
    return {
        "topic": order.topic,
        "partitions": partitions,
        "loop": "open" if order.rate else "closed",
        "record_bytes": order.size,
        "acks": order.acks,
        "codec": order.codec,
        "seconds": round(tally.lasted, 3),
        "records": tally.records,
        "bytes": tally.bytes,
        "failed": tally.failed,
        "reason": tally.reason or None,
        "records_per_s": round(tally.records / lasted, 1),
        "bytes_per_s": round(tally.bytes / lasted, 1),
        "latency_ms": {
            **{f"p{each:g}": _ms(tally.latencies.percentile(each)) for each in SHOWN},
            "longest": _ms(tally.latencies.longest),
        },
        "by_second": [
            {
                "at": round(each.at, 3),
                "records_per_s": round(each.rate, 1),
                "failed": each.failed,
                "p50_ms": _ms(each.median),
                "p99_ms": _ms(each.p99),
                "longest_ms": _ms(each.longest),
            }
            for each in tally.seconds
        ],
    }


def bars(values: Sequence[float], width: int) -> str:
    """The newest values as a row of blocks, the largest of them full."""
    shown = values[-width:]
    largest = max(shown, default=0.0)
    return "".join(_BARS[round(each / largest * (len(_BARS) - 1))] if largest else _BARS[0] for each in shown)


def ms(seconds: float) -> str:
    milliseconds = seconds * 1000
    return f"{milliseconds:,.1f} ms" if milliseconds < 100 else f"{milliseconds:,.0f} ms"


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
