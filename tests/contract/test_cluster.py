"""Metadata, peek and the admin server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tests.contract.conftest import Place, Varlog
from tests.contract.steps import append
from varlog_client import (
    GLSN,
    Admin,
    AlreadyExists,
    FailedPrecondition,
    Log,
    LogStreamId,
    LogStreamStatus,
    NotFound,
    Replica,
    StorageNodeId,
    TopicId,
    Unavailable,
    VarlogError,
)


async def test_the_metadata_names_nodes_topics_and_log_streams(log: Log, place: Place) -> None:
    stream = log.metadata.log_streams[place.stream]
    assert (stream.topic_id, stream.status) == (place.topic, LogStreamStatus.RUNNING)
    assert log.metadata.topics[place.topic].log_streams == (place.stream,)
    node = log.metadata.storage_nodes[stream.replicas[0].storage_node_id]
    assert stream.replicas[0].storage_node_path in node.paths


async def test_the_version_grows_with_changes_and_not_with_appends(
    cluster: Varlog, log: Log, place: Place
) -> None:
    before = log.metadata.version
    await append(log.appender(place.topic, place.stream), b"x")
    assert (await log.refresh()).version == before
    await cluster.add_topic()
    added = (await log.refresh()).version
    assert added > before
    await cluster.seal(place.topic, place.stream)
    assert (await log.refresh()).version > added


async def test_another_cluster_id_is_refused(cluster: Varlog) -> None:
    with pytest.raises(Unavailable, match="is a node of cluster"):
        await Log.open(cluster.cluster_id + 1, [cluster.metadata_repository], open_timeout_s=0.3)


async def test_peek_of_a_new_log_stream(log: Log, place: Place) -> None:
    state = await log.peek(place.topic, place.stream)
    assert (state.first, state.last) == ((0, 0), (0, 0))
    assert (state.readable, state.appendable, state.sealed) == (True, True, False)


async def test_peek_follows_the_appends_and_the_seal(cluster: Varlog, log: Log, place: Place) -> None:
    await append(log.appender(place.topic, place.stream), b"x", b"y", b"z")
    state = await log.peek(place.topic, place.stream)
    assert (state.first, state.last) == ((1, 1), (3, 3))
    await cluster.seal(place.topic, place.stream)
    state = await log.peek(place.topic, place.stream)
    assert (state.readable, state.appendable, state.sealed) == (True, False, True)
    await cluster.unseal(place.topic, place.stream)
    state = await log.peek(place.topic, place.stream)
    assert (state.first, state.last) == ((1, 1), (3, 3))
    assert (state.readable, state.appendable, state.sealed) == (True, True, False)


async def test_peek_finds_a_log_stream_made_after_the_log_was_opened(cluster: Varlog, log: Log) -> None:
    topic = await cluster.add_topic()
    stream = await cluster.add_log_stream(topic)
    assert (await log.peek(topic, stream)).appendable


async def test_admin_lists_what_there_is(admin: Admin, log: Log, place: Place) -> None:
    topic = await admin.get_topic(place.topic)
    assert topic.log_streams == (place.stream,)
    assert topic in await admin.list_topics()
    stream = await admin.get_log_stream(place.topic, place.stream)
    assert stream == log.metadata.log_streams[place.stream]
    assert await admin.list_log_streams(place.topic) == (stream,)
    nodes = await admin.list_storage_nodes()
    assert [node.storage_node_id for node in nodes] == sorted(log.metadata.storage_nodes)
    for node in nodes:
        known = log.metadata.storage_nodes[node.storage_node_id]
        assert (node.address, node.paths) == (known.address, known.paths)


async def test_topics_get_ids_of_their_own(admin: Admin) -> None:
    first, second = await admin.add_topic(), await admin.add_topic()
    assert second.topic_id > first.topic_id
    assert (first.log_streams, first.deleted) == ((), False)


async def test_seal_and_unseal_say_what_became_of_it(
    cluster: Varlog, admin: Admin, log: Log, place: Place
) -> None:
    await append(log.appender(place.topic, place.stream), b"x", b"y")
    await cluster.seal(place.topic, place.stream)  # a backup may be sealing for a moment
    for _ in range(2):  # again is no error
        result = await admin.seal(place.topic, place.stream)
        assert result.sealed_glsn == 2
        assert [state.status for state in result.replicas] == (
            [LogStreamStatus.SEALED] * cluster.replication_factor
        )
    assert (await log.refresh()).log_streams[place.stream].status is LogStreamStatus.SEALED
    for _ in range(2):
        stream = await admin.unseal(place.topic, place.stream)
        assert stream.status is LogStreamStatus.RUNNING


async def test_trimming_beyond_the_end_is_refused_per_replica(
    cluster: Varlog, admin: Admin, log: Log, place: Place
) -> None:
    await append(log.appender(place.topic, place.stream), b"x")
    results = await admin.trim(place.topic, GLSN(1000))
    assert len(results) == cluster.replication_factor
    assert all("1000 not appended" in result.error for result in results)
    assert (await log.peek(place.topic, place.stream)).first.llsn == 1


async def test_a_sealed_log_stream_can_be_removed(admin: Admin, log: Log, place: Place) -> None:
    with pytest.raises(FailedPrecondition):
        await admin.unregister_log_stream(place.topic, place.stream)
    await admin.seal(place.topic, place.stream)
    await admin.unregister_log_stream(place.topic, place.stream)
    assert place.stream not in (await log.refresh()).log_streams
    with pytest.raises(NotFound):
        await log.peek(place.topic, place.stream)


async def test_a_topic_can_be_removed(admin: Admin, log: Log, place: Place) -> None:
    await admin.unregister_topic(place.topic)
    with pytest.raises(NotFound):
        await admin.get_topic(place.topic)
    assert place.stream not in (await log.refresh()).log_streams


async def test_registering_a_node_again_changes_nothing(admin: Admin) -> None:
    node = (await admin.list_storage_nodes())[0]
    again = await admin.add_storage_node(node.storage_node_id, node.address)
    assert (again.storage_node_id, again.address) == (node.storage_node_id, node.address)
    with pytest.raises(AlreadyExists):
        await admin.add_storage_node(StorageNodeId(77), node.address)


UNKNOWN = Replica(storage_node_id=StorageNodeId(99_999), storage_node_path="/nowhere")
NOWHERE = TopicId(99_999), LogStreamId(99_999)
Ask = Callable[[Admin, Place], Awaitable[object]]


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        (lambda admin, _: admin.get_topic(NOWHERE[0]), NotFound),
        (lambda admin, _: admin.get_log_stream(*NOWHERE), NotFound),
        (lambda admin, place: admin.get_log_stream(place.topic, NOWHERE[1]), NotFound),
        (lambda admin, _: admin.list_log_streams(NOWHERE[0]), NotFound),
        (lambda admin, place: admin.seal(place.topic, NOWHERE[1]), NotFound),
        (lambda admin, place: admin.unseal(place.topic, NOWHERE[1]), NotFound),
        (lambda admin, place: admin.unregister_log_stream(place.topic, NOWHERE[1]), NotFound),
        (lambda admin, _: admin.unregister_topic(NOWHERE[0]), NotFound),
        (lambda admin, _: admin.trim(NOWHERE[0], GLSN(1)), NotFound),
        (lambda admin, place: admin.add_log_stream(place.topic, [UNKNOWN, UNKNOWN]), FailedPrecondition),
        (lambda admin, place: admin.add_log_stream(place.topic, [UNKNOWN]), FailedPrecondition),
    ],
    ids=lambda value: None if isinstance(value, type) else "",
)
async def test_what_admin_refuses(admin: Admin, place: Place, ask: Ask, expected: type[VarlogError]) -> None:
    with pytest.raises(expected):
        await ask(admin, place)


async def test_an_admin_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1 was not reached within 0\.3 s"):
        await Admin.connect("127.0.0.1:1", timeout_s=0.3)
