"""Fencing for nobody says that it is done only when its own fence is in force."""

from __future__ import annotations

import asyncio

import pytest

from kov.entries import ControlEntry, Kind, pack, unpack
from kov.partition import control
from kov.partition.fencing import fence_off
from kov.partition.fold import Fold
from kov.partition.identity import ProducerBounds, WriterIdentity, WriterStamp
from kov.partition.limits import Limits
from tests.kov.partition.scripted import IDENTITY, ScriptedLog, stream_on
from varlog_client.errors import Unavailable

LIMITS = Limits(retry_s=0.001, max_retry_s=0.01)


async def beaten_to_it(log: ScriptedLog, times: int) -> None:
    """Stores a rival's fence of the same epoch just before each of the next ones."""
    for _ in range(times):
        while not log.sent:
            await asyncio.sleep(0)
        log.store([like(log.sent[0].payloads[0])])
        log.complete()
    log.release()


def like(fence: bytes) -> bytes:
    """A fence of the same epoch by somebody else."""
    entry = unpack(fence)
    assert isinstance(entry, ControlEntry)
    stamp = WriterStamp(attempt_id=b"x" * 16, node=WriterIdentity(node_id=8))
    message = control.fence(Fold(IDENTITY), stamp, ProducerBounds(), 0).message
    return pack(Kind.FENCE, entry.epoch, message)


def epochs(log: ScriptedLog) -> list[int]:
    return [entry.epoch for entry in map(unpack, log.entries) if isinstance(entry, ControlEntry)]


async def test_a_fence_that_came_too_late_is_followed_by_another() -> None:
    log = ScriptedLog()
    log.hold(lambda payload: True)
    rival = asyncio.create_task(beaten_to_it(log, times=2))
    async with asyncio.timeout(5):
        await fence_off(stream_on(log), IDENTITY, LIMITS)
        await rival
    assert epochs(log) == [1, 1, 2, 2, 3]


async def test_fencing_that_others_keep_beating_is_no_success() -> None:
    log = ScriptedLog()
    log.hold(lambda payload: True)
    rival = asyncio.create_task(beaten_to_it(log, times=5))
    with pytest.raises(Unavailable, match="others fenced it first"):
        async with asyncio.timeout(5):
            await fence_off(stream_on(log), IDENTITY, LIMITS)
    await rival
