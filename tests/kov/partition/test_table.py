"""All partitions of a process: each on its own log stream, following the topics as they come and go."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import cast
from uuid import UUID

import pytest
from aiokafka.record.default_records import DefaultRecordBatch
from kio.schema.errors import ErrorCode

from kov.budget import Budget
from kov.entries import ControlEntry, unpack
from kov.errors import KafkaError, NotLeader
from kov.partition.identity import (
    NOBODY,
    PartitionIdentity,
    WriterIdentity,
    WriterStamp,
    identity_of,
    writer_of,
)
from kov.partition.limits import Limits
from kov.partition.states import State
from kov.partition.stream import Stream
from kov.partition.table import PartitionTable
from kov.partition.unsealing import Unsealer
from kov.pb.control_pb2 import Fence
from kov.topics import Origin, TimestampType, Topic, TopicConfig
from tests.builders import batch
from tests.kov.partition.asking import code_of, offset_of, send, until
from tests.kov.partition.scripted import LOG_STREAM_ID, TOPIC_ID, Entries, ScriptedAppender, ScriptedLog
from varlog_client import Log
from varlog_client.errors import NotFound
from varlog_client.types import ClusterMetadata, LogStreamId, LogStreamState, TopicId

NODE = WriterIdentity(node_id=4, addresses={"internal": "node-4:9092"})
QUICK = Limits(retry_s=0.001, max_retry_s=0.01, deposed_s=0.05)
FILE = "kov repair m.yaml"


class Cluster:
    """Scripted log streams 1, 2, ... of one Varlog topic. `sizes`: what the replicas take, 0 without."""

    def __init__(self, count: int) -> None:
        self.logs = {LogStreamId(n): ScriptedLog() for n in range(1, count + 1)}
        self.sizes: tuple[int, ...] | None = None
        known = self[1].metadata.log_streams[LOG_STREAM_ID]
        described = {n: replace(known, log_stream_id=n) for n in self.logs}
        self.metadata = ClusterMetadata(version=1, log_streams=described)

    def __getitem__(self, number: int) -> ScriptedLog:
        return self.logs[LogStreamId(number)]

    async def refresh(self) -> ClusterMetadata:
        return self.metadata

    async def peek(self, topic_id: TopicId, log_stream_id: LogStreamId) -> LogStreamState:
        assert topic_id == TOPIC_ID
        if log_stream_id not in self.logs:
            raise NotFound(f"log stream {log_stream_id} is not in the metadata")
        state = await self.logs[log_stream_id].peek(topic_id, log_stream_id)
        if self.sizes is None:
            return state
        sized = zip(state.replicas, self.sizes, strict=False)
        return replace(state, replicas=tuple(replace(each, size_bytes=size) for each, size in sized))

    def subscribe_to(self, topic_id: TopicId, log_stream_id: LogStreamId, begin: int, end: int) -> Entries:
        assert topic_id == TOPIC_ID
        return self.logs[log_stream_id].subscribe_to(topic_id, log_stream_id, begin, end)

    def appender(
        self, topic_id: TopicId, log_stream_id: LogStreamId, *, pipeline: int, call_timeout_s: float
    ) -> ScriptedAppender:
        assert topic_id == TOPIC_ID
        log = self.logs[log_stream_id]
        return log.appender(topic_id, log_stream_id, pipeline=pipeline, call_timeout_s=call_timeout_s)


def topic_of(name: str, number: int, *streams: int) -> Topic:
    return Topic(
        name=name,
        uuid=UUID(int=number),
        topic_id=TOPIC_ID,
        log_streams=tuple(LogStreamId(each) for each in streams),
        origin=Origin.CATALOG,
    )


ORDERS = topic_of("orders", 1, 1, 2)
BILLS = topic_of("bills", 2, 3)


@pytest.fixture
def cluster() -> Cluster:
    return Cluster(3)


def table_on(
    cluster: Cluster,
    *,
    limits: Limits | None = QUICK,
    unsealer: Unsealer | None = None,
    memory: Budget | None = None,
) -> PartitionTable:
    log = cast("Log", cluster)
    return PartitionTable(
        log, cluster_id=3, writer=NODE, limits=limits, unsealer=unsealer, repair=FILE, memory=memory
    )


@pytest.fixture
async def table(cluster: Cluster) -> AsyncIterator[PartitionTable]:
    made = table_on(cluster)
    yield made
    for log in cluster.logs.values():
        log.release()
    await made.close(1)


def fences_of(log: ScriptedLog) -> list[tuple[PartitionIdentity, WriterStamp]]:
    messages = [entry.message for entry in map(unpack, log.entries) if isinstance(entry, ControlEntry)]
    fences = [message for message in messages if isinstance(message, Fence)]
    return [(identity_of(fence.partition), writer_of(fence.writer)) for fence in fences]


def all_identities() -> list[PartitionIdentity]:
    places = [(ORDERS, 0), (ORDERS, 1), (BILLS, 0)]
    return [PartitionIdentity(cluster_id=3, topic_uuid=topic.uuid, index=n) for topic, n in places]


# Getting one


async def test_each_partition_lies_in_its_own_log_stream_which_names_it(
    table: PartitionTable, cluster: Cluster
) -> None:
    places = [(ORDERS, 0), (ORDERS, 1), (BILLS, 0)]
    for topic, index in places:
        partition = table.get(topic, index)
        assert (partition.topic, partition.index) == (topic, index)
        assert await offset_of(send(partition, batch([topic.name.encode(), b"%d" % index]))) == 0
    for number, (topic, index), identity in zip((1, 2, 3), places, all_identities(), strict=True):
        values = [record.value for record in DefaultRecordBatch(cluster[number].entries[-1])]
        assert values == [topic.name.encode(), b"%d" % index]
        ((named, stamp),) = fences_of(cluster[number])
        assert named == identity
        assert stamp.node == NODE


async def test_a_partition_is_made_once_and_a_topic_made_anew_gets_another(table: PartitionTable) -> None:
    assert table.known(ORDERS, 1) is None
    assert len(table) == 0
    partition = table.get(ORDERS, 1)
    assert table.get(ORDERS, 1) is table.known(ORDERS, 1) is partition
    assert table.known(ORDERS, 0) is None
    anew = replace(ORDERS, uuid=UUID(int=77))
    assert table.known(anew, 1) is None
    assert table.get(anew, 1) is not partition
    assert len(table) == 2


async def test_making_a_partition_opens_nothing(table: PartitionTable, cluster: Cluster) -> None:
    table.get(ORDERS, 0)
    await asyncio.sleep(0)
    assert cluster[1].appenders == cluster[1].read == 0


async def test_every_partition_keeps_to_the_tables_limits(cluster: Cluster) -> None:
    table = table_on(cluster, limits=replace(QUICK, pipeline=1))
    partition = table.get(ORDERS, 0)
    await offset_of(send(partition, batch()))
    cluster[1].hold()
    futures = [send(partition, batch()) for _ in range(3)]
    assert len(cluster[1].sent) == 1
    cluster[1].release()
    assert [await offset_of(future) for future in futures] == [1, 2, 3]
    await table.close(1)


async def test_without_limits_it_keeps_to_the_usual_ones(cluster: Cluster) -> None:
    table = table_on(cluster, limits=None)
    partition = table.get(ORDERS, 0)
    assert await offset_of(send(partition, batch())) == 0
    cluster[1].hold()
    before = len(cluster[1].sent)
    futures = [send(partition, batch()) for _ in range(4)]
    await until(lambda: len(cluster[1].sent) - before == Limits().pipeline)
    cluster[1].release()
    assert [await offset_of(future) for future in futures] == [1, 2, 3, 4]
    await table.close(1)


async def test_the_batches_of_all_partitions_count_in_one_memory(cluster: Cluster) -> None:
    memory = Budget(1 << 20)
    table = table_on(cluster, memory=memory)
    for log in cluster.logs.values():
        log.hold(lambda payload: True)
    waiting = [send(table.get(ORDERS, index), batch()) for index in (0, 1)]
    assert memory.used == 2 * len(batch())
    for log in cluster.logs.values():
        log.release()
    assert [await offset_of(future) for future in waiting] == [0, 0]
    assert memory.used == 0
    await table.close(1)


async def test_a_sealed_log_stream_is_left_to_the_tables_unsealer(cluster: Cluster) -> None:
    class Unseals(Unsealer):
        async def consider(self, stream: Stream) -> None:
            cluster.logs[stream.log_stream_id].sealed = False

    table = table_on(cluster, unsealer=Unseals("nowhere"))
    cluster[2].sealed = True
    assert await offset_of(send(table.get(ORDERS, 1), batch())) == 0
    await table.close(1)


@pytest.mark.parametrize("command", [FILE, None])
async def test_the_command_that_repairs_names_the_partition(cluster: Cluster, command: str | None) -> None:
    log = cast("Log", cluster)
    table = table_on(cluster) if command else PartitionTable(log, cluster_id=3, writer=NODE, limits=QUICK)
    for _ in range(3):
        await offset_of(send(table.get(ORDERS, 1), batch()))
    await table.close(1)
    cluster[2].trim(2)
    later = table_on(cluster) if command else PartitionTable(log, cluster_id=3, writer=NODE, limits=QUICK)
    with pytest.raises(KafkaError) as caught:
        await send(later.get(ORDERS, 1), batch())
    assert caught.value.message.endswith(f"run: {command or 'kov repair FILE'} orders/1")
    await later.close(1)


# Following the topics


async def test_settings_hold_for_what_is_appended_from_now_on(
    table: PartitionTable, cluster: Cluster
) -> None:
    running, sleeping = table.get(ORDERS, 0), table.get(ORDERS, 1)
    assert (await send(running, batch())).log_append_time_ms == -1
    config = TopicConfig(timestamp_type=TimestampType.LOG_APPEND_TIME, max_message_bytes=1000)
    changed = replace(ORDERS, config=config)
    table.keep_up_with([changed, BILLS])
    for partition in (running, sleeping):
        assert partition.topic == changed
        assert (await send(partition, batch())).log_append_time_ms > 0
        with pytest.raises(KafkaError) as caught:
            send(partition, batch([b"x" * 1000]))
        assert caught.value.code is ErrorCode.message_too_large


async def test_who_waits_on_a_deleted_topic_is_answered_at_once_and_the_others_go_on(
    table: PartitionTable, cluster: Cluster
) -> None:
    first, deleted, last = table.get(ORDERS, 0), table.get(BILLS, 0), table.get(ORDERS, 1)
    cluster[3].hold(lambda payload: True)
    waiting = send(deleted, batch())
    table.keep_up_with([ORDERS])
    for _ in range(20):
        await asyncio.sleep(0)
    assert waiting.done(), "it isn't waited for any more"
    with pytest.raises(KafkaError, match="topic bills is deleted") as caught:
        await waiting
    assert caught.value.code is ErrorCode.unknown_topic_or_partition
    with pytest.raises(KafkaError) as later:
        send(deleted, batch())
    assert later.value.code is ErrorCode.unknown_topic_or_partition
    assert table.known(BILLS, 0) is None
    assert (table.known(ORDERS, 0), table.known(ORDERS, 1)) == (first, last)
    assert await offset_of(send(first, batch())) == await offset_of(send(last, batch())) == 0


async def test_what_was_taken_for_a_topic_that_left_the_mapping_file_is_still_stored(
    table: PartitionTable, cluster: Cluster
) -> None:
    mapped = replace(BILLS, origin=Origin.FILE)
    leaving = table.get(mapped, 0)
    cluster[3].hold()
    waiting = send(leaving, batch())
    await until(lambda: bool(cluster[3].sent))
    table.keep_up_with([ORDERS])
    assert table.known(mapped, 0) is None
    for _ in range(20):
        await asyncio.sleep(0)
    assert not waiting.done()
    cluster[3].release()
    assert await offset_of(waiting) == 0
    await until(lambda: leaving.state is State.CLOSED)
    with pytest.raises(KafkaError, match="partition 0 of bills is not in the mapping file now") as later:
        send(leaving, batch())
    assert later.value.code is ErrorCode.unknown_topic_or_partition


async def test_partitions_that_are_gone_or_lie_elsewhere_are_closed_and_the_others_go_on(
    table: PartitionTable, cluster: Cluster
) -> None:
    mapped = replace(ORDERS, origin=Origin.FILE)
    stays, moves = table.get(mapped, 0), table.get(mapped, 1)
    await offset_of(send(stays, batch()))
    await offset_of(send(moves, batch()))
    elsewhere = replace(mapped, log_streams=(mapped.log_streams[0], LogStreamId(3)))
    table.keep_up_with([elsewhere])
    assert table.known(mapped, 0) is stays
    assert await offset_of(send(table.get(elsewhere, 1), batch())) == 0, "another log stream, from its start"
    await until(lambda: moves.state is State.CLOSED)

    table.keep_up_with([replace(mapped, log_streams=mapped.log_streams[:1])])
    assert table.known(mapped, 1) is None
    assert await offset_of(send(stays, batch())) == 1


async def test_closing_the_table_waits_for_partitions_of_deleted_topics(
    table: PartitionTable, cluster: Cluster
) -> None:
    cluster[3].hold(lambda payload: True)
    waiting = send(table.get(BILLS, 0), batch())
    table.keep_up_with([])
    assert not waiting.done()
    await table.close(1)
    assert waiting.done()
    assert await code_of(waiting) is ErrorCode.unknown_topic_or_partition


async def test_what_has_closed_is_not_held_on_to(table: PartitionTable) -> None:
    name = f"close {table.get(BILLS, 0)}"
    table.keep_up_with([])
    (closing,) = [task for task in asyncio.all_tasks() if task.get_name() == name]
    await closing
    await asyncio.sleep(0)
    held = weakref.ref(closing)
    del closing
    gc.collect()
    assert held() is None


async def test_closing_the_table_waits_no_longer_than_it_was_told(
    table: PartitionTable, cluster: Cluster
) -> None:
    partition = table.get(ORDERS, 0)
    await offset_of(send(partition, batch()))
    cluster[1].hold()
    stuck = send(partition, batch())
    async with asyncio.timeout(5):
        await table.close(0.01)
    assert await code_of(stuck) is ErrorCode.request_timed_out
    with pytest.raises(NotLeader, match="shutting down"):
        send(partition, batch())


# Fencing a topic off


async def test_fencing_off_ends_the_writers_of_every_partition(
    table: PartitionTable, cluster: Cluster
) -> None:
    writers = [table.get(ORDERS, index) for index in (0, 1)]
    for writer in writers:
        await offset_of(send(writer, batch()))
    await table_on(cluster).fence_off(ORDERS)
    for number, identity in zip((1, 2), all_identities(), strict=False):
        named, stamp = fences_of(cluster[number])[-1]
        assert named == identity
        assert stamp.node.node_id == NOBODY.node_id
    for writer in writers:
        assert await code_of(send(writer, batch())) is ErrorCode.not_leader_or_follower
    assert not cluster[3].entries


async def test_fencing_off_passes_over_a_log_stream_that_is_gone(
    table: PartitionTable, cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    del cluster.logs[LogStreamId(1)]
    await table.fence_off(ORDERS)
    assert len(cluster[2].entries) == 1
    (said,) = [record.message for record in caplog.records if "needs no fence" in record.message]
    assert said == "orders/0 needs no fence: log stream 1 is not in the metadata"


# Sizes


async def test_the_size_of_a_partition_is_that_of_its_largest_replica(
    table: PartitionTable, cluster: Cluster
) -> None:
    cluster.sizes = (700, 900)
    assert await table.size(ORDERS, 0) == 900
    cluster.sizes = ()
    assert await table.size(ORDERS, 1) == 0


async def test_while_storage_is_away_no_size_is_made_up(table: PartitionTable, cluster: Cluster) -> None:
    cluster[2].unreachable = True
    assert await table.size(ORDERS, 0) == 0
    with pytest.raises(KafkaError, match="no replica answers") as caught:
        await table.size(ORDERS, 1)
    assert caught.value.code is ErrorCode.kafka_storage_error
