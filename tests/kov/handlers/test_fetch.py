from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest
from kio.schema.errors import ErrorCode

from kov.handlers.fetch import FetchPartition, FetchRequest, FetchTopic, PartitionData
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


async def one(wire: Wire, version: int, body: FetchRequest) -> PartitionData:
    (topic,) = (await fetch(wire, version, body)).responses
    (part,) = topic.partitions
    return part


def base_offsets(records: bytes) -> list[int]:
    found = []
    while records:
        base, length = struct.unpack_from(">qi", records)
        found.append(base)
        records = records[12 + length :]
    return found


@pytest.mark.parametrize("version", range(4, 19))
async def test_stored_batches_come_back_in_every_version(wire: Wire, version: int) -> None:
    await store(wire, SMALL, SMALL)
    named = {"topic_id": ORDERS, "name": ""} if version >= 13 else {}
    part = await one(wire, version, fetching(1, **named))  # type: ignore[arg-type]
    assert part.error_code is ErrorCode.none
    assert base_offsets(part.records) == [0, 2]
    assert part.records.count(SMALL[61:]) == 2
    assert (part.high_watermark, part.last_stable_offset) == (4, 4)
    assert part.log_start_offset == (0 if version >= 5 else -1)
    assert part.aborted_transactions is None


async def test_nothing_to_read_is_empty_records_and_never_null(wire: Wire) -> None:
    part = await one(wire, 12, fetching(0))
    assert (part.error_code, part.records, part.high_watermark) == (ErrorCode.none, b"", 0)


@pytest.mark.parametrize("offset", [-1, 3, 1000])
async def test_an_offset_out_of_range_is_answered_at_once(wire: Wire, offset: int) -> None:
    await store(wire, SMALL)
    async with asyncio.timeout(5):
        part = await one(wire, 12, fetching(offset, max_wait_s=60))
    assert part.error_code is ErrorCode.offset_out_of_range
    assert part.records == b""


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
    assert (await one(wire, 12, fetching(2, max_wait_s=0.05))).records == b""
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
