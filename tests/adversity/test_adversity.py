"""Forty faults with a new seed, which is printed. `make adversity FAULTS=1000` goes on for longer."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from tests.adversity.rounds import Round
from tests.adversity.state import Result, State
from tests.adversity.storage import LITE, REAL
from tests.real_varlog import missing_programs

_FAULTS = {LITE: 40, REAL: 12}


async def play(storage: str, directory: Path) -> Result:
    seed = secrets.token_hex(4)
    print(f"seed {seed}, {storage}; the history of a finding is kept in {directory}")
    state = State(directory)
    played = Round(storage, directory / "round-0001", seed, _FAULTS[storage])
    await played.play()
    return state.finish(1, played)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_nothing_comes_to_harm_on_varlog_lite(tmp_path: Path) -> None:
    result = await play(LITE, tmp_path)
    assert result.faults == _FAULTS[LITE]
    assert result.acknowledged > 1000
    assert result.findings == []


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.timeout(600)
@pytest.mark.skipif(missing_programs() is not None, reason=missing_programs() or "")
async def test_nothing_comes_to_harm_on_a_real_cluster(tmp_path: Path) -> None:
    result = await play(REAL, tmp_path)
    assert result.faults == _FAULTS[REAL]
    assert result.acknowledged > 1000
    assert result.findings == []
