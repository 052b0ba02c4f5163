"""`python -m tests.fuzz`: three kinds of attacks on kov's door in turn, until --minutes are over.

Exit status 1: something was found, and it is said where it lies; `--replay FILE` says it to a new kov.
"""

from __future__ import annotations

import argparse
import os
import random
import secrets
import signal
import sys
import tempfile
import time
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Final

os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from tests.fuzz import guided
from tests.fuzz.attack import Attack, Found, load
from tests.fuzz.parsers import PARSERS
from tests.fuzz.stage import Stage

_ROUND_S: Final = 180.0
_MUTATING, _ASKING, _PARSING = 0.5, 0.25, 0.25
"""Shares of a round."""


class Campaign:
    """Rounds one after the other. `counted` is what was done so far, `found` what went wrong."""

    def __init__(self, seed: str, directory: Path) -> None:
        self.counted: Counter[str] = Counter()
        self.found: list[str] = []
        self.directory = directory
        self._seed = seed
        self._begun = time.monotonic()

    def round(self, number: int, seconds: float) -> None:
        """Each kind for its share of `seconds`; a finding ends that kind's share of this round."""
        self._attack(number, "mutated", _MUTATING * seconds)
        self._attack(number, "valid", _ASKING * seconds)
        for parser in PARSERS:
            self._parse(number, parser, _PARSING * seconds / len(PARSERS))

    def _attack(self, number: int, kind: str, seconds: float) -> None:
        rng = random.Random(f"{self._seed}/{number}/{kind}")
        with tempfile.TemporaryDirectory() as scratch, Stage(Path(scratch)) as stage:
            attack = Attack(stage)
            try:
                (attack.mutate if kind == "mutated" else attack.ask)(rng, seconds=seconds)
                attack.restart()
            except Found as found:
                path = self.directory / f"{self._seed}-{number}-{kind}.txt"
                found.save(path)
                self._report(f"{found}; see {path}")
            told = attack.counted
            self.counted.update({f"{kind} requests": told["requests"], f"{kind} answers": told["answers"]})
            self._say(number, f"{kind}: {dict(told)}, grown by {stage.growth_mib} MiB")

    def _parse(self, number: int, parser: str, seconds: float) -> None:
        seed = random.Random(f"{self._seed}/{number}/{parser}").getrandbits(31)
        done = guided.run(parser, self.directory / "guided", seconds, seed)
        self.counted[f"{parser} executions"] += done.runs
        if done.found is not None:
            self._report(f"parser {parser}, {done.found.hex()}: {done.said}")
        self._say(number, f"parser {parser}: {done.runs} executions, coverage {done.covered}")

    def _report(self, what: str) -> None:
        self.found.append(what)
        print(f"FOUND: {what[:6000]}", flush=True)

    def _say(self, number: int, what: str) -> None:
        minutes = (time.monotonic() - self._begun) / 60
        print(f"{minutes:5.1f} min, round {number}, {what}", flush=True)


def main() -> int:
    args = _arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if args.replay:
        return _replay(args.replay)
    if find_spec("atheris") is None:
        print("fuzz: atheris is not installed; it is one of the dev extras", file=sys.stderr)
        return 2
    campaign = Campaign(args.seed, args.state)
    print(f"seed {args.seed}", flush=True)
    until, number = time.monotonic() + 60 * args.minutes, 0
    while (left := until - time.monotonic()) > 0:
        campaign.round(number, min(_ROUND_S, left))
        number += 1
    for what, count in sorted(campaign.counted.items()):
        print(f"{count:>12,} {what}")
    print(f"{number} rounds, {len(campaign.found)} findings, seed {args.seed}")
    return 1 if campaign.found else 0


def _replay(path: Path) -> int:
    with tempfile.TemporaryDirectory() as scratch, Stage(Path(scratch)) as stage:
        attack = Attack(stage)
        try:
            attack.replay(load(path))
            attack.restart()
        except Found as found:
            print(found)
            return 1
    print("nothing went wrong this time")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", default=secrets.token_hex(4), help="default: a new one, which is printed")
    parser.add_argument("--state", type=Path, default=Path("fuzz-state"), help="what is found and learned")
    parser.add_argument("--replay", type=Path, help="a file of --state, said to a new kov")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
