"""What a read costs: nothing of the storage at the tail, a bounded piece of it far behind."""

from __future__ import annotations

import asyncio

import pytest

from kov.partition.index import SPACING_ENTRIES
from kov.partition.partition import Partition
from tests.builders import batch
from tests.kov.partition.scripted import ScriptedLog, partition_on

COUNT = 1000


@pytest.fixture
async def log() -> ScriptedLog:
    return ScriptedLog()


async def filled(log: ScriptedLog) -> Partition:
    partition = partition_on(log)
    data = batch([b"v" * 100])
    await asyncio.gather(*(partition.append(data, source=None, timeout_s=30) for _ in range(COUNT)))
    return partition


async def test_the_tail_costs_no_read_and_no_question(log: ScriptedLog) -> None:
    partition = await filled(log)
    before = log.read
    log.unreachable = True
    for offset in (0, COUNT // 2, COUNT - 1, COUNT):
        fetched = await partition.read(offset, max_bytes=1000)
        assert bool(fetched.records) is (offset < COUNT)
        assert fetched.high_watermark == COUNT
    assert log.read == before
    await partition.close(1)


async def test_an_old_offset_costs_as_many_entries_as_lie_between_two_marks(log: ScriptedLog) -> None:
    partition = await filled(log)
    partition._view.tail.clear()
    for offset in (0, 63, 64, 500, COUNT - 1):
        before = log.read
        fetched = await partition.read(offset, max_bytes=1)
        assert len(fetched.records) == 1
        assert log.read - before <= SPACING_ENTRIES + 2, offset
    await partition.close(1)
