from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.leaks import no_client_task_is_left
from tests.varlog_client.scripted import ScriptedVarlog
from varlog_client import Log

__all__ = ["log", "no_client_task_is_left", "server"]


@pytest.fixture
async def server() -> AsyncIterator[ScriptedVarlog]:
    async with ScriptedVarlog() as server:
        yield server


@pytest.fixture
async def log(server: ScriptedVarlog) -> AsyncIterator[Log]:
    async with await Log.open(1, [server.address]) as log:
        yield log
