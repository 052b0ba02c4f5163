"""Finding records by time and by epoch: what is read of the log, and what is answered."""

from __future__ import annotations

import pytest
from kio.schema.errors import ErrorCode

from kov.errors import KafkaError
from kov.partition.limits import Limits
from tests.builders import batch
from tests.kov.partition.scripted import ScriptedLog, partition_on

FIRST_MS = 1_700_000_000_000
BATCHES = 600
LIMITS = Limits(retry_s=0.001, max_retry_s=0.01, deposed_s=0.05, snapshot_entries=20)


@pytest.fixture
async def log() -> ScriptedLog:
    """600 batches, ten milliseconds apart, with a snapshot after every 20 entries."""
    log = ScriptedLog()
    writer = partition_on(log, limits=LIMITS)
    for n in range(BATCHES):
        data = batch(timestamp_ms=FIRST_MS + 10 * n)
        await writer.append(data, source="test", timeout_s=5)
    await writer.close(1)
    return log


async def test_a_search_by_time_reads_little_wherever_the_record_lies(log: ScriptedLog) -> None:
    for n in (BATCHES - 1, BATCHES // 2, 3):
        reader = partition_on(log, limits=LIMITS)
        await reader.offsets(-1)
        before = log.read
        found = await reader.offsets(FIRST_MS + 10 * n - 5)
        assert (found.offset, found.timestamp_ms) == (n, FIRST_MS + 10 * n)
        assert log.read - before < BATCHES // 20 + 3 * 64, "it scans what lies before"
        await reader.close(1)


async def test_the_largest_timestamp_is_found_where_it_lies(log: ScriptedLog) -> None:
    reader = partition_on(log, limits=LIMITS)
    found = await reader.offsets(-3)
    assert (found.offset, found.timestamp_ms) == (BATCHES - 1, FIRST_MS + 10 * (BATCHES - 1))
    assert (await reader.offsets(FIRST_MS + 10 * BATCHES)).offset == -1
    assert (await reader.offsets(0)).offset == 0
    await reader.close(1)


async def test_an_earlier_record_behind_a_later_one_is_not_missed() -> None:
    log = ScriptedLog()
    writer = partition_on(log, limits=LIMITS)
    times = [500, 100, 900, 200] * 30
    for ms in times:
        await writer.append(batch(timestamp_ms=FIRST_MS + ms), source="test", timeout_s=5)
    await writer.close(1)
    reader = partition_on(log, limits=LIMITS)
    for wanted, offset in ((50, 0), (400, 0), (501, 2), (900, 2), (901, -1)):
        assert (await reader.offsets(FIRST_MS + wanted)).offset == offset
    assert (await reader.offsets(-3)).offset == 2
    await reader.close(1)


async def test_epochs_are_known_back_to_the_first_fence() -> None:
    log = ScriptedLog()
    for count in (3, 2, 0, 1):
        writer = partition_on(log, limits=LIMITS)
        for _ in range(count):
            await writer.append(batch(), source="test", timeout_s=5)
        await writer.close(1)
    reader = partition_on(log, limits=LIMITS)
    ends = [await reader.epoch_end(epoch) for epoch in range(-1, 5)]
    assert ends == [(-1, -1), (0, 0), (1, 3), (2, 5), (3, 6), (-1, -1)]
    await reader.close(1)


async def test_of_a_trimmed_log_the_oldest_known_epoch_begins_the_answers() -> None:
    log = ScriptedLog()
    for count in (3, 30, 2):
        writer = partition_on(log, limits=LIMITS)
        for _ in range(count):
            await writer.append(batch(), source="test", timeout_s=5)
        await writer.close(1)
    log.trim(6)
    reader = partition_on(log, limits=LIMITS)
    assert await reader.epoch_end(1) == (1, 3)
    assert await reader.epoch_end(3) == (3, 35)
    await reader.close(1)


async def test_a_deleted_partition_tells_who_waits_and_who_comes_later() -> None:
    log = ScriptedLog()
    partition = partition_on(log, limits=LIMITS)
    log.sealed = True
    waiting = partition.append(batch(), source="test", timeout_s=30)
    reading = partition.advanced(0)
    gone = KafkaError(ErrorCode.unknown_topic_or_partition, "topic orders is deleted")
    await partition.close(0, gone)
    with pytest.raises(KafkaError) as refused:
        await waiting
    assert refused.value is gone
    await reading
    with pytest.raises(KafkaError) as refused:
        partition.append(batch(), source="test", timeout_s=30)
    assert refused.value is gone
