"""A primary that died is replaced by another node (`UpdateLogStream`): a running kov follows it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.clients.stage import MappedStage, mapped_stage, open_log
from tests.crash.accidents import Accident, play_accident
from tests.real_varlog import RealVarlog, missing_programs
from varlog_client import LogStreamId, StorageNodeId

if reason := missing_programs():
    pytest.skip(reason, allow_module_level=True)

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def three_nodes(tmp_path: Path) -> Iterator[RealVarlog]:
    """Every log stream on two of them."""
    cluster = RealVarlog(tmp_path / "varlog", 3, 2, auto_unseal=False)
    try:
        asyncio.run(cluster.start())
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def moving_stage(three_nodes: RealVarlog, tmp_path: Path) -> Iterator[MappedStage]:
    with mapped_stage(tmp_path, three_nodes, topics=2) as stage:
        yield stage


async def primaries(stage: MappedStage) -> dict[LogStreamId, StorageNodeId]:
    """Of the log streams that are written: the first two of each topic."""
    async with await open_log(stage) as log:
        known = log.metadata.log_streams
        written: Sequence[LogStreamId] = [
            each for place in stage.places.values() for each in place.log_streams[:2]
        ]
        return {each: known[each].replicas[0].storage_node_id for each in written}


async def test_nothing_is_lost_when_the_primary_moves_to_another_node(
    three_nodes: RealVarlog, moving_stage: MappedStage
) -> None:
    before = await primaries(moving_stage)
    victim = before[moving_stage.places["mapped-0"].log_streams[0]]

    async def strike() -> None:
        three_nodes.kill(victim)

    async def mend() -> None:
        places = moving_stage.places.values()
        await asyncio.gather(
            *(
                three_nodes.replace(victim, place.topic_id, each)
                for place in places
                for each in place.log_streams
            )
        )

    await play_accident(
        moving_stage, Accident(strike=strike, mend=mend, kov_dies=False), acknowledged_before=300
    )
    after = await primaries(moving_stage)
    assert victim not in after.values()
    assert [each for each in before if before[each] == victim]
