"""`python -m tests.crash.sabotage RULE serve ...`: kov with one of its bounds taken out."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from unittest.mock import patch

from kov.budget import Budget
from kov.cli import main
from kov.partition import ownership
from tests.kov_process import KovProcess


class Uncounted(KovProcess):
    """What it holds for its clients counts nowhere."""

    COMMAND = (sys.executable, "-m", "tests.crash.sabotage", "uncounted")


class Restless(KovProcess):
    """It opens again at once, however often that has ended badly."""

    COMMAND = (sys.executable, "-m", "tests.crash.sabotage", "restless")


async def _rest(pause_s: float) -> None:
    await asyncio.sleep(0)


RULES: Mapping[str, AbstractContextManager[object]] = {
    "uncounted": patch.object(Budget, "take", lambda self, count: None),
    "restless": patch.object(ownership, "_rest", _rest),
}

if __name__ == "__main__":
    with RULES[sys.argv.pop(1)]:
        main()
