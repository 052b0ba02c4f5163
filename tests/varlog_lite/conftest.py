from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.varlog_lite.lite_client import LiteClient, connected
from varlog_lite.server import LiteServer


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[LiteServer]:
    async with LiteServer(tmp_path / "data") as running:
        yield running


@pytest.fixture
async def client(server: LiteServer) -> AsyncIterator[LiteClient]:
    async with connected(server.address) as made:
        yield made
