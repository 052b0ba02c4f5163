from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from kio.schema.errors import ErrorCode

from kov.handlers.fetch import FetchPartition, FetchRequest, FetchTopic, PartitionData, ReplicaState
from kov.partition.partition import Partition
from tests.builders import batch
from tests.kov.handlers.door import ORDERS, Door, Wire, a_door, fetch, fetching, produce, producing
from tests.kov.wire.requests import request
from tests.waiting import wait_for

SMALL = batch([b"a", b"b"])


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with a_door(partitions=3) as door:
        yield door


@pytest.fixture
async def wire(door: Door) -> Wire:
    return await door.connect()


async def store(wire: Wire, *batches: bytes, index: int = 0) -> None:
    for each in batches:
        answer = await produce(wire, 9, producing(each, index=index))
        assert answer.responses[0].partition_responses[0].error_code is ErrorCode.none


def named(version: int, body: FetchRequest) -> FetchRequest:
    """Its topics by id where the version knows no names."""
    by_id = (replace(topic, topic="", topic_id=ORDERS) for topic in body.topics)
    return body if version < 13 else replace(body, topics=tuple(by_id))


async def one(wire: Wire, version: int, body: FetchRequest) -> PartitionData:
    (topic,) = (await fetch(wire, version, body)).responses
    (part,) = topic.partitions
    return part


def base_offsets(records: tuple[bytes, ...]) -> list[int]:
    found, data = [], b"".join(records)
    while data:
        base, length = struct.unpack_from(">qi", data)
        found.append(base)
        data = data[12 + length :]
    return found


@pytest.mark.parametrize("version", range(4, 19))
async def test_stored_batches_come_back_in_every_version(wire: Wire, version: int) -> None:
    await store(wire, SMALL, SMALL)
    part = await one(wire, version, named(version, fetching(1)))
    assert part.error_code is ErrorCode.none
    assert base_offsets(part.records) == [0, 2]
    assert b"".join(part.records).count(SMALL[61:]) == 2
    assert (part.high_watermark, part.last_stable_offset) == (4, 4)
    assert part.log_start_offset == (0 if version >= 5 else -1)
    assert part.aborted_transactions is None


async def test_nothing_to_read_is_empty_records_and_never_null(wire: Wire) -> None:
    part = await one(wire, 12, fetching(0))
    assert (part.error_code, part.records, part.high_watermark) == (ErrorCode.none, (b"",), 0)


@pytest.mark.parametrize("offset", [-1, 3, 1000])
async def test_an_offset_out_of_range_is_answered_at_once(wire: Wire, offset: int) -> None:
    await store(wire, SMALL)
    async with asyncio.timeout(5):
        part = await one(wire, 12, fetching(offset, max_wait_s=60))
    assert part.error_code is ErrorCode.offset_out_of_range
    assert part.records == (b"",)


async def test_unknown_topics_partitions_and_ids(wire: Wire) -> None:
    unknown = ErrorCode.unknown_topic_or_partition
    assert (await one(wire, 12, fetching(0, name="missing"))).error_code is unknown
    assert (await one(wire, 12, fetching(0, index=3))).error_code is unknown
    by_id = await one(wire, 13, fetching(0, name="", topic_id=UUID(int=1)))
    assert by_id.error_code is ErrorCode.unknown_topic_id


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[asyncio.Future[None]]:
    """Every future by which a fetch waits for a partition to grow."""
    found: list[asyncio.Future[None]] = []
    advanced = Partition.advanced

    def watched(self: Partition, offset: int) -> asyncio.Future[None]:
        found.append(advanced(self, offset))
        return found[-1]

    monkeypatch.setattr(Partition, "advanced", watched)
    return found


async def test_a_fetch_waits_for_the_next_batch(
    door: Door, wire: Wire, waits: list[asyncio.Future[None]]
) -> None:
    await store(wire, SMALL)
    reader = await door.connect()
    reading = asyncio.ensure_future(one(reader, 12, fetching(2, max_wait_s=60)))
    await wait_for(lambda: waits)
    assert not reading.done()
    await store(wire, SMALL)
    async with asyncio.timeout(5):
        assert base_offsets((await reading).records) == [2]
    assert all(future.done() for future in waits)


async def test_a_fetch_ends_with_its_wait(wire: Wire) -> None:
    await store(wire, SMALL)
    loop = asyncio.get_running_loop()
    before = loop.time()
    assert (await one(wire, 12, fetching(2, max_wait_s=0.05))).records == (b"",)
    assert loop.time() - before >= 0.05


