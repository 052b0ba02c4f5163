"""Seeded schedules of the partition room against the simulated log; a failure names the seed to replay.

`python -m tests.simulation --seed N` replays one, `--schedules 100000` runs many.
"""

from __future__ import annotations

import time

import pytest

from tests.simulation.loop import run
from tests.simulation.scenario import simulate


@pytest.mark.parametrize("seed", range(40))
def test_no_schedule_loses_doubles_or_reorders(seed: int) -> None:
    run(seed, simulate(seed))


def test_a_seed_is_one_schedule() -> None:
    first, second = (run(7, simulate(7)) for _ in range(2))
    assert first.history == second.history
    assert first.checker.offsets == second.checker.offsets
    assert len(first.history) > 50


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_new_schedules_for_two_minutes() -> None:
    """New seeds in every run: the clock chooses them, and the failure's text names the one."""
    seed = time.time_ns() % 10**12
    told: set[str] = set()
    until = time.monotonic() + 120
    while time.monotonic() < until:
        try:
            told |= set(run(seed, simulate(seed)).checker.told)
        except BaseException as error:
            raise AssertionError(f"python -m tests.simulation --seed {seed}") from error
        seed += 1
    assert {"not_leader_or_follower", "request_timed_out", "kafka_storage_error"} <= told
