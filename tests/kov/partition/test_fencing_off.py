"""Fencing for nobody where others write meanwhile, and where its own fences end in doubt."""

from __future__ import annotations

import asyncio

import pytest

from kov import records
from kov.entries import ControlEntry, unpack
from kov.partition.fencing import fence_off
from kov.partition.limits import Limits
from tests.builders import batch
from tests.kov.partition.asking import meaning_of, offset_of, send, until
from tests.kov.partition.scripted import IDENTITY, ScriptedLog, partition_on, stream_on
from varlog_client.errors import StreamBroken

LIMITS = Limits(retry_s=0.001, max_retry_s=0.01, watch_s=3.5)


@pytest.fixture
def log() -> ScriptedLog:
    """Every append waits for the test."""
    made = ScriptedLog()
    made.hold(lambda payload: True)
    return made


def fences(log: ScriptedLog) -> list[tuple[int, int]]:
    """(epoch, node id) of each."""
    found = [entry for entry in map(unpack, log.entries) if isinstance(entry, ControlEntry)]
    return [(entry.epoch, entry.message.writer.node_id) for entry in found]  # type: ignore[attr-defined]


async def stranded(log: ScriptedLog, times: int) -> None:
    """Breaks the streams of so many fences; none of them is stored."""
    for _ in range(times):
        await until(lambda: len(log.sent) == 1)
        log.strand(stored=0)
    log.release()


async def test_batches_that_land_before_the_fence_are_read_and_kept(log: ScriptedLog) -> None:
    log.release()
    writer = partition_on(log)
    await offset_of(send(writer, batch([b"a"])))
    log.hold(lambda payload: True)
    fencing = asyncio.create_task(fence_off(stream_on(log), IDENTITY, LIMITS))
    await until(lambda: len(log.sent) == 1)
    fence = log.sent[0]
    log.store([records.stamp(batch([b"b"]), 1, 1)])
    log.complete()
    log.store([records.stamp(batch([b"late"]), 2, 1)])
    async with asyncio.timeout(5):
        await fencing
    assert fence.appender.closed
    assert meaning_of(log) == [(0, [b"a"]), (1, [b"b"])]
    assert fences(log) == [(1, 1), (2, -1)]
    log.release()
    await writer.close(0)


async def test_a_fence_in_doubt_is_followed_by_another_with_a_watch_of_its_own(log: ScriptedLog) -> None:
    breaking = asyncio.create_task(stranded(log, 4))
    async with asyncio.timeout(5):
        await fence_off(stream_on(log), IDENTITY, LIMITS)
        await breaking
    assert fences(log) == [(1, -1)]
    assert log.watches_s == [3.5] * 5


async def test_fences_that_all_end_in_doubt_are_reported_as_that(log: ScriptedLog) -> None:
    breaking = asyncio.create_task(stranded(log, 5))
    with pytest.raises(StreamBroken, match="cut by the test"):
        async with asyncio.timeout(5):
            await fence_off(stream_on(log), IDENTITY, LIMITS)
    await breaking
    assert log.appenders == 5