async def test_a_fetch_waits_until_there_are_min_bytes(
    door: Door, wire: Wire, waits: list[asyncio.Future[None]]
) -> None:
    await store(wire, SMALL)
    reader = await door.connect()
    body = fetching(0, max_wait_s=60, min_bytes=3 * len(SMALL))
    reading = asyncio.ensure_future(one(reader, 12, body))
    await wait_for(lambda: len(waits) == 1)
    await store(wire, SMALL)
    await wait_for(lambda: len(waits) == 2)
    assert not reading.done()
    await store(wire, SMALL)
    async with asyncio.timeout(5):
        assert base_offsets((await reading).records) == [0, 2, 4]


def on_all(max_bytes: int, *, max_wait_s: float = 0.0, offset: int = 0) -> FetchRequest:
    parts = tuple(
        FetchPartition(partition=index, fetch_offset=offset, partition_max_bytes=1_000_000)
        for index in range(3)
    )
    return FetchRequest(
        max_wait=timedelta(seconds=max_wait_s),
        min_bytes=1,
        max_bytes=max_bytes,
        topics=(FetchTopic(topic="orders", partitions=parts),),
    )


async def test_one_wait_serves_all_partitions(
    door: Door, wire: Wire, waits: list[asyncio.Future[None]]
) -> None:
    for index in range(3):
        await store(wire, SMALL, index=index)
    reader = await door.connect()
    reading = asyncio.ensure_future(fetch(reader, 12, on_all(1_000_000, max_wait_s=60, offset=2)))
    await wait_for(lambda: len(waits) == 3)
    await store(wire, SMALL, index=2)
    async with asyncio.timeout(5):
        (topic,) = (await reading).responses
    assert [future.cancelled() for future in waits] == [True, True, False]
    assert [base_offsets(part.records) for part in topic.partitions] == [[], [], [2]]


async def test_a_fetch_that_nobody_waits_for_leaves_nothing_behind(
    door: Door, wire: Wire, waits: list[asyncio.Future[None]]
) -> None:
    await store(wire, SMALL)
    reader = await door.connect()
    reader.send(request(1, 12, fetching(2, max_wait_s=60)))
    await wait_for(lambda: waits)
    reader.writer.transport.abort()
    await wait_for(lambda: all(future.cancelled() for future in waits))


async def test_the_first_batch_is_sent_even_where_it_is_too_large_and_only_that(wire: Wire) -> None:
    large = batch([bytes(5000)])
    await store(wire, large, large, index=0)
    await store(wire, large, index=1)
    (topic,) = (await fetch(wire, 12, on_all(100))).responses
    assert [base_offsets(part.records) for part in topic.partitions] == [[0], [], []]
    assert [part.high_watermark for part in topic.partitions] == [2, 1, 0]


async def test_the_limit_of_the_whole_answer_counts_over_partitions(wire: Wire) -> None:
    large = batch([bytes(5000)])
    for index in range(3):
        await store(wire, large, large, index=index)
    (topic,) = (await fetch(wire, 12, on_all(3 * len(large) + 10))).responses
    assert [base_offsets(part.records) for part in topic.partitions] == [[0, 1], [0], []]


@pytest.mark.parametrize(
    ("epoch", "code"),
    [(-1, ErrorCode.none), (1, ErrorCode.none), (0, ErrorCode.fenced_leader_epoch),
     (2, ErrorCode.unknown_leader_epoch)],
)  # fmt: skip
async def test_the_leader_epoch_is_checked_where_it_is_known(wire: Wire, epoch: int, code: ErrorCode) -> None:
    assert (await one(wire, 12, fetching(0, leader_epoch=5))).error_code is ErrorCode.none
    await store(wire, SMALL)
    assert (await one(wire, 12, fetching(0, leader_epoch=epoch))).error_code is code


@pytest.mark.parametrize(("epoch", "code"), [(0, 0), (-1, 0), (1, 70), (5, 70)])
async def test_sessions_are_refused_as_kip_227_allows(wire: Wire, epoch: int, code: int) -> None:
    await store(wire, SMALL)
    answer = await fetch(wire, 12, fetching(0, session_epoch=epoch))
    assert (answer.error_code.value, answer.session_id) == (code, 0)
    assert bool(answer.responses) is (code == 0)


async def test_the_end_of_a_session_is_a_full_fetch(wire: Wire) -> None:
    await store(wire, SMALL)
    body = replace(fetching(0, session_epoch=-1), session_id=5)
    answer = await fetch(wire, 12, body)
    assert (answer.error_code, answer.session_id) == (ErrorCode.none, 0)
    assert base_offsets(answer.responses[0].partitions[0].records) == [0]


async def test_more_min_bytes_than_max_bytes_wait_for_no_more_than_max_bytes(wire: Wire) -> None:
    await store(wire, SMALL)
    async with asyncio.timeout(5):
        part = await one(wire, 12, fetching(0, max_wait_s=60, min_bytes=1 << 20, max_bytes=10))
    assert base_offsets(part.records) == [0]


