"""What kov costs as it grows, in CPU seconds and memory: a busy machine changes those less than the time.

The goals are of a quiet machine: ready with 10,000 mapped partitions in 2 s, 1,000 opened in 5.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.suite_growth import CONNECTIONS, MAPPED, OPENED, grown

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


async def test_many_partitions_and_connections_cost_little(tmp_path: Path) -> None:
    found = await grown(tmp_path)
    print({name: round(value, 3) for name, value in found.items()})
    assert (MAPPED, OPENED, CONNECTIONS) == (10_000, 1_000, 1_000)
    assert found["mapped_start_cpu_s"] <= 2.5, "0.9 to 1.3 s were seen"
    assert found["opened_cpu_s"] <= 3.0, "1.3 s were seen"
    assert found["connections_mib"] <= 500 / 4, "goal: 500 MiB; a tenth was seen"
    assert found["crowded_idle_share"] <= 0.01
    assert found["partition_kib"] <= 100, "35 were seen"
    assert found["held_per_mib"] <= 2.5
