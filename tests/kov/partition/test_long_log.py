"""A partition with a million entries opens from the newest snapshot, not from all of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kov import records
from kov.entries import ControlEntry, pack, unpack
from kov.partition import control, history, recovery
from kov.partition.fold import Fold
from kov.partition.identity import PartitionIdentity, ProducerBounds, WriterIdentity, WriterStamp
from kov.partition.limits import Limits
from kov.partition.table import PartitionTable
from kov.topics import Origin, Topic, uuid_of_mapped
from tests.builders import batch
from tests.lite_varlog import LiteVarlog, start_lite_varlog
from varlog_client import ClusterId, Log

ENTRIES = 1_000_000
OPENS_WITHIN_S = 1.0
_PER_APPEND = 2000

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def log_of(partition: PartitionIdentity) -> Iterator[bytes]:
    """What one kov writes: a fence, one-record batches, and a snapshot every so many entries."""
    data, limits = batch([b"x"]), Limits()
    stamp = WriterStamp(attempt_id=b"a" * 16, node=WriterIdentity(node_id=1))
    fold = Fold(partition)

    def packed(entry: ControlEntry) -> bytes:
        return pack(entry.kind, entry.epoch, entry.message)

    for llsn in range(1, ENTRIES + 1):
        if llsn == 1:
            payload = packed(control.fence(fold, stamp, ProducerBounds(), 0))
        elif llsn % limits.snapshot_entries == 0:
            payload = packed(control.snapshot(fold, stamp, llsn))
        else:
            payload = records.stamp(data, fold.position.next_offset, 1)
        fold.apply(llsn, unpack(payload))
        yield payload


async def fill(log: Log, topic: Topic, partition: PartitionIdentity) -> None:
    appender = log.appender(topic.topic_id, topic.log_streams[0], pipeline=4)
    payloads, waiting = log_of(partition), []
    while run := [payload for _, payload in zip(range(_PER_APPEND), payloads, strict=False)]:
        waiting.append(await appender.append_soon(run))
    (*_, last) = (await asyncio.gather(*waiting))[-1]
    assert last.llsn == ENTRIES
    await appender.close()


async def test_a_partition_with_a_million_entries_opens_within_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with start_lite_varlog(tmp_path / "varlog") as cluster:
        topic_id = await cluster.add_topic()
        stream = await cluster.add_log_stream(topic_id)
        uuid = uuid_of_mapped(ClusterId(1), topic_id, "orders")
        topic = Topic(name="orders", uuid=uuid, topic_id=topic_id, log_streams=(stream,), origin=Origin.FILE)
        async with await Log.open(1, [cluster.metadata_repository]) as log:
            await fill(log, topic, PartitionIdentity(cluster_id=1, topic_uuid=uuid, index=0))
        await check_opening(cluster, topic, monkeypatch)


async def check_opening(cluster: LiteVarlog, topic: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    read = 0

    def counted(payload: bytes) -> object:
        nonlocal read
        read += 1
        return unpack(payload)

    monkeypatch.setattr(recovery, "unpack", counted)
    monkeypatch.setattr(history, "unpack", counted)
    async with await Log.open(1, [cluster.metadata_repository]) as log:
        table = PartitionTable(log, cluster_id=1, writer=WriterIdentity(node_id=2))
        partition = table.get(topic, 0)
        begun = time.perf_counter()
        appended = await partition.append(batch(), source=None, timeout_s=30)
        took_s = time.perf_counter() - begun
        controls = 1 + ENTRIES // Limits().snapshot_entries
        assert appended.base_offset == ENTRIES - controls
        assert read <= 5 * Limits().snapshot_entries, f"{read} entries were read"
        assert took_s < OPENS_WITHIN_S
        await table.close(1)
