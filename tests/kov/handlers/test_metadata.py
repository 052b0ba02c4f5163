from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from kio.schema.errors import ErrorCode
from kio.schema.metadata.v0.response import MetadataResponse as MetadataV0
from kio.schema.metadata.v1.response import MetadataResponse as MetadataV1

from kov.broker import Node
from kov.errors import Leader
from kov.handlers.metadata import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataResponseTopic,
)
from kov.topics import Topic
from tests.builders import batch
from tests.kov.handlers.door import LISTENER, ORDERS, Door, Wire, a_door, produce, producing
from tests.kov.wire.requests import request


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with a_door() as door:
        yield door


@pytest.fixture
async def wire(door: Door) -> Wire:
    return await door.connect()


def about(*names: str | None, ids: tuple[UUID, ...] = (), create: bool = False) -> MetadataRequest:
    by_name = [MetadataRequestTopic(name=name) for name in names]
    by_id = [MetadataRequestTopic(name=None, topic_id=each) for each in ids]
    return MetadataRequest(topics=(*by_name, *by_id), allow_auto_topic_creation=create)


async def one(wire: Wire, version: int, body: MetadataRequest) -> MetadataResponseTopic:
    (topic,) = (await wire.ask(MetadataResponse, version, body)).topics
    return topic


@pytest.mark.parametrize("version", range(2, 14))
async def test_the_whole_answer_in_every_version(wire: Wire, version: int) -> None:
    text = repr(await wire.ask_entity(version, about("orders")))
    assert "node_id=1, host='kov-1', port=9092, rack='r1'" in text
    assert "controller_id=1" in text
    assert "name='orders'" in text
    assert text.count("leader_id=1") == 2
    assert (f"topic_id={ORDERS!r}" in text) is (version >= 10)
    assert ("leader_epoch=-1" in text) is (version >= 7)


async def test_version_0_asks_for_all_topics_with_an_empty_list_and_later_ones_with_null(wire: Wire) -> None:
    assert isinstance(v0 := await wire.ask_entity(0, MetadataRequest(topics=())), MetadataV0)
    assert [topic.name for topic in v0.topics] == ["orders"]
    assert isinstance(v1 := await wire.ask_entity(1, MetadataRequest(topics=())), MetadataV1)
    assert v1.topics == ()
    assert isinstance(v1 := await wire.ask_entity(1, MetadataRequest(topics=None)), MetadataV1)
    assert [topic.name for topic in v1.topics] == ["orders"]


async def test_unknown_and_invalid_names(wire: Wire) -> None:
    answer = await wire.ask(MetadataResponse, 9, about("missing", "bad name", "orders", "missing"))
    assert [(topic.name, topic.error_code) for topic in answer.topics] == [
        ("missing", ErrorCode.unknown_topic_or_partition),
        ("bad name", ErrorCode.invalid_topic_exception),
        ("orders", ErrorCode.none),
    ]


async def test_topics_by_id(wire: Wire) -> None:
    answer = await wire.ask(MetadataResponse, 12, about(ids=(ORDERS, UUID(int=1))))
    assert [(topic.name, topic.topic_id, topic.error_code) for topic in answer.topics] == [
        ("orders", ORDERS, ErrorCode.none),
        (None, UUID(int=1), ErrorCode.unknown_topic_id),
    ]


async def test_ids_are_not_asked_for_before_version_12(wire: Wire) -> None:
    assert (await one(wire, 10, about(ids=(ORDERS,)))).error_code is ErrorCode.invalid_request
    assert (await one(wire, 11, about(None))).error_code is ErrorCode.invalid_request


