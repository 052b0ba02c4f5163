"""Topics made, grown, changed and deleted through the door, on one node and on two."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest
from kio.schema.errors import ErrorCode

from kov.handlers.alter_configs import (
    AlterableConfig as WholeConfig,
)
from kov.handlers.alter_configs import (
    AlterConfigsRequest,
    AlterConfigsResponse,
)
from kov.handlers.alter_configs import (
    AlterConfigsResource as WholeResource,
)
from kov.handlers.create_partitions import (
    CreatePartitionsAssignment,
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    CreatePartitionsTopic,
    CreatePartitionsTopicResult,
)
from kov.handlers.create_topics import CreatableReplicaAssignment, CreatableTopic
from kov.handlers.delete_topics import DeleteTopicsRequest, DeleteTopicsResponse, DeleteTopicState
from kov.handlers.fetch import FetchResponse
from kov.handlers.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from kov.server import Server
from tests.builders import batch
from tests.kov.handlers.administered import (
    CATALOG,
    FILE,
    MINUTE,
    Place,
    a_place,
    create,
    delete,
    described,
    settings,
    topic,
    topics,
)
from tests.kov.handlers.door import Wire, fetching, produce, producing
from varlog_client import Unavailable

OK = ErrorCode.none


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with a_place(tmp_path) as place:
        yield place


@pytest.fixture
async def server(place: Place) -> Server:
    return await place.start()


@pytest.fixture
async def wire(place: Place, server: Server) -> Wire:
    return await place.connect(server)


async def stored(wire: Wire, name: str, index: int = 0, records: bytes | None = None) -> ErrorCode:
    body = producing(records or batch(), name=name, index=index)
    answer = await produce(wire, 9, body)
    return answer.responses[0].partition_responses[0].error_code


async def grow(
    wire: Wire, name: str, count: int, *places: tuple[int, ...], validate_only: bool = False
) -> CreatePartitionsTopicResult:
    assignments = tuple(CreatePartitionsAssignment(broker_ids=each) for each in places)
    asked = CreatePartitionsTopic(name=name, count=count, assignments=assignments or None)
    body = CreatePartitionsRequest(topics=(asked,), timeout=MINUTE, validate_only=validate_only)
    (result,) = (await wire.ask(CreatePartitionsResponse, 3, body)).results
    return result


async def alter(
    wire: Wire,
    name: str,
    *configs: tuple[str, int, str | None],
    kind: int = 2,
    validate_only: bool = False,
) -> tuple[ErrorCode, str | None]:
    edits = tuple(AlterableConfig(name=key, config_operation=op, value=value) for key, op, value in configs)
    resource = AlterConfigsResource(resource_type=kind, resource_name=name, configs=edits)
    body = IncrementalAlterConfigsRequest(resources=(resource,), validate_only=validate_only)
    (result,) = (await wire.ask(IncrementalAlterConfigsResponse, 1, body)).responses
    return result.error_code, result.error_message


SET, DELETE, APPEND, SUBTRACT = range(4)


# Making


async def test_a_created_topic_can_be_produced_to_at_once_in_every_version(wire: Wire) -> None:
    for version in range(2, 8):
        name = f"new-{version}"
        (made,) = await create(wire, topic(name, 3, config={"max.message.bytes": "700"}), version=version)
        assert made.error_code is OK
        if version >= 5:
            assert (made.num_partitions, made.replication_factor) == (3, 1)
            told = {each.name: (each.value, each.config_source) for each in made.configs or ()}
            assert told["max.message.bytes"] == ("700", 1)
            assert told["retention.ms"] == ("-1", 5)
        assert (made.topic_id is not None) is (version >= 7)
        assert [await stored(wire, name, index) for index in range(3)] == [OK] * 3
        assert await stored(wire, name, records=batch([b"x" * 800])) is ErrorCode.message_too_large


async def test_defaults_are_asked_for_with_minus_one(place: Place) -> None:
    config = place.config(CATALOG + FILE + "auto_create: {enabled: false, partitions: 3}\n")
    wire = await place.connect(await place.start(config))
    (made,) = await create(wire, topic("new", -1, -1))
    assert (made.error_code, made.num_partitions) == (OK, 3)
    assert (await topics(wire))["new"] == 3


async def test_only_checking_makes_nothing_and_says_what_would_be_made(wire: Wire, place: Place) -> None:
    good, bad = await create(wire, topic("new", 2), topic("a b"), validate_only=True)
    assert (good.error_code, good.num_partitions, bad.error_code) == (
        OK,
        2,
        ErrorCode.invalid_topic_exception,
    )
    assert await topics(wire) == {"mapped": 1}
    assert await place.varlog_topics() == set()


REFUSED_CREATIONS = [
    (topic("a b"), ErrorCode.invalid_topic_exception, "Topic name is invalid"),
    (topic("mapped"), ErrorCode.topic_already_exists, "Topic 'mapped' already exists."),
    (topic("new", 0), ErrorCode.invalid_partitions, "invalid non-positive value"),
    (topic("new", -2), ErrorCode.invalid_partitions, "invalid non-positive value"),
    (topic("new", 1, 0), ErrorCode.invalid_replication_factor, "must be larger than 0"),
    (
        topic("new", 1, 2),
        ErrorCode.invalid_replication_factor,
        "Unable to replicate the partition 2 time(s)",
    ),
    (topic("new", config={"x": "y"}), ErrorCode.invalid_config, "Unknown topic config name: x"),
    (topic("new", config={"flush.ms": None}), ErrorCode.invalid_config, "Null value not supported"),
    (topic("new", 0, config={"flush.ms": "x"}), ErrorCode.invalid_config, "Not a number of type LONG"),
    (topic("new", config={"compression.type": "gzip"}), ErrorCode.invalid_config, "as the producer"),
]


async def test_what_kafka_refuses_is_refused_and_leaves_the_rest_of_the_request_alone(wire: Wire) -> None:
    for at, (asked, code, text) in enumerate(REFUSED_CREATIONS):
        refused, made = await create(wire, asked, topic(f"other-{at}"))
        assert (refused.error_code, refused.topic_id) == (code, None), asked
        assert text in (refused.error_message or "")
        assert made.error_code is OK
    assert set(await topics(wire)) == {"mapped", *(f"other-{at}" for at in range(len(REFUSED_CREATIONS)))}


async def test_a_request_for_too_many_partitions_is_refused_as_a_whole(wire: Wire) -> None:
    many, others, unknown = await create(wire, topic("many", 6000), topic("more", 6000), topic("a b"))
    for refused in (many, others, unknown):
        assert refused.error_code is ErrorCode.policy_violation
        assert "Excessively large number of partitions" in (refused.error_message or "")
    body = CreatePartitionsRequest(
        topics=(CreatePartitionsTopic(name="mapped", count=10_002, assignments=None),), timeout=MINUTE
    )
    (grown,) = (await wire.ask(CreatePartitionsResponse, 3, body)).results
    assert grown.error_code is ErrorCode.policy_violation
    assert "Excessively large number of partitions" in (grown.error_message or "")


async def test_settings_that_contradict_each_other_are_refused(wire: Wire) -> None:
    lags = {"min.compaction.lag.ms": "5", "max.compaction.lag.ms": "4"}
    (refused,) = await create(wire, topic("new", config=lags))
    assert refused.error_code is ErrorCode.invalid_config
    assert "min.compaction.lag.ms (5) > max.compaction.lag.ms (4)" in (refused.error_message or "")


async def test_a_topic_named_by_name_and_by_id_is_not_deleted_and_answered_once(wire: Wire) -> None:
    (made,) = await create(wire, topic("new"))
    both = (DeleteTopicState(name="new"), DeleteTopicState(topic_id=made.topic_id))
    (answer,) = (await delete(wire, *both)).responses
    assert (answer.name, answer.topic_id) == ("new", made.topic_id)
    assert answer.error_code is ErrorCode.invalid_request
    assert "new" in await topics(wire)


ASSIGNMENTS: list[tuple[dict[int, tuple[int, ...]], int, int, ErrorCode]] = [
    ({0: (1,), 1: (1,)}, -1, -1, OK),
    ({0: (1,)}, 1, -1, ErrorCode.invalid_request),
    ({0: (1,)}, -1, 1, ErrorCode.invalid_request),
    ({1: (1,)}, -1, -1, ErrorCode.invalid_replica_assignment),
    ({0: (9,)}, -1, -1, ErrorCode.invalid_replica_assignment),
    ({0: ()}, -1, -1, ErrorCode.invalid_replica_assignment),
    ({0: (1, 1)}, -1, -1, ErrorCode.invalid_replica_assignment),
]


async def test_assignments_are_checked(wire: Wire) -> None:
    for at, (placed, partitions, replicas, code) in enumerate(ASSIGNMENTS):
        assignments = tuple(
            CreatableReplicaAssignment(partition_index=index, broker_ids=nodes)
            for index, nodes in placed.items()
        )
        asked = CreatableTopic(
            name=f"t{at}", num_partitions=partitions, replication_factor=replicas, assignments=assignments
        )
        (result,) = await create(wire, asked)
        assert result.error_code is code, asked
        assert (await topics(wire)).get(f"t{at}") == (len(placed) if code is OK else None)


async def test_a_name_that_only_differs_in_dots_is_refused(wire: Wire) -> None:
    await create(wire, topic("a.b_c"))
    (refused,) = await create(wire, topic("a_b.c"))
    assert refused.error_code is ErrorCode.invalid_topic_exception
    assert refused.error_message == "Topic 'a_b.c' collides with existing topic: a.b_c"


async def test_a_name_twice_in_a_request_is_refused_and_answered_once(wire: Wire) -> None:
    results = await create(wire, topic("new"), topic("other"), topic("new", 2))
    assert {each.name: each.error_code for each in results} == {
        "new": ErrorCode.invalid_request,
        "other": OK,
    }
    assert len(results) == 2


async def test_of_creations_of_one_name_at_once_one_wins_and_nothing_is_left_of_the_others(
    place: Place,
) -> None:
    wires = [await place.connect(await place.start()) for _ in range(2)]
    wires += [await place.connect(server) for server in [await place.start()]]
    results = await asyncio.gather(*(create(wire, topic("new", 2)) for wire in wires))
    codes = sorted(result.error_code.name for (result,) in results)
    assert codes == ["none", "topic_already_exists", "topic_already_exists"]
    assert len(await place.varlog_topics()) == 1
    for wire in wires:
        assert (await topics(wire))["new"] == 2


async def test_without_a_catalog_the_answer_names_the_file_and_what_to_write(place: Place) -> None:
    wire = await place.connect(await place.start(place.config(FILE)))
    (refused,) = await create(wire, topic("new"))
    assert refused.error_code is ErrorCode.policy_violation
    assert "m.yaml names no catalog; add one there, or the topic itself under topics" in (
        refused.error_message or ""
    )


async def test_without_an_admin_server_the_answer_names_the_file_and_what_to_write(place: Place) -> None:
    wire = await place.connect(await place.start(place.config(admin=False)))
    (refused,) = await create(wire, topic("new"))
    assert refused.error_code is ErrorCode.policy_violation
    assert "m.yaml names no varlog.admin; add it there" in (refused.error_message or "")


async def test_an_admin_server_that_is_away_is_answered_with_try_again(
    place: Place, server: Server, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unreachable(*_: object, **__: object) -> None:
        raise Unavailable("away")

    monkeypatch.setattr("kov.catalog.creation.make_topic", unreachable)
    (refused,) = await create(wire, topic("new"))
    assert (refused.error_code, refused.error_message) == (ErrorCode.request_timed_out, "away")


# Deleting


async def test_a_deleted_topic_is_gone_for_everybody(place: Place, wire: Wire) -> None:
    for version in range(1, 7):
        await create(wire, topic("new", 2))
        assert await stored(wire, "new") is OK
        body = DeleteTopicsRequest(timeout=MINUTE, topic_names=("new",), topics=())
        if version >= 6:
            body = DeleteTopicsRequest(timeout=MINUTE, topics=(DeleteTopicState(name="new"),))
        (result,) = (await wire.ask(DeleteTopicsResponse, version, body)).responses
        assert (result.name, result.error_code) == ("new", OK)

        assert await topics(wire) == {"mapped": 1}
        assert await stored(wire, "new") is ErrorCode.unknown_topic_or_partition
        assert await place.varlog_topics() == set()
    assert await topics(await place.connect(await place.start())) == {"mapped": 1}


async def test_a_topic_is_deleted_by_its_id(wire: Wire) -> None:
    (made,) = await create(wire, topic("new"))
    (result,) = (await delete(wire, DeleteTopicState(topic_id=made.topic_id))).responses
    assert (result.name, result.topic_id, result.error_code) == ("new", made.topic_id, OK)
    (again,) = (await delete(wire, DeleteTopicState(topic_id=made.topic_id))).responses
    assert (again.name, again.error_code) == (None, ErrorCode.unknown_topic_id)


async def test_a_deletion_that_makes_no_sense_is_refused(wire: Wire) -> None:
    (made,) = await create(wire, topic("new"))
    other = UUID(int=5)
    answer = await delete(
        wire,
        DeleteTopicState(name="there-is-none"),
        DeleteTopicState(),
        DeleteTopicState(name="new", topic_id=other),
        DeleteTopicState(topic_id=other),
    )
    assert [each.error_code for each in answer.responses] == [
        ErrorCode.unknown_topic_or_partition,
        ErrorCode.invalid_request,
        ErrorCode.invalid_request,
        ErrorCode.unknown_topic_id,
    ]
    twice = await delete(wire, DeleteTopicState(name="new"), DeleteTopicState(topic_id=made.topic_id))
    assert {each.error_code for each in twice.responses} == {ErrorCode.invalid_request}
    assert "new" in await topics(wire)


async def test_a_topic_of_the_file_can_not_be_deleted_and_the_answer_names_its_line(wire: Wire) -> None:
    (result,) = (await delete(wire, DeleteTopicState(name="mapped"))).responses
    assert result.error_code is ErrorCode.policy_violation
    assert (result.error_message or "").endswith("m.yaml:4: take topics.mapped out of the file")
    assert await stored(wire, "mapped") is OK


async def test_who_reads_or_writes_a_topic_that_is_deleted_is_told_at_once(place: Place) -> None:
    one, other = await place.start(), await place.start()
    admin, reader, writer = [await place.connect(each) for each in (one, other, other)]
    (made,) = await create(admin, topic("new"))
    while await stored(writer, "new") is ErrorCode.unknown_topic_or_partition:
        await asyncio.sleep(0.01)  # the other node hears of it
    waiting = asyncio.create_task(
        reader.ask(FetchResponse, 13, fetching(1, topic_id=made.topic_id, max_wait_s=30))
    )
    await delete(admin, DeleteTopicState(name="new"))
    async with asyncio.timeout(5):
        answer = await waiting
    assert answer.responses[0].partitions[0].error_code is ErrorCode.unknown_topic_id
    assert await stored(writer, "new") is ErrorCode.unknown_topic_or_partition


async def test_a_name_can_be_used_again_and_begins_anew(wire: Wire) -> None:
    (first,) = await create(wire, topic("new"))
    await stored(wire, "new")
    await delete(wire, DeleteTopicState(name="new"))
    (second,) = await create(wire, topic("new"))
    assert second.topic_id != first.topic_id
    answer = await produce(wire, 9, producing(batch(), name="new"))
    assert answer.responses[0].partition_responses[0].base_offset == 0


async def test_creating_and_deleting_one_name_on_two_nodes_at_once_leaves_a_topic_or_none(
    place: Place,
) -> None:
    wires = [await place.connect(await place.start()) for _ in range(2)]

    async def hammer(wire: Wire) -> None:
        for _ in range(8):
            await create(wire, topic("new"))
            await delete(wire, DeleteTopicState(name="new"))

    await asyncio.gather(*(hammer(wire) for wire in wires))
    await create(wires[0], topic("new"))
    assert await stored(wires[0], "new") is OK
    assert len(await place.varlog_topics()) == 1


# Growing


async def test_added_partitions_can_be_produced_to_at_once(wire: Wire) -> None:
    await create(wire, topic("new"))
    assert (await grow(wire, "new", 3, validate_only=True)).error_code is OK
    assert (await topics(wire))["new"] == 1
    assert (await grow(wire, "new", 3)).error_code is OK
    assert [await stored(wire, "new", index) for index in range(3)] == [OK] * 3
    assert await stored(wire, "new", 3) is ErrorCode.unknown_topic_or_partition


REFUSED_GROWTHS = [
    ("new", 2, (), ErrorCode.invalid_partitions, "Topic already has 2 partition(s)."),
    ("new", 1, (), ErrorCode.invalid_partitions, "would not be an increase"),
    ("none", 2, (), ErrorCode.unknown_topic_or_partition, "there is no topic 'none'"),
    ("new", 3, ((1,), (1,)), ErrorCode.invalid_replica_assignment, "only 2 assignment(s) were specified"),
    ("new", 3, ((9,),), ErrorCode.invalid_replica_assignment, "includes broker 9"),
    ("mapped", 2, (), ErrorCode.policy_violation, "add them to topics.mapped.partitions there"),
]


async def test_partitions_that_can_not_be_added_are_refused(wire: Wire) -> None:
    await create(wire, topic("new", 2))
    for name, count, places, code, text in REFUSED_GROWTHS:
        result = await grow(wire, name, count, *places)
        assert result.error_code is code, (name, count, places)
        assert text in (result.error_message or "")
    assert await topics(wire) == {"mapped": 1, "new": 2}


async def test_partitions_added_on_two_nodes_at_once_are_added_once(place: Place) -> None:
    wires = [await place.connect(await place.start()) for _ in range(2)]
    await create(wires[0], topic("new"))
    while "new" not in await topics(wires[1]):
        await asyncio.sleep(0.01)  # the other node hears of it
    results = await asyncio.gather(*(grow(wire, "new", 4) for wire in wires))
    assert sorted(each.error_code.name for each in results) == ["invalid_partitions", "none"]
    assert (await topics(wires[0]))["new"] == 4


# Settings


async def test_a_setting_takes_effect_on_the_running_partition_and_can_be_taken_back(wire: Wire) -> None:
    await create(wire, topic("new"))
    large = batch([b"x" * 2000])
    assert await stored(wire, "new", records=large) is OK
    assert await alter(wire, "new", ("max.message.bytes", SET, "1000")) == (OK, None)
    assert await stored(wire, "new", records=large) is ErrorCode.message_too_large
    assert await settings(wire, "new", "max.message.bytes") == {"max.message.bytes": "1000"}
    assert await alter(wire, "new", ("max.message.bytes", DELETE, None)) == (OK, None)
    assert await stored(wire, "new", records=large) is OK


async def test_a_setting_takes_effect_on_other_nodes_and_after_a_restart(place: Place) -> None:
    one, other = [await place.connect(await place.start()) for _ in range(2)]
    await create(one, topic("new", config={"flush.ms": "7"}))
    await alter(one, "new", ("max.message.bytes", SET, "1000"))
    while (await described(other, 2, "new", "max.message.bytes")).error_code is not OK:
        await asyncio.sleep(0.01)  # the other node hears of it
    while await stored(other, "new", records=batch([b"x" * 2000])) is not ErrorCode.message_too_large:
        await asyncio.sleep(0.01)
    again = await place.connect(await place.start())
    assert await settings(again, "new", "max.message.bytes", "flush.ms") == {
        "max.message.bytes": "1000",
        "flush.ms": "7",
    }


async def test_lists_are_added_to_and_taken_from(wire: Wire) -> None:
    await create(wire, topic("new"))
    await alter(wire, "new", ("cleanup.policy", APPEND, "compact"))
    assert await settings(wire, "new", "cleanup.policy") == {"cleanup.policy": "delete,compact"}
    await alter(wire, "new", ("cleanup.policy", SUBTRACT, "delete"))
    assert await settings(wire, "new", "cleanup.policy") == {"cleanup.policy": "compact"}


REFUSED_SETTINGS = [
    ("new", ("x", SET, "1"), ErrorCode.invalid_config, "Unknown topic config name: x"),
    ("new", ("flush.ms", SET, "x"), ErrorCode.invalid_config, "Not a number of type LONG"),
    ("new", ("flush.ms", SET, None), ErrorCode.invalid_request, "Null value not supported"),
    ("new", ("flush.ms", 9, "1"), ErrorCode.invalid_request, "Unknown operation type id 9"),
    ("new", ("flush.ms", APPEND, "1"), ErrorCode.invalid_config, "its type is not LIST"),
    ("none", ("flush.ms", SET, "1"), ErrorCode.unknown_topic_or_partition, "there is no topic"),
    ("mapped", ("flush.ms", SET, "1"), ErrorCode.policy_violation, "topics.mapped.config there"),
]


async def test_a_setting_that_can_not_be_changed_is_refused(wire: Wire) -> None:
    await create(wire, topic("new"))
    for name, config, code, text in REFUSED_SETTINGS:
        for validate_only in (True, False):
            found, message = await alter(wire, name, config, validate_only=validate_only)
            assert found is code, (name, config)
            assert text in (message or "")


async def test_what_is_only_checked_is_not_changed(wire: Wire) -> None:
    await create(wire, topic("new"))
    assert await alter(wire, "new", ("flush.ms", SET, "1"), validate_only=True) == (OK, None)
    assert await settings(wire, "new", "flush.ms") == {"flush.ms": str(2**63 - 1)}


async def test_nodes_are_configured_in_the_file(wire: Wire) -> None:
    code, message = await alter(wire, "1", ("num.partitions", SET, "1"), kind=4)
    assert code is ErrorCode.policy_violation
    assert "mapping file" in (message or "")
    assert (await alter(wire, "1", ("x", SET, "1"), kind=7))[0] is ErrorCode.invalid_request


async def test_the_older_request_replaces_all_settings(wire: Wire) -> None:
    await create(wire, topic("new", config={"flush.ms": "7", "segment.ms": "8"}))
    for version in range(3):
        value = str(version)
        resource = WholeResource(
            resource_type=2, resource_name="new", configs=(WholeConfig(name="flush.ms", value=value),)
        )
        body = AlterConfigsRequest(resources=(resource,), validate_only=False)
        (result,) = (await wire.ask(AlterConfigsResponse, version, body)).responses
        assert result.error_code is OK
        assert await settings(wire, "new", "flush.ms", "segment.ms") == {
            "flush.ms": value,
            "segment.ms": "604800000",
        }


async def test_settings_changed_on_two_nodes_at_once_are_all_kept(place: Place) -> None:
    wires = [await place.connect(await place.start()) for _ in range(2)]
    await create(wires[0], topic("new"))
    while "new" not in await topics(wires[1]):
        await asyncio.sleep(0.01)  # the other node hears of it
    keys = ["flush.ms", "segment.ms"]
    outcomes = await asyncio.gather(
        *(alter(wire, "new", (key, SET, "77")) for wire, key in zip(wires, keys, strict=True))
    )
    assert outcomes == [(OK, None)] * 2
    for wire in wires:
        while await settings(wire, "new", *keys) != dict.fromkeys(keys, "77"):
            await asyncio.sleep(0.01)  # the node that came first hears of the other's
