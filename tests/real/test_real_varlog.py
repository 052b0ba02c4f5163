"""Unmodified producers and a real Varlog cluster: the scenarios of the embedded store, on a mapping file."""

from __future__ import annotations

import pytest

from tests.clients.round_trips import RoundTrips
from tests.clients.stage import MappedStage
from tests.crash.accidents import Accident, play_accident
from tests.real_varlog import RealVarlog, missing_programs
from varlog_client import StorageNodeId

if reason := missing_programs():
    pytest.skip(reason, allow_module_level=True)

pytestmark = pytest.mark.real


class TestOnRealVarlog(RoundTrips):
    pass


@pytest.mark.slow
async def test_acknowledged_records_survive_a_kill_of_kov(stage: MappedStage) -> None:
    async def strike() -> None:
        stage.kov.kill()

    async def mend() -> None:
        stage.kov.start()

    await play_accident(stage, Accident(strike=strike, mend=mend, kov_dies=True), acknowledged_before=500)


@pytest.mark.slow
async def test_acknowledged_records_survive_a_kill_of_a_storage_node(
    stage: MappedStage, real_varlog: RealVarlog
) -> None:
    """Its log streams stay sealed until somebody unseals them: here the test."""
    victim = StorageNodeId(1)

    async def strike() -> None:
        real_varlog.kill(victim)

    async def mend() -> None:
        await real_varlog.restart(victim)
        for place in stage.places.values():
            for log_stream in place.log_streams:
                await real_varlog.unseal(place.topic_id, log_stream)

    await play_accident(stage, Accident(strike=strike, mend=mend, kov_dies=False), acknowledged_before=500)
