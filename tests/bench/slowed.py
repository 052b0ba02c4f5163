"""`python -m tests.bench.slowed UNITS serve ...`: kov with so much more to do in each Produce request."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from kov.cli import main
from kov.partition.partition import Partition
from tests.bench.reference import work
from tests.kov_process import KovProcess


class Slowed(KovProcess):
    """Some two thirds of what a small request costs, once more."""

    UNITS = 9
    COMMAND = (sys.executable, "-m", "tests.bench.slowed", str(UNITS))


def slowed(append: Callable[..., Any], units: int) -> Callable[..., Any]:
    def with_more_to_do(*arguments: Any, **named: Any) -> Any:
        for _ in range(units):
            work()
        return append(*arguments, **named)

    return with_more_to_do


if __name__ == "__main__":
    with patch.object(Partition, "append", slowed(Partition.append, int(sys.argv.pop(1)))):
        main()
