from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from kio.schema.errors import ErrorCode

from kov.handlers.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsPartitionResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopic,
)
from kov.partition.partition import Partition
from tests.builders import batch
from tests.kov.handlers.door import Door, Wire, a_door, produce, producing

TIME = 1_700_000_000_000


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with a_door() as door:
        yield door


@pytest.fixture
async def wire(door: Door) -> Wire:
    wire = await door.connect()
    for n in range(3):
        await produce(wire, 9, producing(batch([b"a", b"b"], timestamp_ms=TIME + 1000 * n)))
    return wire


def of(*timestamps: int, index: int = 0, epoch: int = -1, name: str = "orders") -> ListOffsetsRequest:
    parts = tuple(
        ListOffsetsPartition(partition_index=index + n, timestamp=timestamp, current_leader_epoch=epoch)
        for n, timestamp in enumerate(timestamps)
    )
    return ListOffsetsRequest(topics=(ListOffsetsTopic(name=name, partitions=parts),))


async def one(wire: Wire, version: int, body: ListOffsetsRequest) -> ListOffsetsPartitionResponse:
    (topic,) = (await wire.ask(ListOffsetsResponse, version, body)).topics
    return topic.partitions[0]


@pytest.mark.parametrize("version", range(1, 12))
@pytest.mark.parametrize(("timestamp", "offset"), [(-1, 6), (-2, 0), (TIME + 1000, 2), (TIME + 9999, -1)])
async def test_offsets_by_time_in_every_version(
    wire: Wire, version: int, timestamp: int, offset: int
) -> None:
    found = await one(wire, version, of(timestamp))
    assert (found.error_code, found.offset) == (ErrorCode.none, offset)
    if version < 4:
        assert found.leader_epoch == -1


@pytest.mark.parametrize(
    ("timestamp", "since", "offset"), [(-3, 7, 4), (-4, 8, 0), (-5, 9, -1), (-6, 11, -1)]
)
async def test_special_times_are_known_from_a_version_on(
    wire: Wire, timestamp: int, since: int, offset: int
) -> None:
    before = await one(wire, since - 1, of(timestamp))
    assert before.error_code is ErrorCode.unsupported_version
    found = await one(wire, since, of(timestamp))
    assert found.error_code is ErrorCode.none
    assert found.offset in {offset, offset + 1 if timestamp == -3 else offset}


async def test_a_time_that_no_version_knows_is_refused(wire: Wire) -> None:
    assert (await one(wire, 11, of(-7))).error_code is ErrorCode.unsupported_version


async def test_unknown_topics_and_partitions(wire: Wire) -> None:
    unknown = ErrorCode.unknown_topic_or_partition
    assert (await one(wire, 7, of(-1, name="missing"))).error_code is unknown
    assert (await one(wire, 7, of(-1, index=2))).error_code is unknown


async def test_a_partition_asked_for_twice_is_refused_and_the_others_answered(wire: Wire) -> None:
    twice = ListOffsetsRequest(topics=of(-1, -2).topics + of(-1).topics)
    answer = await wire.ask(ListOffsetsResponse, 7, twice)
    codes = [[part.error_code for part in topic.partitions] for topic in answer.topics]
    assert codes == [[ErrorCode.invalid_request, ErrorCode.none], [ErrorCode.invalid_request]]


async def test_the_leader_epoch_is_checked(wire: Wire) -> None:
    assert (await one(wire, 4, of(-1, epoch=1))).error_code is ErrorCode.none
    assert (await one(wire, 4, of(-1, epoch=0))).error_code is ErrorCode.fenced_leader_epoch
    assert (await one(wire, 4, of(-1, epoch=2))).error_code is ErrorCode.unknown_leader_epoch


async def test_a_defect_in_one_partition_leaves_the_others_answered(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    offsets = Partition.offsets

    async def broken(self: Partition, timestamp_ms: int) -> object:
        if timestamp_ms == -2:
            raise ZeroDivisionError
        return await offsets(self, timestamp_ms)

    monkeypatch.setattr(Partition, "offsets", broken)
    (topic,) = (await wire.ask(ListOffsetsResponse, 7, of(-1, -2))).topics
    codes = [part.error_code for part in topic.partitions]
    assert codes == [ErrorCode.none, ErrorCode.unknown_server_error]
    assert "ZeroDivisionError" in caplog.text
