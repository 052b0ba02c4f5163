"""What the measuring programs conclude and print: no figure may appear for what was not measured."""

from __future__ import annotations

import io
import math
import pstats
from pathlib import Path

import pytest
from rich.console import Console

from bench import hot_spots, table
from bench.cells import APPENDER, KOV, Cell, Measured, Round, Row
from bench.site import CpuSeconds
from bench.values import MIB, Entry, Outcome, percentile


def row(path: str, cell: Cell, *, rates: tuple[float, ...] = (100.0,), kov_s: float = 0.0) -> Row:
    """Each round lasts a second and has ten requests."""
    rounds = [
        Round(
            outcome=Outcome(
                records=round(rate), requests=10, seconds=1.0, cpu_s=0.5, latencies_ms=[1.0, 2.0, 9.0]
            ),
            cpu=CpuSeconds(kov=kov_s, store=0.25),
        )
        for rate in rates
    ]
    return Row(store="varlog_lite", path=path, cell=cell, rounds=rounds)


def measured(
    size: int, *, kov: float = 100.0, alone: float = 200.0, kov_s: float = 0.1, rate: float | None = None
) -> Measured:
    cell = Cell(record_bytes=size, rate=rate)
    return Measured(
        kov=row(KOV, cell, rates=(kov,), kov_s=kov_s),
        appender=row(APPENDER, cell, rates=(alone,)),
        entries=[Entry(size=2048, records=10)],
    )


def printed(*cells: Measured) -> str:
    out = io.StringIO()
    console = Console(file=out, width=160)
    table.show(console, cells)
    table.show_small_records(console, cells)
    return out.getvalue()


def test_percentile_is_a_value_that_was_measured() -> None:
    values = [float(number) for number in range(1, 101)]
    assert percentile(values, 0.5) == 50.0
    assert percentile(values, 0.99) == 99.0
    assert percentile([7.0], 0.99) == 7.0
    assert math.isnan(percentile([], 0.5))


def test_ratio_is_kov_by_appender_with_its_spread_over_rounds() -> None:
    cell = Cell(record_bytes=1024)
    both = Measured(
        kov=row(KOV, cell, rates=(100.0, 300.0)),
        appender=row(APPENDER, cell, rates=(200.0, 300.0)),
        entries=[Entry(size=1, records=1)],
    )
    assert both.ratio == pytest.approx(400 / 500)
    assert "0.80 (0.50–1.00)" in printed(both)  # noqa: RUF001 - a range


def test_failed_cell_says_so_and_shows_no_figure() -> None:
    both = measured(1024)
    both.kov.failure = "the producer gave up"
    line = next(line for line in printed(both).splitlines() if KOV in line)
    assert "failed: the producer" in line
    assert "100" not in line
    assert both.ratio is None
    (_, through_kov) = table.as_json([both])
    assert through_kov["failure"] == "the producer gave up"
    assert "records_per_s" not in through_kov


@pytest.mark.parametrize(("small_s", "verdict"), [(0.19, "holds"), (0.21, "MISSED")])
def test_small_records_goal_is_judged_by_cpu_per_mib(small_s: float, verdict: str) -> None:
    large = measured(1024, kov=MIB / 1024, kov_s=0.1)  # 1 MiB in 0.1 s of CPU
    small = measured(100, kov=MIB / 100, kov_s=small_s)
    assert f"goal at most 2: {verdict}" in printed(small, large)


def test_small_records_goal_needs_both_sizes_and_no_rate() -> None:
    assert "goal" not in printed(measured(100))
    assert "goal" not in printed(measured(100, rate=500.0), measured(1024))


def test_native_function_is_booked_on_the_room_that_calls_it() -> None:
    root = Path("/project")
    caller = (f"{root}/kov/records.py", 10, "check")
    stats = pstats.Stats()
    stats.stats = {  # type: ignore[attr-defined]
        caller: (5, 5, 0.1, 0.4, {}),
        ("~", 0, "<built-in method crc32c>"): (5, 5, 0.3, 0.3, {caller: (5, 5, 0.3, 0.3)}),
        ("/venv/site-packages/kio/serial/readers.py", 3, "read"): (1, 1, 0.2, 0.2, {}),
    }
    lines = hot_spots.lines(stats, root)
    assert [(line.room, line.where, line.seconds) for line in lines] == [
        ("kov/records.py", "kov/records.py:10 check → crc32c", 0.3),
        ("kio", "kio/serial/readers.py:3 read", 0.2),
        ("kov/records.py", "kov/records.py:10 check", 0.1),
    ]
