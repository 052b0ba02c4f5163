from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.kov.kafka_table.side import Side
from tests.kov.kafka_table.site import Site, a_site


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with a_site(tmp_path_factory.mktemp("kafka-table")) as site:
        yield site


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kov(site: Site) -> AsyncIterator[Side]:
    """One kov for all tests of a module, which leave it running."""
    async with site.kov() as side:
        yield side
