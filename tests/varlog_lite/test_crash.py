from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from tests.varlog_lite.child import serving
from tests.varlog_lite.lite_client import connected, eventually
from tests.varlog_lite.load import Written, check, write_until_broken


async def kill_under_load(data: Path, rounds: int) -> None:
    """Two log streams are written to until the server is killed; then it all must be there."""
    chance = random.Random(rounds)
    async with serving(data) as child, connected(child.address) as client:
        topic_id = await client.add_topic()
        streams = [(topic_id, await client.add_log_stream(topic_id)) for _ in range(2)]
    begin = dict.fromkeys(streams, 1)
    for number in range(rounds):
        async with serving(data, "--auto-unseal") as child, connected(child.address) as client:
            written = [Written() for _ in streams]
            writers = [
                asyncio.create_task(write_until_broken(client, ids, number, each))
                for ids, each in zip(streams, written, strict=True)
            ]
            await acknowledged(written, chance.randint(1, 80))
            await child.kill()
            await asyncio.gather(*writers)
        async with serving(data) as child, connected(child.address) as client:
            for ids, each in zip(streams, written, strict=True):
                _, (last, _) = await client.watermarks(*ids)
                stored = await client.read(*ids, begin[ids], last + 1) if last >= begin[ids] else []
                check(stored, begin[ids], number, each)
                begin[ids] = last + 1


async def acknowledged(written: list[Written], batches: int) -> None:
    """A stream that ends before the kill is a failure of its own, and says why."""

    async def enough() -> bool:
        assert [each.end for each in written] == [""] * len(written)
        return sum(len(each.acknowledged) for each in written) >= batches

    await eventually(enough, timeout_s=60)


async def test_nothing_acknowledged_is_lost_and_no_batch_torn_by_a_kill(tmp_path: Path) -> None:
    await kill_under_load(tmp_path, 3)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_hundred_kills_lose_nothing(tmp_path: Path) -> None:
    await kill_under_load(tmp_path, 100)
