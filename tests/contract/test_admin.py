"""The admin calls beyond what `test_cluster` does with topics and log streams."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from tests.contract.conftest import Place, Varlog
from tests.real_varlog import RealVarlog, start_real_varlog
from varlog_client import (
    Admin,
    ClusterMetadata,
    FailedPrecondition,
    Log,
    LogStreamId,
    LogStreamStatus,
    MetadataRepositoryNode,
    MetadataRepositoryNodeId,
    NotFound,
    Replica,
    StorageNodeId,
    SyncState,
    TopicId,
    Unavailable,
    VarlogError,
)

NODE = StorageNodeId(1)
NOBODY = StorageNodeId(99)


async def test_a_topic_is_described_with_its_log_streams(admin: Admin, place: Place) -> None:
    told = await admin.describe_topic(place.topic)
    assert told.topic == await admin.get_topic(place.topic)
    assert told.log_streams == (await admin.get_log_stream(place.topic, place.stream),)
    with pytest.raises(NotFound):
        await admin.describe_topic(TopicId(99_999))


async def test_a_storage_node_is_told_with_what_it_holds(admin: Admin, place: Place) -> None:
    async with asyncio.timeout(20):
        while True:  # until the heartbeat after the log stream was made
            node = await admin.get_storage_node(NODE)
            held = {(each.topic_id, each.log_stream_id): each for each in node.replicas}
            if (place.topic, place.stream) in held:
                break
            await asyncio.sleep(0.05)
    assert node.storages[0].total_bytes > node.storages[0].used_bytes > 0
    assert node.paths == tuple(storage.path for storage in node.storages)
    assert node.started_at is not None
    assert node.last_heartbeat_at is not None
    assert held[place.topic, place.stream].status in {LogStreamStatus.RUNNING, LogStreamStatus.SEALED}
    assert node in await admin.list_storage_nodes() or node.last_heartbeat_at
    with pytest.raises(NotFound):
        await admin.get_storage_node(NOBODY)


async def test_a_node_with_replicas_stays_registered(cluster: Varlog, admin: Admin, place: Place) -> None:
    with pytest.raises(FailedPrecondition):
        await admin.unregister_storage_node(NODE)
    await admin.unregister_storage_node(NOBODY)
    assert len(await admin.list_storage_nodes()) == cluster.replication_factor


async def test_a_replica_is_removed_only_when_its_log_stream_is(
    cluster: Varlog, admin: Admin, log: Log, place: Place
) -> None:
    nodes = [replica.storage_node_id for replica in log.metadata.log_streams[place.stream].replicas]
    for node in nodes:
        with pytest.raises(FailedPrecondition):
            await admin.remove_log_stream_replica(node, place.topic, place.stream)
    await cluster.seal(place.topic, place.stream)
    await admin.unregister_log_stream(place.topic, place.stream)
    for node in nodes:
        await admin.remove_log_stream_replica(node, place.topic, place.stream)
    with pytest.raises(NotFound):
        await log.peek(place.topic, place.stream)


async def test_the_metadata_repository_has_one_member_that_leads(cluster: Varlog, admin: Admin) -> None:
    [node] = await admin.list_metadata_repository_nodes()
    assert (node.leader, node.learner) == (True, False)
    assert await admin.get_metadata_repository_node(node.node_id) == node
    members = await admin.get_metadata_repository_members()
    assert (members.leader, members.replication_factor) == (node.node_id, cluster.replication_factor)
    assert members.members == {node.node_id: node.raft_url}
    with pytest.raises(NotFound):
        await admin.get_metadata_repository_node(MetadataRepositoryNodeId(99))


async def test_moving_a_replica_to_an_unknown_node_is_refused(
    cluster: Varlog, admin: Admin, place: Place
) -> None:
    await cluster.seal(place.topic, place.stream)
    before = (await admin.get_log_stream(place.topic, place.stream)).replicas
    new = Replica(storage_node_id=NOBODY, storage_node_path="/nowhere")
    with pytest.raises(VarlogError):
        await admin.update_log_stream(place.topic, place.stream, popped=before[0], pushed=new)
    assert (await admin.get_log_stream(place.topic, place.stream)).replicas == before


# More than one node: the real ones only


@pytest.fixture
async def three_nodes(tmp_path: Path) -> AsyncIterator[RealVarlog]:
    """Each log stream on two of them."""
    async with start_real_varlog(tmp_path, storage_nodes=3, replication_factor=2) as cluster:
        yield cluster


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_dead_primary_is_replaced_and_the_new_one_takes_appends(three_nodes: RealVarlog) -> None:
    topic = await three_nodes.add_topic()
    stream = await three_nodes.add_log_stream(topic)
    repository = [three_nodes.metadata_repository]
    async with await Log.open(1, repository) as log, await Admin.connect(three_nodes.admin) as admin:
        await log.append_to(topic, stream, [b"before"])
        old, kept = log.metadata.log_streams[stream].replicas
        spare = next(
            node
            for node in await admin.list_storage_nodes()
            if node.storage_node_id not in {old.storage_node_id, kept.storage_node_id}
        )
        three_nodes.kill(old.storage_node_id)
        await sealed(admin, topic, stream)
        new = Replica(storage_node_id=spare.storage_node_id, storage_node_path=spare.paths[0])
        updated = await admin.update_log_stream(topic, stream, popped=old, pushed=new)
        assert updated.replicas[0].storage_node_id == spare.storage_node_id
        await copied(admin, topic, stream, kept.storage_node_id, spare.storage_node_id)
        await three_nodes.unseal(topic, stream)
        [meta] = await log.append(topic, [b"after"])
        assert meta.llsn == 2


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_members_of_the_metadata_repository_come_and_go(tmp_path: Path) -> None:
    async with start_real_varlog(tmp_path) as cluster, await Admin.connect(cluster.admin) as admin:
        topic = await cluster.add_topic()
        stream = await cluster.add_log_stream(topic)
        second, third = (cluster.start_joining_metadata_repository() for _ in range(2))
        added = await admin.add_metadata_repository_node(*second, timeout_s=30)
        assert (added.raft_url, added.rpc_address) == second
        peer = await admin.add_metadata_repository_peer(*third, timeout_s=30)
        members = await voting(admin, 3)
        assert (members[added.node_id].raft_url, members[peer].raft_url) == (second[0], third[0])
        told = await admin.get_metadata_repository_members()
        assert told.members == {node_id: node.raft_url for node_id, node in members.items()}
        assert members[told.leader].rpc_address == cluster.metadata_repository

        async with await Log.open(1, [third[1]], open_timeout_s=60) as log:
            assert [meta.llsn for meta in await log.append_to(topic, stream, [b"x"])] == [1]
            cluster.kill_metadata_repository()
            assert (await refreshed(log)).log_streams.keys() == {stream}
            async with asyncio.timeout(60):
                assert [meta.llsn for meta in await log.append_to(topic, stream, [b"y"])] == [2]
            await cluster.restart_metadata_repository()

        await admin.delete_metadata_repository_node(added.node_id, timeout_s=30)
        assert (await voting(admin, 2)).keys() == members.keys() - {added.node_id}
        await admin.remove_metadata_repository_peer(third[0], timeout_s=30)
        assert (await voting(admin, 1)).keys() == members.keys() - {added.node_id, peer}
        with pytest.raises(NotFound):
            await admin.delete_metadata_repository_node(added.node_id)


async def voting(admin: Admin, count: int) -> Mapping[MetadataRepositoryNodeId, MetadataRepositoryNode]:
    """The members as soon as there are `count` of them, all with a vote."""
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(Unavailable):
                nodes = await admin.list_metadata_repository_nodes()
                if len(nodes) == count and not any(node.learner for node in nodes):
                    return {node.node_id: node for node in nodes}
            await asyncio.sleep(0.1)


async def refreshed(log: Log) -> ClusterMetadata:
    """As soon as another member leads."""
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(Unavailable):
                return await log.refresh()
            await asyncio.sleep(0.1)


async def sealed(admin: Admin, topic: TopicId, stream: LogStreamId) -> None:
    """Until the metadata repository says so: the dead node's seal can't be had."""
    async with asyncio.timeout(100):
        while (await admin.get_log_stream(topic, stream)).status is not LogStreamStatus.SEALED:
            await asyncio.sleep(0.1)


async def copied(
    admin: Admin, topic: TopicId, stream: LogStreamId, source: StorageNodeId, destination: StorageNodeId
) -> None:
    """Asks for the copy until it is complete; the cluster may have made it by itself meanwhile."""
    async with asyncio.timeout(100):
        while True:
            try:
                status = await admin.sync(topic, stream, source=source, destination=destination)
            except VarlogError:
                result = await admin.seal(topic, stream)
                if len([each for each in result.replicas if each.status is LogStreamStatus.SEALED]) == 2:
                    return
            else:
                if status.state is SyncState.COMPLETE:
                    return
            await asyncio.sleep(0.1)