@pytest.mark.parametrize("version", [4, 12, 13, 18])
async def test_a_partition_named_twice_is_answered_once_as_it_is_named_last(wire: Wire, version: int) -> None:
    await store(wire, SMALL, SMALL)
    parts = [FetchPartition(partition=0, fetch_offset=at, partition_max_bytes=1000) for at in (0, 2)]
    other = FetchPartition(partition=1, fetch_offset=0, partition_max_bytes=1000)
    topics = tuple(FetchTopic(topic="orders", partitions=each) for each in ((parts[0], other), (parts[1],)))
    (topic,) = (await fetch(wire, version, named(version, replace(on_all(1000), topics=topics)))).responses
    assert [part.partition_index for part in topic.partitions] == [0, 1]
    assert [base_offsets(part.records) for part in topic.partitions] == [[2], []]


@pytest.mark.parametrize("version", [4, 12, 13, 18])
async def test_an_unknown_isolation_level_is_refused_as_kafka_does(wire: Wire, version: int) -> None:
    await store(wire, SMALL)
    body = replace(fetching(0), isolation_level=2, session_id=9, session_epoch=0)
    answer = await fetch(wire, version, named(version, body))
    unexpected = ErrorCode.unknown_server_error
    assert answer.error_code is (ErrorCode.none if version < 7 else unexpected)
    assert [part.error_code for topic in answer.responses for part in topic.partitions] == (
        [unexpected] if version < 13 else []
    )
    assert answer.session_id == (9 if version >= 7 else 0)


@pytest.mark.parametrize(("version", "hint"), [(4, False), (14, False), (15, False), (16, True), (18, True)])
async def test_a_follower_is_told_that_it_is_none(wire: Wire, version: int, hint: bool) -> None:
    await store(wire, SMALL)
    follower = replace(fetching(0, max_wait_s=60), replica_id=1, replica_state=ReplicaState(replica_id=1))
    body = named(version, follower)
    answer = await fetch(wire, version, body)
    (part,) = answer.responses[0].partitions
    assert part.error_code is ErrorCode.not_leader_or_follower
    assert part.current_leader.leader_id == (1 if hint else -1)
    assert answer.node_endpoints == ()
    if version >= 9:
        known = replace(body.topics[0].partitions[0], current_leader_epoch=1)
        body = replace(body, topics=(replace(body.topics[0], partitions=(known,)),))
        assert (await one(wire, version, body)).error_code is ErrorCode.unknown_leader_epoch


@pytest.mark.parametrize(("version", "hint"), [(12, False), (15, False), (16, True), (18, True)])
async def test_a_fenced_epoch_comes_with_the_leader(wire: Wire, version: int, hint: bool) -> None:
    await store(wire, SMALL)
    answer = await fetch(wire, version, named(version, fetching(0, leader_epoch=0)))
    (part,) = answer.responses[0].partitions
    assert part.error_code is ErrorCode.fenced_leader_epoch
    assert (part.current_leader.leader_id, part.current_leader.leader_epoch) == ((1, 1) if hint else (-1, -1))
    assert [(node.node_id, node.host) for node in answer.node_endpoints] == ([(1, "kov-1")] if hint else [])


async def test_a_negative_limit_is_an_error_only_where_there_is_something_to_read(wire: Wire) -> None:
    await store(wire, SMALL)
    failed = await one(wire, 12, fetching(0, partition_max_bytes=-1))
    assert failed.error_code is ErrorCode.unknown_server_error
    assert (await one(wire, 12, fetching(2, max_bytes=-1))).error_code is ErrorCode.none


async def test_what_is_unknown_comes_last(wire: Wire) -> None:
    await store(wire, SMALL)
    part = FetchPartition(partition=0, fetch_offset=0, partition_max_bytes=1000)
    topics = tuple(FetchTopic(topic=name, partitions=(part,)) for name in ("missing", "orders"))
    answer = await fetch(wire, 12, replace(on_all(1000), topics=topics))
    assert [topic.topic for topic in answer.responses] == ["orders", "missing"]


async def test_a_graceful_stop_answers_fetches_that_wait_at_once(door: Door, wire: Wire) -> None:
    await store(wire, SMALL)
    reader = await door.connect()
    reading = asyncio.ensure_future(one(reader, 12, fetching(2, max_wait_s=60)))
    await wait_for(lambda: len(door.peers.deadlines) == 1)
    async with asyncio.timeout(5):
        await door.peers.close(60)
        assert (await reading).error_code is ErrorCode.none
    assert await reader.is_closed()
