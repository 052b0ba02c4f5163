"""`python -m tests.adversity`: faults by the hundred, and whether anything came to harm.

Stops by itself; run again with the same --state it goes on. Exit status 1: something was found, and its
history lies where the last lines say. 3: the time of --minutes was over before the faults were.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import signal
import sys
import time
from pathlib import Path

os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.adversity.report import report
from tests.adversity.rounds import Round
from tests.adversity.state import State
from tests.adversity.storage import LITE, REAL
from tests.real_varlog import missing_programs

_FAULTS_IN_A_ROUND = 20


def main() -> int:
    args = _arguments()
    state = State.load(args.state or Path(f"adversity-{args.storage}"))
    if args.report:
        print(*report(state), sep="\n")
        return 0
    if args.storage == REAL and (reason := missing_programs()):
        print(f"adversity: {reason}", file=sys.stderr)
        return 2
    state.directory.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _play(state, args)
    except KeyboardInterrupt:
        print("interrupted: this round counts for nothing; the same command goes on")
    found = [result for result in state.results if result.findings]
    for result in found:
        where = state.directory / f"round-{result.number:04}" / "findings.txt"
        print(f"round {result.number}, seed {result.seed}: {len(result.findings)} findings, see {where}")
    print(f"{state.faults} faults in {len(state.results)} rounds, {len(found)} rounds with findings")
    return 1 if found else 0 if state.faults >= args.faults else 3


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.adversity", description=__doc__)
    parser.add_argument("--faults", type=int, default=40, help="how many in all, those of earlier runs too")
    parser.add_argument("--seed", default=None, help="default: that of the earlier runs, else a new one")
    parser.add_argument("--storage", choices=(LITE, REAL), default=LITE)
    parser.add_argument("--state", type=Path, help="the directory to work in; default: adversity-STORAGE")
    parser.add_argument("--minutes", type=float, default=None, help="begin no round after so long")
    parser.add_argument("--report", action="store_true", help="print the table of what was seen, and end")
    return parser.parse_args()


def _play(state: State, args: argparse.Namespace) -> None:
    seed = args.seed or state.seed or secrets.token_hex(4)
    until = time.monotonic() + args.minutes * 60 if args.minutes else float("inf")
    console = Console()
    console.print(f"seed {seed}")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("", total=args.faults, completed=state.faults)
        while state.faults < args.faults and time.monotonic() < until:
            number = state.next_number

            def said(name: str, number: int = number) -> None:
                progress.update(bar, description=f"round {number}: {name}")

            most = min(_FAULTS_IN_A_ROUND, args.faults - state.faults)
            played = Round(args.storage, state.round_directory(number), f"{seed}/{number}", most, said)
            asyncio.run(played.play())
            result = state.finish(number, played)
            progress.update(bar, completed=state.faults)
            console.print(
                f"round {number}: {result.faults} faults, {result.records} records in "
                f"{result.seconds:.0f} s, {len(result.findings)} findings"
            )
            for finding in result.findings[:5]:
                console.print(f"  {finding}", markup=False)


if __name__ == "__main__":
    sys.exit(main())
