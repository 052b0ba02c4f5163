"""The Promela model of fencing and doubt, searched exhaustively by spin; that it can find faults; and the
schedules of the faults it finds, played again with kov itself."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.simulation import sabotage
from tests.simulation.loop import run
from tests.simulation.many import innermost
from tests.simulation.replay import Step, replay, steps_of

MODEL = Path(__file__).with_name("fencing.pml")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
TRAILS = 12
Sabotage = Callable[[pytest.MonkeyPatch], None]

RULES: dict[str, tuple[list[str], Sabotage]] = {
    "the fence": (["-DNO_FENCE"], sabotage.no_fence),
    "the look at whose fence it is": (["-DNO_OWN_CHECK"], sabotage.no_own_check),
    "the LLSN check": (["-DNO_LLSN_CHECK"], sabotage.no_llsn_check),
    "the fresh id per attempt": (["-DBY_ID", "-DSAME_ID"], sabotage.one_id_for_all_attempts),
}


def search(directory: Path, *definitions: str, trails: int = 1) -> str:
    """What the search says. Needs spin and gcc, and fails without them."""
    for tool in ("spin", "gcc"):
        assert shutil.which(tool), f"{tool} is needed to check the model"
    shutil.copy(MODEL, directory)
    subprocess.run(["spin", *definitions, "-a", MODEL.name], cwd=directory, check=True, capture_output=True)
    compiled = ["gcc", "-O2", "-DSAFETY", "-DCOLLAPSE", "-DMEMLIM=4096", "-o", "pan", "pan.c"]
    subprocess.run(compiled, cwd=directory, check=True, capture_output=True)
    searched = ["./pan", "-m100000", "-E", "-e", f"-c{trails}"]
    done = subprocess.run(searched, cwd=directory, check=True, capture_output=True, text=True)
    return done.stdout


def errors_in(said: str) -> int:
    found = re.search(r"errors: (\d+)", said)
    assert found, said
    assert "max search depth too small" not in said
    return int(found[1])


def schedules(directory: Path, definitions: list[str]) -> list[list[Step]]:
    """The counter-examples without these rules, step by step."""
    said = search(directory, *definitions, trails=TRAILS)
    assert "assertion violated" in said
    found = []
    for number in range(1, errors_in(said) + 1):
        told = ["spin", f"-t{number}", *definitions, MODEL.name]
        done = subprocess.run(told, cwd=directory, check=True, capture_output=True, text=True)
        found.append(steps_of(done.stdout))
    return found


@pytest.mark.parametrize(
    "definitions",
    [["-DOPENINGS=2", "-DBATCHES=1"], ["-DOPENINGS=2", "-DBATCHES=2"], ["-DBY_ID"], ["-DSAME_ID"]],
    ids=" ".join,
)
def test_two_writers_never_lose_double_or_refuse_wrongly(tmp_path: Path, definitions: list[str]) -> None:
    said = search(tmp_path, *definitions)
    assert errors_in(said) == 0
    states = re.search(r"(\d+) states, stored", said)
    assert states
    assert int(states[1]) > 100_000, "the search was not exhaustive"


@pytest.mark.parametrize("rule", RULES)
def test_a_counterexample_without_a_rule_is_one_for_kov_without_it_and_none_for_kov(
    tmp_path: Path, rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    definitions, taken_out = RULES[rule]
    former_writer = "-DNO_FENCE" in definitions
    found = schedules(tmp_path, definitions)
    assert found
    for steps in found:
        run(0, replay(steps, strictly=False, former_writer=former_writer))
    for steps in found:
        with monkeypatch.context() as patch:
            taken_out(patch)
            with pytest.raises(BaseExceptionGroup) as caught:
                run(0, replay(steps, strictly=True, former_writer=former_writer))
        assert isinstance(innermost(caught.value), AssertionError), f"{steps}: {caught.value!r}"
