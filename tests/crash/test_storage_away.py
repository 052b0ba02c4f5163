"""Storage that is away for long, or slow: memory stays flat, answers come in time, all goes on by itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from kov.entries import ControlEntry, Kind, unpack
from tests.clients.raw import payloads
from tests.clients.stage import EmbeddedStage
from tests.crash.accidents import IDEMPOTENT, PLAIN, check_load
from tests.crash.flood import Flood, produce_request
from tests.crash.load import Load
from tests.crash.sabotage import Uncounted
from tests.crash.watching import BUDGET, FLAT, MIB, produce_one, watched
from tests.kov_process import KovProcess
from varlog_client import Log

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@asynccontextmanager
async def frozen(store: psutil.Process) -> AsyncIterator[None]:
    store.suspend()
    try:
        yield
    finally:
        store.resume()


async def flood_what_is_away(kov: KovProcess, topic: str, acks: int) -> Flood:
    await asyncio.to_thread(produce_one, kov, topic)
    flood = Flood(kov.address, produce_request(topic, acks=acks, timeout_ms=60_000))
    async with frozen(kov.store):
        for _ in range(5):
            await flood.run(12, 3.0)
    return flood


@pytest.mark.parametrize("acks", [1, 0])
async def test_memory_stays_flat_under_producers_that_keep_sending(
    kov_server: KovProcess, topic: str, acks: int
) -> None:
    """Connections come, fill what they may, and go without an answer; with acks=0 their batches stay."""
    async with watched(kov_server) as memory:
        flood = await flood_what_is_away(kov_server, topic, acks)
        assert flood.sent_bytes > BUDGET / 4
        assert memory.most < FLAT, f"{memory.most // MIB} MiB"
        assert await asyncio.to_thread(produce_one, kov_server, topic) > 0
        assert memory.most < FLAT, f"{memory.most // MIB} MiB"
    assert kov_server.process.poll() is None


async def test_without_its_budget_kov_would_take_all_that_comes(tmp_path: Path, topic: str) -> None:
    """The test above can fail."""
    with Uncounted(tmp_path) as kov:
        async with watched(kov) as memory:
            await flood_what_is_away(kov, topic, acks=0)
        assert memory.most > FLAT
        kov.kill()


async def test_who_waits_is_answered_at_its_deadline(kov_server: KovProcess, topic: str) -> None:
    """7 for what was sent or can't be judged, 56 for what certainly isn't stored."""
    await asyncio.to_thread(produce_one, kov_server, topic)
    small = produce_request(topic, acks=1, timeout_ms=1000, value=b"small")
    flood = Flood(kov_server.address, small)
    async with frozen(kov_server.store):
        await flood.run(8, 5.0)
    assert flood.codes.keys() == {7, 56}
    assert await asyncio.to_thread(produce_one, kov_server, topic) > 0


async def test_loads_go_on_by_themselves_when_a_frozen_store_is_back(kov_server: KovProcess) -> None:
    stage = EmbeddedStage(kov_server)
    with (
        Load("idempotent", stage.bootstrap, stage.topic(), IDEMPOTENT) as idempotent,
        Load("plain", stage.bootstrap, stage.topic(), PLAIN) as plain,
    ):
        for load in (idempotent, plain):
            await load.progress(100)
        async with frozen(kov_server.store):
            await asyncio.sleep(15)  # beyond the watch of 10 s
        for load in (idempotent, plain):
            await load.progress(100)
            await load.stop()
            assert not load.failures
    for load in (idempotent, plain):
        await check_load(stage, load, await stage.ends(load.topic))


async def test_a_slow_disk_makes_no_storm_of_openings(kov_server: KovProcess) -> None:
    """The store works for a moment in every 12 s, longer than the watch: each opening doubles it."""
    stage = EmbeddedStage(kov_server)
    topic = stage.topic()
    begun = time.monotonic()
    with Load("p", stage.bootstrap, topic, IDEMPOTENT) as load:
        await load.progress(100)
        for _ in range(8):
            async with frozen(kov_server.store):
                await asyncio.sleep(12)
            await asyncio.sleep(0.05)
        await load.progress(100)
        await load.stop()
        assert not load.failures
    took_s = time.monotonic() - begun
    await check_load(stage, load, await stage.ends(topic))
    async with await Log.open(1, [stage.metadata_repository]) as log:
        place = await stage.place(log, topic)
        for log_stream in place.log_streams[:2]:
            entries = [unpack(entry) for entry in await payloads(log, place.topic_id, log_stream)]
            fences = [e for e in entries if isinstance(e, ControlEntry) and e.kind is Kind.FENCE]
            assert len(fences) <= 6, f"{len(fences)} fences in {took_s:.0f} s"
