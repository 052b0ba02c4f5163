"""`python -m tests.simulation`: many schedules on all cores, or one again.

    python -m tests.simulation --schedules 100000 --progress simulation.json    # stop and repeat at will
    python -m tests.simulation --seed 4711                                      # what producers were told

Prints progress and the seed of every failure.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from tests.simulation.loop import run
from tests.simulation.many import play_many
from tests.simulation.scenario import simulate


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--schedules", type=int, default=1000, help="how many seeds")
    parser.add_argument("--from", dest="first", type=int, default=0, help="the first seed")
    parser.add_argument("--chunk", type=int, default=100, help="how many seeds a worker takes at once")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no more chunks after that")
    parser.add_argument("--progress", type=Path, help="a file that remembers what is done")
    parser.add_argument("--seed", type=int, help="replay this one and print what producers were told")
    args = parser.parse_args()
    if args.seed is not None:
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        print(*run(args.seed, simulate(args.seed)).history, sep="\n")
        return 0
    seeds = range(args.first, args.first + args.schedules)
    return play_many(seeds, args.chunk, args.jobs, args.seconds, args.progress)


if __name__ == "__main__":
    sys.exit(main())
