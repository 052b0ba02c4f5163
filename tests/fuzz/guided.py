"""`python -m tests.fuzz.guided PARSER DIRECTORY [libFuzzer's options]`: one of `PARSERS` under atheris.

Never returns: libFuzzer ends the process. `run` starts it as a child and says what came of it.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.fuzz.limits import MOST_MIB, SLOWEST_S

ROOT: Final = Path(__file__).resolve().parent.parent.parent
_RUNS: Final = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
_COVERED: Final = re.compile(r"cov: (\d+)")
_ENDING_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Guided:
    """`found`: the bytes that were too much, if there are any; `said` is why."""

    runs: int
    covered: int
    found: bytes | None
    said: str


def run(parser: str, directory: Path, seconds: float, seed: int) -> Guided:
    """`directory` keeps what raises coverage, for the next time."""
    known, found = directory / parser, directory / f"{parser}-found-{seed}"
    for each in (known, found):
        each.mkdir(parents=True, exist_ok=True)
    options = [
        f"-max_total_time={max(1, round(seconds))}", f"-seed={seed % 2**31 or 1}", "-print_final_stats=1",
        f"-timeout={SLOWEST_S}", f"-rss_limit_mb={MOST_MIB}", "-max_len=70000", f"-artifact_prefix={found}/",
    ]  # fmt: skip
    command = [sys.executable, "-m", "tests.fuzz.guided", parser, str(known), *options]
    status, said = afresh(command, seconds + _ENDING_S)
    bad = next((each.read_bytes() for each in sorted(found.iterdir())), None)
    if status and bad is None:
        bad = b""
    runs, covered = _RUNS.search(said), _COVERED.findall(said)
    return Guided(int(runs[1]) if runs else 0, int(covered[-1]) if covered else 0, bad, said[-4000:])


def afresh(command: Sequence[str], timeout_s: float) -> tuple[int, str]:
    """Runs it to its end, or for so long; its exit status and what it said.

    A process begins with the peak of the memory of the one that started it, and libFuzzer takes that for its
    own. So a shell is in between, which is small.
    """
    between = ["/bin/sh", "-c", '"$@"; exit $?', "sh", *command]
    with subprocess.Popen(
        between, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, process_group=0
    ) as shell:
        try:
            said, _ = shell.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(shell.pid, signal.SIGKILL)
            said, _ = shell.communicate()
        except BaseException:  # Ctrl-C: the group of its own hasn't heard of it
            os.killpg(shell.pid, signal.SIGKILL)
            raise
    return shell.returncode, said.decode(errors="replace")


def _fuzz() -> None:
    import atheris  # noqa: PLC0415 - only in the child: its hooks are for it alone

    with atheris.instrument_imports(include=["kov"]):
        from tests.fuzz.parsers import PARSERS  # noqa: PLC0415

    parser = PARSERS[sys.argv.pop(1)]
    for n, seed in enumerate(parser.seeds()):
        (Path(sys.argv[1]) / f"seed-{n}").write_bytes(seed)
    atheris.Setup(sys.argv, parser.run)
    atheris.Fuzz()


if __name__ == "__main__":
    _fuzz()
