"""What a partition counts and shows of itself: what operators are told rests on nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from kov.partition.limits import Limits
from kov.partition.partition import Partition
from kov.partition.states import State
from tests.builders import batch
from tests.kov.partition.asking import code_of, offset_of, send, until
from tests.kov.partition.scripted import ScriptedLog, partition_on

LIMITS = Limits(retry_s=0.001, max_retry_s=0.01, deposed_s=0.05, pipeline=1)
SIZE = len(batch())


@pytest.fixture
def log() -> ScriptedLog:
    return ScriptedLog()


@pytest.fixture
async def partition(log: ScriptedLog) -> AsyncIterator[Partition]:
    made = partition_on(log, limits=LIMITS)
    yield made
    log.sealed = log.unreachable = False
    log.release()
    await made.close(1)


# Counts


async def test_every_attempt_to_own_it_counts_and_every_success(
    partition: Partition, log: ScriptedLog
) -> None:
    counts = partition.counts
    log.hold(lambda payload: True)
    waiting = send(partition, batch())
    for attempt in (1, 2):
        await until(lambda: len(log.sent) == 1)
        assert (counts.asked, counts.fences, counts.openings) == (1, attempt, 0)
        log.strand(stored=0)
    log.release()
    assert await offset_of(waiting) == 0
    assert (counts.asked, counts.fences, counts.openings) == (1, 3, 1)
    for doubts in (1, 2):
        log.hold()
        waiting = send(partition, batch())
        await until(lambda: len(log.sent) == 1)
        log.strand(stored=0)
        log.release()
        await offset_of(waiting)
        assert (counts.asked, counts.doubts, counts.openings) == (1 + doubts, doubts, 1 + doubts)
    assert counts.fences == 5
    assert counts.deposals == 0


async def test_being_deposed_counts(partition: Partition, log: ScriptedLog) -> None:
    await offset_of(send(partition, batch()))
    successor = partition_on(log, node_id=2, limits=LIMITS)
    await offset_of(send(successor, batch()))
    await code_of(send(partition, batch()))
    assert (partition.counts.deposals, successor.counts.deposals) == (1, 0)
    assert (partition.counts.doubts, successor.counts.doubts) == (1, 0)
    await successor.close(1)


async def test_what_is_appended_counts_when_it_is_sent_and_again_when_it_is_confirmed(
    partition: Partition, log: ScriptedLog
) -> None:
    counts, totals = partition.counts, partition.counts.totals
    await offset_of(send(partition, batch()))
    begun = asyncio.get_running_loop().time()
    log.hold()
    waiting = [send(partition, batch([b"v"] * count)) for count in (2, 3, 4)]
    sizes = [len(batch([b"v"] * count)) for count in (1, 2, 3, 4)]
    await until(lambda: counts.appends == 2)
    assert counts.confirmed_appends == totals.append_seconds.count == 1
    before_s = counts.confirmed_seconds
    assert 0 < before_s < 60
    await asyncio.sleep(0.01)
    log.release()
    assert [await offset_of(each) for each in waiting] == [1, 3, 6]
    assert (counts.batches, counts.records, counts.append_bytes) == (4, 10, sum(sizes))
    assert (totals.batch_bytes.count, totals.batch_bytes.total, totals.records) == (4, sum(sizes), 10)
    assert counts.appends == totals.append_entries.count == counts.confirmed_appends
    assert totals.append_entries.total == 4
    assert totals.append_seconds.total == counts.confirmed_seconds
    took_s = asyncio.get_running_loop().time() - begun
    assert 0.009 < counts.confirmed_seconds - before_s < 3 * took_s


async def test_a_snapshot_is_an_entry_but_no_batch(log: ScriptedLog) -> None:
    partition = partition_on(log, limits=replace(LIMITS, snapshot_entries=2))
    for _ in range(2):
        await offset_of(send(partition, batch()))
    counts = partition.counts
    assert (counts.appends, counts.batches, counts.totals.append_entries.total) == (2, 2, 3)
    assert counts.append_bytes == 2 * SIZE
    await partition.close(1)


async def test_reads_count_by_where_they_were_served_from(partition: Partition) -> None:
    for _ in range(3):
        await offset_of(send(partition, batch()))
    counts = partition.counts
    await partition.read(1, max_bytes=1 << 20)
    assert (counts.tail_reads, counts.cold_reads, counts.read_bytes) == (1, 0, 2 * SIZE)
    partition._view.tail.clear()
    await partition.read(0, max_bytes=1 << 20)
    await partition.read(2, max_bytes=1 << 20)
    assert (counts.tail_reads, counts.cold_reads, counts.read_bytes) == (1, 2, 6 * SIZE)
    await partition.read(3, max_bytes=1 << 20)
    assert (counts.tail_reads, counts.cold_reads, counts.read_bytes) == (1, 2, 6 * SIZE), "nothing was there"


# What it waits for


async def test_what_an_opening_waits_for_is_shown_from_when_it_is_known_until_it_is_over(
    partition: Partition, log: ScriptedLog
) -> None:
    assert partition.status.waits_for == ""
    log.sealed = True
    waiting = send(partition, batch())
    assert (partition.status.state, partition.status.waits_for) == (State.OPENING, "")
    await until(lambda: "is sealed" in partition.status.waits_for)
    log.sealed = False
    await offset_of(waiting)
    assert (partition.status.state, partition.status.waits_for) == (State.ACTIVE, "")
    log.hold(lambda payload: True)
    waiting = send(partition, batch())
    await until(lambda: len(log.sent) == 1)
    log.strand(stored=0)
    await until(lambda: partition.state is State.OPENING)
    assert partition.status.waits_for == "", "what it waited for before is over"
    log.release()
    await offset_of(waiting)
