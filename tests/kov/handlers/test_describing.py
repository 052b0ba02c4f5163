"""What admin tools ask to show a cluster: settings, nodes, partitions, producers, epochs, sizes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from kio.schema.errors import ErrorCode

from kov.handlers.describe_acls import DescribeAclsRequest, DescribeAclsResponse
from kov.handlers.describe_cluster import DescribeClusterRequest, DescribeClusterResponse
from kov.handlers.describe_log_dirs import (
    DescribableLogDirTopic,
    DescribeLogDirsRequest,
    DescribeLogDirsResponse,
)
from kov.handlers.describe_producers import (
    DescribeProducersRequest,
    DescribeProducersResponse,
    PartitionResponse,
    ProducerState,
    TopicRequest,
)
from kov.handlers.describe_topic_partitions import (
    Cursor,
    DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsResponse,
)
from kov.handlers.describe_topic_partitions import TopicRequest as TopicName
from kov.handlers.elect_leaders import ElectLeadersRequest, ElectLeadersResponse, TopicPartitions
from kov.handlers.list_groups import ListGroupsRequest, ListGroupsResponse
from kov.handlers.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse,
)
from kov.handlers.offset_for_leader_epoch import (
    EpochEndOffset,
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)
from tests.builders import batch
from tests.kov.handlers.administered import (
    CATALOG,
    FILE,
    Place,
    a_place,
    create,
    described,
    settings,
    topic,
)
from tests.kov.handlers.door import Wire, produce, producing
from tests.kov.wire.requests import request

TOPIC, BROKER = 2, 4


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with a_place(tmp_path) as place:
        yield place


@pytest.fixture
async def wire(place: Place) -> Wire:
    return await place.connect(await place.start())


# DescribeConfigs


async def test_every_topic_setting_of_kafka_is_told_with_what_is_true_here(wire: Wire) -> None:
    await create(wire, topic("new", config={"max.message.bytes": "7"}))
    found = {each.name: each for each in (await described(wire, TOPIC, "new")).configs}
    assert len(found) == 37
    assert {
        name: each.value for name, each in found.items() if name.endswith(("retention.ms", "retention.bytes"))
    } == {
        "retention.ms": "-1",
        "retention.bytes": "-1",
        "local.retention.ms": "-2",
        "local.retention.bytes": "-2",
        "delete.retention.ms": "86400000",
    }
    size = found["max.message.bytes"]
    assert (size.value, size.config_source, size.config_type, size.read_only) == ("7", 1, 3, False)
    assert [(each.name, each.value, each.source) for each in size.synonyms] == [
        ("max.message.bytes", "7", 1),
        ("message.max.bytes", "1048588", 5),
    ]
    assert all(each.documentation and each.config_type and not each.is_sensitive for each in found.values())


async def test_what_the_file_says_is_read_only(wire: Wire) -> None:
    found = {each.name: each for each in (await described(wire, TOPIC, "mapped")).configs}
    assert found["max.message.bytes"].value == "5000"
    assert {each.read_only for each in found.values()} == {True}


async def test_only_the_settings_asked_for_are_told(wire: Wire) -> None:
    assert await settings(wire, "mapped", "flush.ms", "no.such") == {"flush.ms": str(2**63 - 1)}


async def test_a_node_tells_its_own_settings(wire: Wire) -> None:
    found = {each.name: each for each in (await described(wire, BROKER, "1")).configs}
    assert {name: found[name].value for name in ("node.id", "num.partitions", "log.retention.ms")} == {
        "node.id": "1",
        "num.partitions": "4",
        "log.retention.ms": "-1",
    }
    assert (found["advertised.listeners"].value or "").startswith("default://127.0.0.1:")
    assert (found["node.id"].config_source, found["message.max.bytes"].config_source) == (4, 5)
    assert {each.read_only for each in found.values()} == {True}


async def test_a_node_tells_the_limits_that_its_file_sets_and_keeps_to_them(place: Place) -> None:
    limits = {"connections.max.idle.ms": "1500", "max.connections": "3", "max.connections.per.ip": "1"}
    written = ", ".join(f"{name}: {value}" for name, value in limits.items())
    server = await place.start(place.config(f"{CATALOG}{FILE}limits: {{{written}}}\n"))
    wire = await place.connect(server)
    found = {each.name: each for each in (await described(wire, BROKER, "1")).configs}
    assert {name: found[name].value for name in limits} == limits
    assert {found[name].config_source for name in limits} == {4}
    assert await (await place.connect(server)).is_closed()
    assert await wire.is_closed()  # after 1.5 s


async def test_limits_that_no_file_sets_are_told_as_they_are(wire: Wire) -> None:
    found = {each.name: each for each in (await described(wire, BROKER, "1")).configs}
    told = [found[name].value for name in ("connections.max.idle.ms", "max.connections")]
    assert told == ["600000", str(2**31 - 1)]


async def test_settings_of_what_is_not_there_are_refused(wire: Wire) -> None:
    for kind, name, code in (
        (TOPIC, "none", ErrorCode.unknown_topic_or_partition),
        (TOPIC, "a b", ErrorCode.invalid_topic_exception),
        (BROKER, "2", ErrorCode.invalid_request),
        (BROKER, "x", ErrorCode.invalid_request),
        (7, "x", ErrorCode.invalid_request),
    ):
        result = await described(wire, kind, name)
        assert (result.error_code, result.configs) == (code, ())
        assert result.error_message
    for kind, name in ((BROKER, ""), (8, "1"), (16, "m"), (32, "g")):
        result = await described(wire, kind, name)
        assert (result.error_code, result.configs) == (ErrorCode.none, ())


# DescribeCluster, DescribeTopicPartitions


async def test_the_node_that_answers_is_the_controller(wire: Wire) -> None:
    for version in range(3):
        body = DescribeClusterRequest(include_cluster_authorized_operations=version == 1)
        answer = await wire.ask(DescribeClusterResponse, version, body)
        assert (answer.controller_id, [each.broker_id for each in answer.brokers]) == (1, [1])
        assert len(answer.cluster_id) == 22
        assert (answer.cluster_authorized_operations > 0) is (version == 1)


async def test_controllers_are_not_to_be_asked_for(wire: Wire) -> None:
    for kind, code in ((2, ErrorCode.mismatched_endpoint_type), (3, ErrorCode.unsupported_endpoint_type)):
        body = DescribeClusterRequest(include_cluster_authorized_operations=False, endpoint_type=kind)
        assert (await wire.ask(DescribeClusterResponse, 1, body)).error_code is code


async def page(
    wire: Wire, limit: int, cursor: Cursor | None = None, *names: str
) -> tuple[list[tuple[str | None, list[int]]], Cursor | None]:
    body = DescribeTopicPartitionsRequest(
        topics=tuple(TopicName(name=name) for name in names), response_partition_limit=limit, cursor=cursor
    )
    answer = await wire.ask(DescribeTopicPartitionsResponse, 0, body)
    return [(t.name, [p.partition_index for p in t.partitions]) for t in answer.topics], answer.next_cursor


async def test_topics_are_described_page_by_page(wire: Wire) -> None:
    await create(wire, topic("a", 3), topic("b", 2))
    assert await page(wire, 100) == ([("a", [0, 1, 2]), ("b", [0, 1]), ("mapped", [0])], None)
    found, cursor = await page(wire, 2)
    assert (found, cursor) == ([("a", [0, 1])], Cursor(topic_name="a", partition_index=2))
    found, cursor = await page(wire, 2, cursor)
    assert (found, cursor) == ([("a", [2]), ("b", [0])], Cursor(topic_name="b", partition_index=1))
    found, cursor = await page(wire, 2, cursor)
    assert (found, cursor) == ([("b", [1]), ("mapped", [0])], None)
    assert await page(wire, 100, None, "b", "none") == ([("b", [0, 1]), ("none", [])], None)


async def test_lists_that_a_java_client_reads_without_a_look_are_empty_and_not_null(wire: Wire) -> None:
    body = DescribeTopicPartitionsRequest(
        topics=(TopicName(name="mapped"),), response_partition_limit=5, cursor=None
    )
    ((partition,),) = [
        t.partitions for t in (await wire.ask(DescribeTopicPartitionsResponse, 0, body)).topics
    ]
    assert (partition.eligible_leader_replicas, partition.last_known_elr) == ((), ())


async def test_a_full_page_that_ends_with_a_topic_goes_on_with_the_next_one(wire: Wire) -> None:
    await create(wire, topic("a", 2))
    assert await page(wire, 2) == ([("a", [0, 1])], Cursor(topic_name="mapped", partition_index=0))


async def test_a_cursor_that_makes_no_sense_is_refused_for_every_topic(wire: Wire) -> None:
    body = DescribeTopicPartitionsRequest(
        topics=(TopicName(name="mapped"), TopicName(name="none")),
        response_partition_limit=5,
        cursor=Cursor(topic_name="a", partition_index=-1),
    )
    answer = await wire.ask(DescribeTopicPartitionsResponse, 0, body)
    refused = [(each.name, each.error_code) for each in answer.topics]
    assert refused == [("mapped", ErrorCode.invalid_request), ("none", ErrorCode.invalid_request)]


# Producers, epochs, sizes


async def producers(wire: Wire, name: str, index: int) -> PartitionResponse:
    body = DescribeProducersRequest(topics=(TopicRequest(name=name, partition_indexes=(index,)),))
    (found,) = (await wire.ask(DescribeProducersResponse, 0, body)).topics[0].partitions
    return found


async def test_the_producers_of_a_partition_are_told(wire: Wire) -> None:
    await produce(wire, 9, producing(batch([b"a", b"b"], producer_id=77, epoch=3, sequence=5), name="mapped"))
    found = await producers(wire, "mapped", 0)
    (producer,) = found.active_producers
    assert (producer.producer_id, producer.producer_epoch, producer.last_sequence) == (77, 3, 6)
    assert isinstance(producer, ProducerState)
    assert (await producers(wire, "mapped", 5)).error_code is ErrorCode.unknown_topic_or_partition


async def epoch_end(wire: Wire, epoch: int, *, version: int = 4, index: int = 0) -> EpochEndOffset:
    part = OffsetForLeaderPartition(partition=index, current_leader_epoch=-1, leader_epoch=epoch)
    body = OffsetForLeaderEpochRequest(topics=(OffsetForLeaderTopic(topic="mapped", partitions=(part,)),))
    (found,) = (await wire.ask(OffsetForLeaderEpochResponse, version, body)).topics[0].partitions
    return found


async def test_where_an_epoch_ended_is_read_from_the_fences(place: Place) -> None:
    for count in (1, 2, 3):  # every node that opens the partition begins an epoch
        server = await place.start()
        await produce(await place.connect(server), 9, producing(batch([b"x"] * count), name="mapped"))
        await server.close()
    wire = await place.connect(await place.start())
    for version in (2, 3, 4):
        ends = [await epoch_end(wire, epoch, version=version) for epoch in range(-1, 5)]
        found = [(each.leader_epoch, each.end_offset) for each in ends]
        assert found == [(-1, -1), (0, 0), (1, 1), (2, 3), (3, 6), (-1, -1)]
    assert (await epoch_end(wire, 1, index=9)).error_code is ErrorCode.unknown_topic_or_partition


async def test_the_size_of_partitions_is_what_varlog_says(wire: Wire) -> None:
    await produce(wire, 9, producing(batch([b"x" * 4000]), name="mapped"))
    for version in range(1, 6):
        answer = await wire.ask(DescribeLogDirsResponse, version, DescribeLogDirsRequest(topics=None))
        (directory,) = answer.results
        ((name, (part,)),) = [(each.name, each.partitions) for each in directory.topics]
        assert (directory.log_dir, name, part.partition_index) == ("varlog", "mapped", 0)
        assert part.partition_size > 4000
    other = DescribableLogDirTopic(topic="none", partitions=(0,))
    answer = await wire.ask(DescribeLogDirsResponse, 4, DescribeLogDirsRequest(topics=(other,)))
    assert answer.results[0].topics == ()


# What there is none of


async def test_no_election_is_needed(wire: Wire) -> None:
    asked = (
        TopicPartitions(topic="mapped", partitions=(0, 7)),
        TopicPartitions(topic="none", partitions=(0,)),
    )
    for version in range(3):
        body = ElectLeadersRequest(topic_partitions=asked)
        answer = await wire.ask(ElectLeadersResponse, version, body)
        codes = [
            [part.error_code for part in each.partition_result] for each in answer.replica_election_results
        ]
        unknown = ErrorCode.unknown_topic_or_partition
        assert codes == [[ErrorCode.election_not_needed, unknown], [unknown]]
    everything = ElectLeadersRequest(topic_partitions=None)
    for each in (await wire.ask(ElectLeadersResponse, 2, everything)).replica_election_results:
        assert (each.topic, each.partition_result) == ("mapped", ())
    strange = ElectLeadersRequest(topic_partitions=asked, election_type=9)
    assert (await wire.ask(ElectLeadersResponse, 2, strange)).error_code is ErrorCode.invalid_request


def _acls(resource_type: int) -> DescribeAclsRequest:
    return DescribeAclsRequest(
        resource_type_filter=resource_type, pattern_type_filter=1, operation=1, permission_type=1
    )


async def test_a_filter_of_rights_that_says_nothing_closes_the_connection(wire: Wire) -> None:
    wire.send(request(29, 3, _acls(0)))
    assert await wire.is_closed()


async def test_there_are_no_reassignments_groups_or_rights(wire: Wire) -> None:
    asked = ListPartitionReassignmentsRequest(timeout=timedelta(seconds=1))
    reassignments = await wire.ask(ListPartitionReassignmentsResponse, 0, asked)
    assert (reassignments.error_code, reassignments.topics) == (ErrorCode.none, ())
    for version in range(6):
        groups = await wire.ask(ListGroupsResponse, version, ListGroupsRequest())
        assert (groups.error_code, groups.groups) == (ErrorCode.none, ())
    for version in range(1, 4):
        acls = await wire.ask(DescribeAclsResponse, version, _acls(1))
        assert (acls.error_code, acls.resources) == (ErrorCode.security_disabled, ())
        assert acls.error_message == "No Authorizer is configured."
