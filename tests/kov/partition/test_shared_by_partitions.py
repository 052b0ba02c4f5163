"""What the partitions of a process have in common: turns to read old data, and sums of what they append."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from kov.partition import table as tables
from kov.partition.partition import Fetched, Partition
from kov.partition.table import PartitionTable
from tests.builders import batch
from tests.kov.partition.asking import offset_of, send
from tests.kov.partition.conftest import Reads
from tests.kov.partition.scripted import ScriptedLog, partition_on
from tests.kov.partition.test_table import BILLS, ORDERS, Cluster, table_on

COUNT = 5


@pytest.fixture
async def cluster() -> Cluster:
    return Cluster(3)


async def filled(partition: Partition) -> Partition:
    """With batches that lie in Varlog only."""
    for n in range(COUNT):
        assert await offset_of(send(partition, batch([b"v"] * 2))) == 2 * n
    partition._view.tail.clear()
    return partition


def read_all(*partitions: Partition) -> list[asyncio.Task[Fetched]]:
    """Asks each of them for each of its batches, all at once."""
    return [
        asyncio.create_task(partition.read(2 * n, max_bytes=1))
        for n in range(COUNT)
        for partition in partitions
    ]


@pytest.fixture
async def table(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[PartitionTable]:
    monkeypatch.setattr(tables, "_COLD_READS", 2)
    made = table_on(cluster)
    yield made
    await made.close(1)


async def test_old_data_of_all_partitions_is_read_by_a_few_at_once(
    table: PartitionTable, reads: Reads
) -> None:
    partitions = [await filled(table.get(topic, at)) for topic, at in ((ORDERS, 0), (ORDERS, 1), (BILLS, 0))]
    reads.most = 0
    found = await asyncio.gather(*read_all(*partitions))
    assert [len(each.records) for each in found] == [1] * (3 * COUNT)
    assert (reads.most, reads.open) == (2, 0)


async def test_by_itself_a_partition_reads_one_old_batch_after_the_other(reads: Reads) -> None:
    partition = await filled(partition_on(ScriptedLog()))
    reads.most = 0
    await asyncio.gather(*read_all(partition))
    assert (reads.most, reads.open) == (1, 0)
    await partition.close(1)


async def test_who_gives_up_an_old_read_gives_its_turn_to_the_next(
    table: PartitionTable, reads: Reads
) -> None:
    partition = await filled(table.get(ORDERS, 0))
    given_up, *others = read_all(partition)
    while not reads.open:
        await asyncio.sleep(0)
    given_up.cancel()
    assert [len(each.records) for each in await asyncio.gather(*others)] == [1] * (COUNT - 1)
    assert reads.open == 0


async def test_appends_are_summed_over_all_partitions_and_tails_are_too(table: PartitionTable) -> None:
    orders, bills = table.get(ORDERS, 1), table.get(BILLS, 0)
    assert (table.opened(), table.tail_bytes) == ([], 0)
    assert await offset_of(send(orders, batch([b"v"] * 2))) == 0
    assert table.opened() == [orders]
    assert await offset_of(send(bills, batch())) == 0
    assert table.opened() == [orders, bills]
    totals = table.totals
    assert (totals.records, totals.batch_bytes.count) == (3, 2)
    assert totals.append_entries.count == totals.append_seconds.count == 2
    assert (orders.counts.records, bills.counts.records) == (2, 1)
    assert table.tail_bytes == len(batch([b"v"] * 2)) + len(batch())
