"""A fixture for conftest files: a test that leaves one of the client's tasks behind has failed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

_TURNS = 10  # of the event loop, for tasks that were just cancelled


@pytest.fixture(autouse=True)
async def no_client_task_is_left() -> AsyncIterator[None]:
    yield
    for _ in range(_TURNS):
        left = [task for task in asyncio.all_tasks() if task.get_name().startswith("varlog ")]
        if not left:
            return
        await asyncio.sleep(0)
    pytest.fail(f"tasks were left behind: {left}")
