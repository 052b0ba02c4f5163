"""Topics of a mapping file, on a Varlog that runs by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.clients.producers import DRIVERS
from tests.clients.records import records
from tests.clients.round_trips import play
from tests.clients.scenario import PYTHON_LIBRARIES, Library, Scenario
from tests.clients.stage import PARTITIONS, MappedStage, mapped_stage
from tests.lite_varlog import LiteVarlog


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MappedStage]:
    directory = tmp_path_factory.mktemp("mapped")
    varlog = LiteVarlog(directory / "varlog")
    try:
        asyncio.run(varlog.start())
        with mapped_stage(directory, varlog, topics=1) as stage:
            yield stage
    finally:
        varlog.stop()


@pytest.mark.parametrize("library", PYTHON_LIBRARIES)
async def test_records_come_back_as_they_were_sent(stage: MappedStage, library: Library) -> None:
    scenario = Scenario(library=library, codec="lz4")
    sent = records("p", 100, partitions=PARTITIONS, nulls=scenario.nulls)
    await play(stage, scenario, DRIVERS[library], sent)