class Creation:
    """Creations that end when the test says so."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.may_end = asyncio.Event()

    async def __call__(self, name: str) -> Topic:
        self.names.append(name)
        await self.may_end.wait()
        return Topic(**{**_fields(), "name": name})  # type: ignore[arg-type]


def _fields() -> dict[str, object]:
    return {"uuid": UUID(int=3), "topic_id": 1, "log_streams": (1,), "origin": "catalog"}


async def test_a_topic_that_is_being_created_is_5_until_it_is_there(door: Door, wire: Wire) -> None:
    creation = Creation()
    door.topics.create_with(creation)
    for version in (1, 9, 12):
        asked = about("new", create=True)
        entity = await wire.ask_entity(version, asked)
        assert "leader_not_available" in repr(entity)
    assert creation.names == ["new"]
    creation.may_end.set()
    await door.topics.close(5)


async def test_nothing_is_created_where_the_client_or_the_server_forbids_it(door: Door, wire: Wire) -> None:
    unknown = ErrorCode.unknown_topic_or_partition
    assert (await one(wire, 9, about("new", create=True))).error_code is unknown
    creation = Creation()
    door.topics.create_with(creation)
    assert (await one(wire, 9, about("new"))).error_code is unknown
    invalid = await one(wire, 9, about("not/valid", create=True))
    assert invalid.error_code is ErrorCode.invalid_topic_exception
    by_id = await one(wire, 12, MetadataRequest(topics=(MetadataRequestTopic(name=None, topic_id=ORDERS),)))
    assert by_id.error_code is ErrorCode.none
    assert creation.names == []


async def test_the_epoch_is_told_once_the_partition_was_opened(wire: Wire) -> None:
    assert [part.leader_epoch for part in (await one(wire, 9, about("orders"))).partitions] == [-1, -1]
    await produce(wire, 9, producing(batch()))
    assert [part.leader_epoch for part in (await one(wire, 9, about("orders"))).partitions] == [1, -1]


async def test_a_deposed_partition_is_led_by_the_node_that_fenced_it(door: Door, wire: Wire) -> None:
    """Also where the mapping file doesn't know that node: clients look for it among the brokers."""
    partition = door.broker.partition(door.topics.all()[0], 1)
    partition._ownership.leader = Leader(node_id=4, epoch=8, addresses={LISTENER: "kov-4:9099"})
    told = await wire.ask(MetadataResponse, 9, about("orders"))
    (_, part) = told.topics[0].partitions
    assert (part.leader_id, part.leader_epoch, part.replica_nodes, part.isr_nodes) == (4, 8, (4,), (4,))
    assert [(each.node_id, each.host, each.port) for each in told.brokers] == [
        (1, "kov-1", 9092),
        (4, "kov-4", 9099),
    ]


async def test_a_writer_that_clients_of_this_listener_cannot_reach_is_not_named(
    door: Door, wire: Wire
) -> None:
    partition = door.broker.partition(door.topics.all()[0], 1)
    partition._ownership.leader = Leader(node_id=4, epoch=8, addresses={})
    told = await wire.ask(MetadataResponse, 9, about("orders"))
    assert [each.node_id for each in told.brokers] == [1]
    assert [part.leader_id for part in told.topics[0].partitions] == [1, 1]


async def test_partitions_of_other_nodes_are_named_and_not_touched() -> None:
    nodes = {LISTENER: [Node(node_id=n, host=f"kov-{n}", port=9092) for n in (2, 3)]}
    async with a_door(partitions=20, nodes=nodes) as door:
        topic = await one(await door.connect(), 9, about("orders"))
        assert {part.leader_id for part in topic.partitions} == {2, 3}
        assert not door.partitions.made


async def test_authorized_operations_are_told_when_asked_for(wire: Wire) -> None:
    plain = await wire.ask(MetadataResponse, 10, about("orders"))
    assert plain.cluster_authorized_operations == plain.topics[0].topic_authorized_operations == -(2**31)
    asked = MetadataRequest(
        topics=None, include_cluster_authorized_operations=True, include_topic_authorized_operations=True
    )
    told = await wire.ask(MetadataResponse, 10, asked)
    assert told.cluster_authorized_operations & (1 << 5)  # CREATE
    assert told.topics[0].topic_authorized_operations & (1 << 4)  # WRITE


async def test_metadata_behind_a_produce_request_waits_its_turn(door: Door, wire: Wire) -> None:
    await produce(wire, 9, producing(batch()))
    door.partitions.logs[0].hold()
    wire.send(request(0, 9, producing(batch())), correlation_id=1)
    wire.send(request(3, 9, about("orders")), correlation_id=2)
    other = await door.connect()
    assert (await one(other, 9, about("orders"))).error_code is ErrorCode.none
    door.partitions.logs[0].release()
    assert (await wire.receive(0, 9))[0] == 1
    assert (await wire.receive(3, 9))[0] == 2
