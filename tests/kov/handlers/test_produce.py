from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest
from kio.schema.errors import ErrorCode

from kov.broker import Node
from kov.errors import Leader, NotLeader
from kov.handlers.lookup import LeaderIdAndEpoch, NodeEndpoint
from kov.handlers.produce import (
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    TopicProduceData,
)
from kov.partition.partition import Appended, Partition
from tests.builders import batch, patched
from tests.kov.handlers.door import LISTENER, ORDERS, Door, Wire, a_door, produce, producing
from tests.kov.wire.requests import Entity, request
from tests.waiting import wait_for

BATCH = batch([b"a", b"b", b"c"])
LONGEST_S = (2**31 - 1) / 1000


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with a_door() as door:
        yield door


@pytest.fixture
async def wire(door: Door) -> Wire:
    return await door.connect()


async def one(wire: Wire, version: int, body: ProduceRequest) -> PartitionProduceResponse:
    (topic,) = (await produce(wire, version, body)).responses
    (part,) = topic.partition_responses
    return part


def for_version(version: int, **values: object) -> ProduceRequest:
    named = {"topic_id": ORDERS, "name": ""} if version >= 13 else {}
    return producing(BATCH, **named, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize("version", range(3, 14))
@pytest.mark.parametrize("acks", [1, -1])
async def test_offsets_are_dense_in_every_version(wire: Wire, version: int, acks: int) -> None:
    for n in range(3):
        answer = await one(wire, version, for_version(version, acks=acks))
        assert (answer.error_code, answer.base_offset) == (ErrorCode.none, 3 * n)
        assert answer.log_append_time == -1
        assert answer.log_start_offset == (0 if version >= 5 else -1)


async def test_requests_of_one_connection_are_stored_in_order_and_answered_in_order(
    door: Door, wire: Wire
) -> None:
    for n in range(50):
        wire.send(_entity(producing(batch([b"%d" % n]))), correlation_id=n)
    for n in range(50):
        correlation_id, entity = await wire.receive(0, 9)
        assert correlation_id == n
        assert f"base_offset={n}," in repr(entity)


def _entity(body: ProduceRequest) -> Entity:
    return request(0, 9, body)


async def test_every_partition_asked_for_is_in_the_answer_whatever_became_of_it(wire: Wire) -> None:
    def parts(*indexes: int) -> tuple[PartitionProduceData, ...]:
        return tuple(PartitionProduceData(index=index, records=BATCH) for index in indexes)

    body = ProduceRequest(
        acks=-1,
        timeout=timedelta(seconds=5),
        topic_data=(
            TopicProduceData(name="orders", partition_data=parts(1, 7, 0)),
            TopicProduceData(name="missing", partition_data=parts(0)),
            TopicProduceData(name="orders", partition_data=()),
        ),
    )
    answer = await produce(wire, 9, body)
    found = [[(part.index, part.error_code) for part in t.partition_responses] for t in answer.responses]
    unknown = ErrorCode.unknown_topic_or_partition
    assert found == [[(1, ErrorCode.none), (7, unknown), (0, ErrorCode.none)], [(0, unknown)]]
    assert [topic.name for topic in answer.responses] == ["orders", "missing"]


@pytest.mark.parametrize("index", [-1, 2, 2**31 - 1])
async def test_a_partition_out_of_range_is_unknown(wire: Wire, index: int) -> None:
    answer = await one(wire, 9, producing(BATCH, index=index))
    assert answer.error_code is ErrorCode.unknown_topic_or_partition
    assert str(index) in str(answer.error_message)


async def test_an_unknown_topic_id_has_a_code_of_its_own(wire: Wire) -> None:
    answer = await one(wire, 13, producing(BATCH, name="", topic_id=UUID(int=1)))
    assert answer.error_code is ErrorCode.unknown_topic_id


@pytest.mark.parametrize("acks", [2, -2, 32767])
async def test_other_acks_are_refused_for_every_partition(wire: Wire, acks: int) -> None:
    assert (await one(wire, 9, producing(BATCH, acks=acks))).error_code is ErrorCode.invalid_required_acks
    missing = await one(wire, 9, producing(BATCH, acks=acks, index=9))
    assert missing.error_code is ErrorCode.unknown_topic_or_partition
    broken = await one(wire, 9, producing(b"", acks=acks))
    assert broken.error_code is ErrorCode.invalid_record


@pytest.mark.parametrize(
    ("records", "code"),
    [
        (None, ErrorCode.invalid_record),
        (b"", ErrorCode.invalid_record),
        (BATCH[:-1], ErrorCode.invalid_record),
        (BATCH + BATCH, ErrorCode.invalid_record),
        (patched(BATCH, 16, ">b", 1, checksum=False), ErrorCode.invalid_record),
        (patched(BATCH, 16, ">b", 3, checksum=False), ErrorCode.corrupt_message),
        (patched(BATCH, 30, ">b", 1, checksum=False), ErrorCode.corrupt_message),
        (patched(BATCH, 0, ">q", 5), ErrorCode.invalid_record),
        (patched(BATCH, 57, ">i", 9), ErrorCode.invalid_record),
        (batch([bytes(2_000_000)]), ErrorCode.message_too_large),
    ],
    ids=[
        "null", "empty", "cut", "two batches", "magic 1", "magic 3", "checksum", "offset", "count", "large",
    ],
)  # fmt: skip
async def test_a_bad_batch_gets_kafkas_code_and_a_text(
    wire: Wire, records: bytes | None, code: ErrorCode
) -> None:
    answer = await one(wire, 8, producing(records))
    assert answer.error_code is code
    assert answer.error_message
    assert (answer.base_offset, answer.log_start_offset) == (-1, -1)
    assert (await one(wire, 8, producing(BATCH))).base_offset == 0


@pytest.mark.parametrize(
    ("version", "code"), [(6, ErrorCode.unsupported_compression_type), (7, ErrorCode.none)]
)
async def test_zstd_is_refused_from_clients_too_old_for_it(wire: Wire, version: int, code: ErrorCode) -> None:
    answer = await one(wire, version, producing(patched(BATCH, 21, ">h", 4)))
    assert answer.error_code is code


@pytest.mark.parametrize("version", [3, 9])
async def test_a_transactional_producer_is_told_for_good(wire: Wire, version: int) -> None:
    transactional = patched(BATCH, 21, ">h", 0x10)
    answer = await one(wire, version, producing(transactional, transactional_id="t"))
    assert answer.error_code is ErrorCode.transactional_id_authorization_failed
    if version >= 8:
        assert "doesn't serve transactions" in str(answer.error_message)
    assert (await one(wire, version, producing(BATCH, transactional_id="t"))).base_offset == 0


async def test_an_outcome_that_is_not_known_in_time_is_a_timeout(door: Door, wire: Wire) -> None:
    assert (await one(wire, 9, producing(BATCH))).base_offset == 0
    door.partitions.logs[0].hold()
    answer = await one(wire, 9, producing(BATCH, timeout_s=0.05))
    assert answer.error_code is ErrorCode.request_timed_out


async def test_acks_0_gets_no_answer_and_is_stored(door: Door, wire: Wire) -> None:
    wire.send(_entity(producing(BATCH, acks=0)))
    assert (await one(wire, 9, producing(BATCH))).base_offset == 3


@pytest.mark.parametrize("body", [producing(BATCH, acks=0, index=9), producing(b"", acks=0)])
async def test_acks_0_with_an_error_closes_the_connection(wire: Wire, body: ProduceRequest) -> None:
    wire.send(_entity(body))
    assert await wire.is_closed()


async def test_acks_0_is_stored_although_the_producer_is_gone_at_once(door: Door) -> None:
    wire = await door.connect()
    wire.send(_entity(producing(BATCH, acks=0)))
    await wire.writer.drain()
    wire.writer.close()
    await wait_for(lambda: not len(door.peers))
    await wait_for(
        lambda: 0 in door.partitions.logs and BATCH[61:] in b"".join(door.partitions.logs[0].entries)
    )


@pytest.mark.parametrize(
    ("acks", "timeout_s", "expected_s"), [(0, LONGEST_S, 120.0), (1, LONGEST_S, LONGEST_S), (0, 60.0, 60.0)]
)
async def test_only_what_somebody_waits_for_is_held_as_long_as_a_request_may_ask(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, acks: int, timeout_s: float, expected_s: float
) -> None:
    asked: list[float] = []
    append = Partition.append

    def noting(self: Partition, data: bytes, *, source: object, timeout_s: float) -> asyncio.Future[Appended]:
        asked.append(timeout_s)
        return append(self, data, source=source, timeout_s=timeout_s)

    monkeypatch.setattr(Partition, "append", noting)
    wire.send(_entity(producing(BATCH, acks=acks, timeout_s=timeout_s)))
    await wait_for(lambda: bool(asked))
    assert asked == [pytest.approx(expected_s)]


async def test_a_batch_that_nobody_waits_for_any_more_is_not_sent(door: Door, wire: Wire) -> None:
    assert (await one(wire, 9, producing(BATCH))).base_offset == 0
    log = door.partitions.logs[0]

    def sent(count: int) -> bool:
        return len(log.sent) == count

    log.hold()
    for n in range(2):  # they fill the pipeline
        wire.send(_entity(producing(batch([b"sent %d" % n]))))
        await wait_for(partial(sent, n + 1))
    gone = await door.connect()
    gone.send(_entity(producing(batch([b"unwanted"]))))
    await wait_for(lambda: "queued=1" in repr(door.partitions.made[0]))
    gone.writer.transport.abort()
    await wait_for(lambda: len(door.peers) == 1)
    log.release()
    assert (await one(wire, 9, producing(BATCH))).error_code is ErrorCode.none
    stored = b"".join(log.entries)
    assert b"sent 1" in stored
    assert b"unwanted" not in stored


@pytest.mark.parametrize("version", [9, 10])
async def test_a_deposed_node_names_the_new_leader_and_its_address(
    door: Door, wire: Wire, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    leader = Leader(node_id=5, epoch=9, addresses={LISTENER: "[::1]:9095"})

    def append(*_: object, **__: object) -> asyncio.Future[object]:
        raise NotLeader("node 5 writes it", leader)

    monkeypatch.setattr(Partition, "append", append)
    answer = await produce(wire, version, producing(BATCH))
    part = answer.responses[0].partition_responses[0]
    assert part.error_code is ErrorCode.not_leader_or_follower
    if version >= 10:
        assert part.current_leader == LeaderIdAndEpoch(leader_id=5, leader_epoch=9)
        assert answer.node_endpoints == (NodeEndpoint(node_id=5, host="::1", port=9095),)


async def test_a_partition_of_another_node_is_not_touched() -> None:
    nodes = {LISTENER: [Node(node_id=2, host="kov-2", port=9093)]}
    async with a_door(nodes=nodes) as door:
        answer = await produce(await door.connect(), 12, producing(BATCH))
        part = answer.responses[0].partition_responses[0]
        assert part.error_code is ErrorCode.not_leader_or_follower
        assert part.current_leader.leader_id == 2
        assert answer.node_endpoints == (NodeEndpoint(node_id=2, host="kov-2", port=9093),)
        assert not door.partitions.made


async def test_a_defect_in_one_partition_leaves_the_others_answered(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    append = Partition.append

    def broken(self: Partition, data: bytes, **values: object) -> object:
        if data != BATCH:
            raise ZeroDivisionError
        return append(self, data, **values)  # type: ignore[arg-type]

    monkeypatch.setattr(Partition, "append", broken)
    parts = tuple(PartitionProduceData(index=n, records=r) for n, r in enumerate((batch([b"x"]), BATCH)))
    body = ProduceRequest(
        acks=-1,
        timeout=timedelta(seconds=5),
        topic_data=(TopicProduceData(name="orders", partition_data=parts),),
    )
    (topic,) = (await produce(wire, 9, body)).responses
    codes = [part.error_code for part in topic.partition_responses]
    assert codes == [ErrorCode.unknown_server_error, ErrorCode.none]
    assert "ZeroDivisionError" in caplog.text
