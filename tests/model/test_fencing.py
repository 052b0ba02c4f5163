"""The Promela model of fencing and doubt, searched exhaustively by spin, and that it can find faults."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

MODEL = Path(__file__).with_name("fencing.pml")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def search(directory: Path, *definitions: str) -> str:
    """What the search says. Needs spin and gcc, and fails without them."""
    for tool in ("spin", "gcc"):
        assert shutil.which(tool), f"{tool} is needed to check the model"
    shutil.copy(MODEL, directory)
    subprocess.run(["spin", *definitions, "-a", MODEL.name], cwd=directory, check=True, capture_output=True)
    compiled = ["gcc", "-O2", "-DSAFETY", "-DCOLLAPSE", "-DMEMLIM=4096", "-o", "pan", "pan.c"]
    subprocess.run(compiled, cwd=directory, check=True, capture_output=True)
    done = subprocess.run(
        ["./pan", "-m100000", "-E"], cwd=directory, check=True, capture_output=True, text=True
    )
    return done.stdout


def errors_in(said: str) -> int:
    found = re.search(r"errors: (\d+)", said)
    assert found, said
    assert "max search depth too small" not in said
    return int(found[1])


@pytest.mark.parametrize("size", [("-DOPENINGS=2", "-DBATCHES=1"), ("-DOPENINGS=2", "-DBATCHES=2")])
def test_two_writers_never_lose_double_or_refuse_wrongly(tmp_path: Path, size: tuple[str, str]) -> None:
    said = search(tmp_path, *size)
    assert errors_in(said) == 0
    states = re.search(r"(\d+) states, stored", said)
    assert states
    assert int(states[1]) > 100_000, "the search was not exhaustive"


@pytest.mark.parametrize("rule", ["NO_FENCE", "NO_OWN_CHECK", "NO_LLSN_CHECK"])
def test_without_a_rule_there_is_a_counterexample(tmp_path: Path, rule: str) -> None:
    said = search(tmp_path, f"-D{rule}")
    assert errors_in(said) > 0
    assert "assertion violated" in said
