"""Seeded schedules of the partition room against the simulated log; a failure names the seed to replay.

`python -m tests.simulation --seed N` replays one, `--schedules 100000` runs many.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.simulation.checker import Attempt, Checker
from tests.simulation.loop import run
from tests.simulation.many import innermost
from tests.simulation.scenario import simulate

STRIKES = (
    "a message took long",
    "a call was lost",
    "an answer was lost",
    "an append was committed after its client had given up",
    "an append hung",
    "a seal discarded an append",
    "another writer came between",
    "metadata were told that are out of date",
    "a fence was committed and its writer not told",
    "a lagging replica was read",
    "entries were trimmed",
    "a log stream was half unsealed",
    "a log stream was unsealed in haste",
    "the old primary was made to act",
    "a log stream was stuck after an unseal",
    "kov asked to seal",
    "kov asked to unseal",
    "break streams",
    "kill",
    "freeze storage",
    "freeze node",
    "foreign",
    "strand",
    "move primary",
    "lose repository",
    "lose admin",
)


@pytest.mark.parametrize("seed", range(60))
def test_no_schedule_loses_doubles_or_reorders(seed: int) -> None:
    run(seed, simulate(seed))


def test_a_seed_is_one_schedule_to_the_last_byte() -> None:
    first, second = (run(7, simulate(7)) for _ in range(2))
    assert first.history == second.history
    assert first.stream.entries == second.stream.entries
    assert len(first.history) > 50


def test_a_seed_is_replayed_in_another_process() -> None:
    command = [sys.executable, "-m", "tests.simulation", "--seed", "11"]
    told = [subprocess.run(command, capture_output=True, check=True).stdout for _ in range(2)]
    assert told[0] == told[1]
    assert told[0].splitlines() == [line.encode() for line in run(11, simulate(11)).history]


@pytest.mark.slow
def test_many_schedules_are_gone_on_with_where_they_were_stopped(tmp_path: Path) -> None:
    kept = tmp_path / "progress"
    command = [sys.executable, "-m", "tests.simulation", "--schedules", "60", "--chunk", "20"]
    command += ["--progress", str(kept)]
    stopped = subprocess.run([*command, "--jobs", "2", "--seconds", "0"], capture_output=True, check=True)
    assert stopped.stdout.startswith(b"20 schedules, 0 failed")
    gone_on = subprocess.run([*command, "--jobs", "1"], capture_output=True, check=True)
    assert b"60 schedules, 0 failed" in gone_on.stdout
    assert sorted(json.loads(kept.read_text())["chunks"]) == [0, 20, 40]


def test_a_violation_ends_a_schedule_in_the_moment_it_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not when the schedule is over: what follows would blur it."""
    taken = Checker._take_batch
    stored: list[Attempt] = []

    def find_fault(self: Checker, attempt: Attempt, offset: int, *, idempotent: bool) -> None:
        taken(self, attempt, offset, idempotent=idempotent)
        stored.append(attempt)
        assert len(stored) < 3, "the third is wrong"

    whole = len(run(7, simulate(7)).checker.offsets)
    monkeypatch.setattr(Checker, "_take_batch", find_fault)
    with pytest.raises(BaseExceptionGroup) as caught:
        run(7, simulate(7))
    assert str(innermost(caught.value)).startswith("the third is wrong")
    assert len(stored) < whole / 2  # what was under way when everything was closed


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_everything_that_may_go_wrong_does_in_500_schedules() -> None:
    missing = set(STRIKES)
    for seed in range(500):
        seen = run(seed, simulate(seed)).seen
        missing -= {what for what, times in seen.items() if times}
        if not missing:
            return
    pytest.fail(f"never: {missing}")


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
