"""kov, its store, or both die or are stopped in the middle of a load: nothing acknowledged is lost."""

from __future__ import annotations

import random
import time
from enum import Enum

import pytest

from tests.clients.checking import read_all_ways
from tests.clients.records import Delivery
from tests.clients.stage import EmbeddedStage
from tests.crash.accidents import IDEMPOTENT, PLAIN, Accident, check_load, play_accident
from tests.crash.load import Load
from tests.kov_process import KovProcess

_STOP_S = 15.0


class Victim(Enum):
    KOV = "kov"
    STORE = "store"
    BOTH = "both"


def killing(victim: Victim, kov: KovProcess) -> Accident:
    """kill -9. A dead store is started again by kov itself."""

    async def strike() -> None:
        if victim is not Victim.KOV:
            kov.store.kill()
        if victim is not Victim.STORE:
            kov.kill()

    async def mend() -> None:
        if victim is not Victim.STORE:
            kov.start()

    return Accident(strike=strike, mend=mend, kov_dies=victim is not Victim.STORE)


@pytest.mark.parametrize("victim", Victim, ids=lambda each: each.value)
async def test_acknowledged_records_survive_a_kill(kov: KovProcess, victim: Victim) -> None:
    stage = EmbeddedStage(kov)
    await play_accident(stage, killing(victim, kov), acknowledged_before=200)


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(n, marks=pytest.mark.soak) for n in range(2, 8))])
@pytest.mark.parametrize("victim", Victim, ids=lambda each: each.value)
async def test_acknowledged_records_survive_kills_at_any_time(
    kov: KovProcess, victim: Victim, seed: int
) -> None:
    stage, chance = EmbeddedStage(kov), random.Random(f"{victim}/{seed}")
    for _ in range(3):
        before = chance.randrange(1, 1500)
        await play_accident(stage, killing(victim, kov), acknowledged_before=before)


async def test_sigterm_under_load_ends_soon_and_loses_nothing(kov: KovProcess) -> None:
    stage = EmbeddedStage(kov)
    with Load("p", stage.bootstrap, stage.topic(), IDEMPOTENT) as load:
        await load.progress(500)
        begun = time.monotonic()
        assert kov.stop() == 0
        assert time.monotonic() - begun < _STOP_S
        kov.start()
        await load.progress(300)
        await load.stop()
        assert not load.failures
    await check_load(stage, load, await stage.ends(load.topic))


async def test_sigterm_answers_every_request_that_it_stores(kov: KovProcess) -> None:
    """A producer that never tries again must not find records that it was told have failed."""
    stage = EmbeddedStage(kov)
    with Load("p", stage.bootstrap, stage.topic(), {**PLAIN, "retries": 0}) as load:
        await load.progress(500)
        assert kov.stop() == 0
        await load.give_up()
    kov.start()
    stored = (await read_all_ways(stage, load.topic, await stage.ends(load.topic))).stored
    assert {each.contents.identity: Delivery(each.partition, each.offset) for each in stored} == load.told
