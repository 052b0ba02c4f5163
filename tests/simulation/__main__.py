"""`python -m tests.simulation`: many schedules, or one again. Prints progress, and the seed of a failure."""

from __future__ import annotations

import argparse
import logging
import sys
import time

from tests.simulation.loop import run
from tests.simulation.scenario import simulate


def innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=1000)
    parser.add_argument("--from", dest="first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="replay this one and print what producers were told")
    args = parser.parse_args()
    if args.seed is not None:
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        print(*run(args.seed, simulate(args.seed)).history, sep="\n")
        return 0
    logging.disable(logging.CRITICAL)
    failed, begun = [], time.monotonic()
    for done, seed in enumerate(range(args.first, args.first + args.schedules), 1):
        try:
            run(seed, simulate(seed))
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            failed.append(seed)
            print(f"seed {seed}: {innermost(error)!r}")
        if done % 500 == 0 or done == args.schedules:
            rate = done / (time.monotonic() - begun)
            print(f"{done} schedules, {len(failed)} failed, {rate:.0f} a second", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
