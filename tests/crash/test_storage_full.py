"""No room in the storage: producers wait or are refused, and all goes on when there is room again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from kov.entries import ControlEntry, Kind, unpack
from tests.adversity.ballast import Ballast
from tests.clients.raw import payloads
from tests.clients.stage import MappedStage, mapped_stage, open_log
from tests.crash.accidents import IDEMPOTENT, PLAIN, check_load
from tests.crash.flood import Flood, produce_request
from tests.crash.load import Load
from tests.crash.sabotage import Restless
from tests.crash.watching import FLAT, MIB, produce_one, watched
from tests.lite_varlog import LiteVarlog
from varlog_client import StorageNodeId

SMALL, LARGE = (f"--max-bytes={size * MIB}" for size in (24, 200))
NODE = StorageNodeId(1)
FULL_S = 12.0  # longer than the watch
FENCES = 40  # with pauses of up to a second between the attempts to open

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def varlog(tmp_path: Path) -> Iterator[LiteVarlog]:
    varlog = LiteVarlog(tmp_path / "varlog")
    varlog.arguments = (SMALL, "--auto-unseal")
    try:
        asyncio.run(varlog.start())
        yield varlog
    finally:
        varlog.stop()


@pytest.fixture
def stage(varlog: LiteVarlog, tmp_path: Path) -> Iterator[MappedStage]:
    with mapped_stage(tmp_path, varlog, topics=2) as stage:
        yield stage


@pytest.fixture
def restless(varlog: LiteVarlog, tmp_path: Path) -> Iterator[MappedStage]:
    with mapped_stage(tmp_path, varlog, 1, Restless) as stage:
        yield stage


@pytest.fixture
async def ballast(varlog: LiteVarlog) -> Ballast:
    ballast = Ballast(varlog.metadata_repository, await varlog.add_topic())
    await ballast.prepare()
    return ballast


@asynccontextmanager
async def two_loads(stage: MappedStage) -> AsyncIterator[tuple[Load, Load]]:
    """Both go on after what is done to them inside, and nothing of them is lost, doubled or reordered."""
    topics = stage.topic(), stage.topic()
    with (
        Load("idempotent", stage.bootstrap, topics[0], IDEMPOTENT) as idempotent,
        Load("plain", stage.bootstrap, topics[1], PLAIN) as plain,
    ):
        loads = idempotent, plain
        for load in loads:
            await load.progress(100)
        yield loads
        for load in loads:
            await load.progress(100)
        for load in loads:
            await load.stop()
            assert not load.failures
    for load in loads:
        await check_load(stage, load, dict.fromkeys(range(len(stage.places[load.topic].log_streams)), 0))


async def fences_of(stage: MappedStage, topic: str, partition: int) -> int:
    async with await open_log(stage) as log:
        place = stage.places[topic]
        entries = [unpack(each) for each in await payloads(log, place.topic_id, place.log_streams[partition])]
    return sum(isinstance(entry, ControlEntry) and entry.kind is Kind.FENCE for entry in entries)


async def test_loads_wait_while_the_store_is_full_and_go_on_after_a_trim(
    stage: MappedStage, ballast: Ballast
) -> None:
    async with two_loads(stage) as loads:
        await ballast.fill()
        told = [len(load.told) for load in loads]
        await asyncio.sleep(FULL_S)
        assert all(len(load.told) <= before + 60 for load, before in zip(loads, told, strict=True))
        await ballast.free()
    for load in loads:
        for partition in range(2):
            assert await fences_of(stage, load.topic, partition) <= FENCES


async def test_loads_go_on_when_a_full_store_was_restarted_with_more_room(
    stage: MappedStage, varlog: LiteVarlog, ballast: Ballast
) -> None:
    async with two_loads(stage):
        await ballast.fill()
        await asyncio.sleep(3)
        varlog.kill(NODE)
        varlog.arguments = (LARGE, "--auto-unseal")
        await varlog.restart(NODE)


async def test_memory_stays_flat_and_everybody_is_answered_while_the_store_is_full(
    stage: MappedStage, ballast: Ballast
) -> None:
    topic = stage.topic()
    before = await asyncio.to_thread(produce_one, stage.kov, topic)
    small = Flood(stage.bootstrap, produce_request(topic, acks=1, timeout_ms=1000, value=b"small"))
    large = Flood(stage.bootstrap, produce_request(topic, acks=1, timeout_ms=60_000))
    async with watched(stage.kov) as memory:
        await ballast.fill()
        await small.run(8, 5.0)
        assert small.codes.total() > 0
        assert small.codes.keys() <= {7, 56}
        for _ in range(4):
            await large.run(12, 3.0)
        assert large.sent_bytes > 100 * MIB
        await ballast.free()
        after = await asyncio.to_thread(produce_one, stage.kov, topic)
    assert memory.most < FLAT, f"{memory.most // MIB} MiB"
    assert after > before


async def flood_what_takes_only_fences(stage: MappedStage, ballast: Ballast, topic: str) -> int:
    """Each refusal is settled by a new fence: kov must not use up the last room with them. How many."""
    await asyncio.to_thread(produce_one, stage.kov, topic)
    large = Flood(stage.bootstrap, produce_request(topic, acks=1, timeout_ms=5_000))
    await ballast.fill(smallest=512 * 1024)
    for _ in range(3):
        await large.run(1, 5.0)
    assert large.codes.keys() <= {7, 56}
    return await fences_of(stage, topic, 0)


async def test_batches_that_do_not_fit_where_fences_do_make_no_storm_of_openings(
    stage: MappedStage, ballast: Ballast
) -> None:
    topic = stage.topic()
    assert await flood_what_takes_only_fences(stage, ballast, topic) <= FENCES
    await ballast.free()
    # What the last flood was not answered yet may be stored now.
    assert await asyncio.to_thread(produce_one, stage.kov, topic) > 0


async def test_without_its_pauses_kov_would_fill_the_last_room_with_fences(
    restless: MappedStage, ballast: Ballast
) -> None:
    """The test above can fail."""
    assert await flood_what_takes_only_fences(restless, ballast, restless.topic()) > 2 * FENCES
