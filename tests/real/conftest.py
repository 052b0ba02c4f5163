from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.clients.stage import MappedStage, mapped_stage
from tests.real_varlog import RealVarlog

_TOPICS = 2


@pytest.fixture(scope="session")
def real_varlog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealVarlog]:
    """A real cluster of two storage nodes, every log stream on both."""
    cluster = RealVarlog(tmp_path_factory.mktemp("varlog"), 2, 2, auto_unseal=False)
    try:
        asyncio.run(cluster.start())
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def stage(real_varlog: RealVarlog, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MappedStage]:
    with mapped_stage(tmp_path_factory.mktemp("mapped-kov"), real_varlog, _TOPICS) as stage:
        yield stage
