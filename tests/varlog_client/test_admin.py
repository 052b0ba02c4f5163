"""Every admin call: what is sent, and what is made of the answer."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

import varlog_client
from varlog_client import (
    GLSN,
    LLSN,
    Admin,
    LogStreamId,
    LogStreamStatus,
    MetadataRepositoryNodeId,
    NotFound,
    Replica,
    StorageNodeId,
    SyncState,
    TopicId,
    Unavailable,
    WatchedStorageNode,
)
from varlog_client.pb import admpb_pb2 as pb
from varlog_client.pb import snpb_pb2, varlogpb_pb2

TOPIC, STREAM, NODE, MEMBER = TopicId(1), LogStreamId(2), StorageNodeId(3), MetadataRepositoryNodeId(4)
OLD = Replica(storage_node_id=NODE, storage_node_path="/old", data_path="/old/data")
NEW = Replica(storage_node_id=StorageNodeId(5), storage_node_path="/new")
SERVICE = pb.DESCRIPTOR.services_by_name["ClusterManager"]


class ScriptedAdmin:
    """Answers every call with `replies[METHOD]`, or with an empty message, and keeps the last request."""

    def __init__(self) -> None:
        self.asked: dict[str, Message] = {}
        self.replies: dict[str, Message] = {}
        self.refusal: tuple[grpc.StatusCode, str] | None = None
        self.timeouts: list[float | None] = []

    def handler(self) -> grpc.GenericRpcHandler:
        methods: dict[str, Any] = {
            method.name: grpc.unary_unary_rpc_method_handler(
                self._answer(method.name, method.output_type.name),
                request_deserializer=message(method.input_type.name).FromString,
            )
            for method in SERVICE.methods
        }
        return grpc.method_handlers_generic_handler(SERVICE.full_name, methods)

    def _answer(self, name: str, reply: str) -> Callable[[Message, Any], Awaitable[bytes]]:
        async def answer(request: Message, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
            self.asked[name] = request
            self.timeouts.append(context.time_remaining())
            if self.refusal is not None:
                await context.abort(*self.refusal)
            return self.replies.get(name, message(reply)()).SerializeToString()

        return answer


def message(name: str) -> type[Message]:
    kind: type[Message] = Empty if name == "Empty" else getattr(pb, name)
    return kind


@pytest.fixture
async def server() -> ScriptedAdmin:
    return ScriptedAdmin()


@pytest.fixture
async def admin(server: ScriptedAdmin) -> AsyncIterator[Admin]:
    listening = grpc.aio.server()
    listening.add_generic_rpc_handlers([server.handler()])
    port = listening.add_insecure_port("127.0.0.1:0")
    await listening.start()
    async with await Admin.connect(f"127.0.0.1:{port}") as admin:
        yield admin
    await listening.stop(0)


IDS = {"topic_id": TOPIC, "log_stream_id": STREAM}
OLD_SENT = varlogpb_pb2.ReplicaDescriptor(storage_node_id=3, storage_node_path="/old", data_path="/old/data")
NEW_SENT = varlogpb_pb2.ReplicaDescriptor(storage_node_id=5, storage_node_path="/new")
Call = Callable[[Admin], Awaitable[object]]
CALLS: dict[str, tuple[Call, Message]] = {
    "GetStorageNode": (
        lambda admin: admin.get_storage_node(NODE),
        pb.GetStorageNodeRequest(storage_node_id=3),
    ),
    "ListStorageNodes": (lambda admin: admin.list_storage_nodes(), pb.ListStorageNodesRequest()),
    "AddStorageNode": (
        lambda admin: admin.add_storage_node(NODE, "host:1"),
        pb.AddStorageNodeRequest(storage_node=varlogpb_pb2.StorageNode(storage_node_id=3, address="host:1")),
    ),
    "UnregisterStorageNode": (
        lambda admin: admin.unregister_storage_node(NODE),
        pb.UnregisterStorageNodeRequest(storage_node_id=3),
    ),
    "GetTopic": (lambda admin: admin.get_topic(TOPIC), pb.GetTopicRequest(topic_id=1)),
    "DescribeTopic": (lambda admin: admin.describe_topic(TOPIC), pb.DescribeTopicRequest(topic_id=1)),
    "ListTopics": (lambda admin: admin.list_topics(), pb.ListTopicsRequest()),
    "AddTopic": (lambda admin: admin.add_topic(), pb.AddTopicRequest()),
    "UnregisterTopic": (lambda admin: admin.unregister_topic(TOPIC), pb.UnregisterTopicRequest(topic_id=1)),
    "GetLogStream": (lambda admin: admin.get_log_stream(TOPIC, STREAM), pb.GetLogStreamRequest(**IDS)),
    "ListLogStreams": (lambda admin: admin.list_log_streams(TOPIC), pb.ListLogStreamsRequest(topic_id=1)),
    "AddLogStream": (
        lambda admin: admin.add_log_stream(TOPIC, [NEW, OLD]),
        pb.AddLogStreamRequest(topic_id=1, replicas=[NEW_SENT, OLD_SENT]),
    ),
    "UpdateLogStream": (
        lambda admin: admin.update_log_stream(TOPIC, STREAM, popped=OLD, pushed=NEW),
        pb.UpdateLogStreamRequest(**IDS, popped_replica=OLD_SENT, pushed_replica=NEW_SENT),
    ),
    "UnregisterLogStream": (
        lambda admin: admin.unregister_log_stream(TOPIC, STREAM),
        pb.UnregisterLogStreamRequest(**IDS),
    ),
    "RemoveLogStreamReplica": (
        lambda admin: admin.remove_log_stream_replica(NODE, TOPIC, STREAM),
        pb.RemoveLogStreamReplicaRequest(storage_node_id=3, **IDS),
    ),
    "Seal": (lambda admin: admin.seal(TOPIC, STREAM), pb.SealRequest(**IDS)),
    "Unseal": (lambda admin: admin.unseal(TOPIC, STREAM), pb.UnsealRequest(**IDS)),
    "Sync": (
        lambda admin: admin.sync(TOPIC, STREAM, source=NODE, destination=StorageNodeId(5)),
        pb.SyncRequest(**IDS, src_storage_node_id=3, dst_storage_node_id=5),
    ),
    "Trim": (lambda admin: admin.trim(TOPIC, GLSN(9)), pb.TrimRequest(topic_id=1, last_glsn=9)),
    "GetMetadataRepositoryNode": (
        lambda admin: admin.get_metadata_repository_node(MEMBER),
        pb.GetMetadataRepositoryNodeRequest(node_id=4),
    ),
    "ListMetadataRepositoryNodes": (
        lambda admin: admin.list_metadata_repository_nodes(),
        pb.ListMetadataRepositoryNodesRequest(),
    ),
    "GetMRMembers": (lambda admin: admin.get_metadata_repository_members(), Empty()),
    "AddMetadataRepositoryNode": (
        lambda admin: admin.add_metadata_repository_node("http://raft", "host:1"),
        pb.AddMetadataRepositoryNodeRequest(raft_url="http://raft", rpc_addr="host:1"),
    ),
    "AddMRPeer": (
        lambda admin: admin.add_metadata_repository_peer("http://raft", "host:1"),
        pb.AddMRPeerRequest(raft_url="http://raft", rpc_addr="host:1"),
    ),
    "DeleteMetadataRepositoryNode": (
        lambda admin: admin.delete_metadata_repository_node(MEMBER),
        pb.DeleteMetadataRepositoryNodeRequest(node_id=4),
    ),
    "RemoveMRPeer": (
        lambda admin: admin.remove_metadata_repository_peer("http://raft"),
        pb.RemoveMRPeerRequest(raft_url="http://raft"),
    ),
}


def test_every_call_of_the_admin_server_is_offered() -> None:
    assert CALLS.keys() == {method.name for method in SERVICE.methods}


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_sends_what_it_should_and_nothing_is_left_out(
    admin: Admin, server: ScriptedAdmin, name: str
) -> None:
    call, expected = CALLS[name]
    await call(admin)
    assert server.asked == {name: expected}
    assert server.timeouts[0] is not None


@pytest.mark.parametrize("name", CALLS)
async def test_a_refusal_is_an_error_of_its_type(admin: Admin, server: ScriptedAdmin, name: str) -> None:
    server.refusal = grpc.StatusCode.NOT_FOUND, "not there"
    with pytest.raises(NotFound, match="not there"):
        await CALLS[name][0](admin)


async def test_a_call_may_be_given_a_time_of_its_own(admin: Admin, server: ScriptedAdmin) -> None:
    await admin.list_topics(timeout_s=100)
    await admin.list_topics()
    long, usual = server.timeouts
    assert long is not None
    assert usual is not None
    assert 90 < long < 110
    assert usual < 10


async def test_what_describe_topic_calls_unavailable_is_not_found(
    admin: Admin, server: ScriptedAdmin
) -> None:
    server.refusal = grpc.StatusCode.UNAVAILABLE, "no such topic (topicID=9): not exist"
    with pytest.raises(NotFound):
        await admin.describe_topic(TOPIC)
    server.refusal = grpc.StatusCode.UNAVAILABLE, "connection lost"
    with pytest.raises(Unavailable):
        await admin.describe_topic(TOPIC)


@pytest.mark.parametrize("urls", [("", "host:1"), ("http://raft", "")])
async def test_a_member_without_a_name_is_never_sent(
    admin: Admin, server: ScriptedAdmin, urls: tuple[str, str]
) -> None:
    for call in (admin.add_metadata_repository_node, admin.add_metadata_repository_peer):
        with pytest.raises(ValueError, match="Raft URL"):
            await call(*urls)
    with pytest.raises(ValueError, match="Raft URL"):
        await admin.remove_metadata_repository_peer("")
    assert server.asked == {}


def test_nothing_is_asked_that_ends_a_server() -> None:
    """The metadata repository dies of these; `Sync` and `Seal` at a storage node end that."""
    deadly = re.compile(
        r"GetCommitResult|GetReports|RegisterLogStream|RegisterStorageNode|RegisterTopic|snpb_pb2_grpc.Management"
        r"|MetadataRepositoryServiceStub\(\w+\)\.(?!GetMetadata\b)"
    )
    sources = list(Path(varlog_client.__file__).parent.glob("*.py"))
    assert len(sources) > 20
    found = {source.name: deadly.findall(source.read_text()) for source in sources}
    allowed = {"UnregisterStorageNode", "UnregisterLogStream", "UnregisterTopic"}  # at the admin server
    for name, words in found.items():
        assert name.startswith("admin") or not words, f"{name}: {words}"
    text = "".join(source.read_text() for source in sources)
    assert set(re.findall(r"\b\w*[rR]egister(?:LogStream|StorageNode|Topic)\b", text)) <= allowed


# Answers


async def test_a_storage_node_is_told_with_its_storages_and_replicas(
    admin: Admin, server: ScriptedAdmin
) -> None:
    replica = snpb_pb2.LogStreamReplicaMetadataDescriptor(
        log_stream_replica=varlogpb_pb2.LogStreamReplica(
            storage_node=varlogpb_pb2.StorageNode(storage_node_id=3),
            topic_log_stream=varlogpb_pb2.TopicLogStream(topic_id=1, log_stream_id=2),
        ),
        status=varlogpb_pb2.LS_STATUS_SEALED,
        path="/data/1_2",
        storage_size_bytes=77,
    )
    node = snpb_pb2.StorageNodeMetadataDescriptor(
        storage_node=varlogpb_pb2.StorageNode(storage_node_id=3, address="host:1"),
        storages=[varlogpb_pb2.StorageDescriptor(path="/data", used=5, total=10)],
        log_stream_replicas=[replica],
        start_time=Timestamp(seconds=1_700_000_000),
    )
    server.replies["GetStorageNode"] = pb.GetStorageNodeResponse(
        storage_node=pb.StorageNodeMetadata(
            storage_node=node, last_heartbeat_time=Timestamp(seconds=-62135596800)
        )
    )
    told = await admin.get_storage_node(NODE)
    assert (told.storage_node_id, told.address, told.paths) == (3, "host:1", ("/data",))
    assert [(each.path, each.used_bytes, each.total_bytes) for each in told.storages] == [("/data", 5, 10)]
    [held] = told.replicas
    assert (held.topic_id, held.log_stream_id, held.status) == (1, 2, LogStreamStatus.SEALED)
    assert (held.path, held.size_bytes) == ("/data/1_2", 77)
    assert told.started_at == datetime.fromtimestamp(1_700_000_000, UTC)
    assert (told.registered_at, told.last_heartbeat_at) == (None, None)


async def test_before_the_first_heartbeat_a_node_is_empty(admin: Admin, server: ScriptedAdmin) -> None:
    server.replies["ListStorageNodes"] = pb.ListStorageNodesResponse(storage_nodes=[pb.StorageNodeMetadata()])
    assert await admin.list_storage_nodes() == (
        WatchedStorageNode(storage_node_id=StorageNodeId(0), address=""),
    )


async def test_the_metadata_repository_names_its_members(admin: Admin, server: ScriptedAdmin) -> None:
    node = varlogpb_pb2.MetadataRepositoryNode(
        node_id=4, raft_url="http://raft", rpc_addr="host:1", leader=True, learner=False
    )
    server.replies["ListMetadataRepositoryNodes"] = pb.ListMetadataRepositoryNodesResponse(nodes=[node])
    server.replies["GetMRMembers"] = pb.GetMRMembersResponse(
        leader=4, replication_factor=2, members={4: "http://raft"}
    )
    [told] = await admin.list_metadata_repository_nodes()
    assert (told.node_id, told.raft_url, told.rpc_address) == (4, "http://raft", "host:1")
    assert (told.leader, told.learner) == (True, False)
    members = await admin.get_metadata_repository_members()
    assert (members.leader, members.replication_factor) == (4, 2)
    assert members.members == {4: "http://raft"}


async def test_a_copy_tells_how_far_it_is(admin: Admin, server: ScriptedAdmin) -> None:
    position = snpb_pb2.SyncPosition
    server.replies["Sync"] = pb.SyncResponse(
        status=snpb_pb2.SyncStatus(
            state=snpb_pb2.IN_PROGRESS,
            first=position(llsn=1),
            last=position(llsn=9),
            current=position(llsn=4),
        )
    )
    told = await admin.sync(TOPIC, STREAM, source=NODE, destination=StorageNodeId(5))
    assert told.state is SyncState.IN_PROGRESS
    assert (told.first, told.last, told.current) == (LLSN(1), LLSN(9), LLSN(4))
