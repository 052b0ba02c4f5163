"""A guard against kov becoming dearer: CPU time for each Produce request, beside a stored figure.

Where a change makes requests dearer with good reason, or cheaper: run this file with `-s`, and store what it
says.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.cost import costs
from tests.bench.slowed import Slowed
from tests.kov_process import KovProcess

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

MARGIN = 1.3
SMALL, LARGE = 16 * 1024, 1_000_000
STORED = {SMALL: 1.75, LARGE: 3.8}
_REQUESTS = {SMALL: 200, LARGE: 40}
_ROUNDS = 5


def measured(kov: KovProcess, size: int) -> float:
    """The least of the rounds: what disturbs mostly adds to it."""
    found = costs(kov, value_bytes=size, requests=_REQUESTS[size], rounds=_ROUNDS)
    said = ", ".join(f"{each:.2f}" for each in found)
    print(f"{size} bytes: {said} times the reference, by round; {STORED[size]} is stored")
    return min(found)


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_produce_request_costs_no_more_cpu_than_it_did(tmp_path: Path, size: int) -> None:
    with KovProcess(tmp_path) as kov:
        found = measured(kov, size)
    assert found <= MARGIN * STORED[size]


def test_two_thirds_more_work_trips_the_guard(tmp_path: Path) -> None:
    with Slowed(tmp_path) as kov:
        assert measured(kov, SMALL) > MARGIN * STORED[SMALL]
