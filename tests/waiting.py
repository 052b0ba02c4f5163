"""Waiting for a condition, with a bound."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_STEP_S = 0.01


async def wait_for(condition: Callable[[], T], *, timeout_s: float = 10.0, what: str = "") -> T:
    """The first true value of `condition`. AssertionError after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {timeout_s} s in vain: {what or condition}"
        await asyncio.sleep(_STEP_S)
    return value


def wait_for_sync(condition: Callable[[], T], *, timeout_s: float = 10.0, what: str = "") -> T:
    """The same where there is no event loop."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {timeout_s} s in vain: {what or condition}"
        time.sleep(_STEP_S)
    return value
