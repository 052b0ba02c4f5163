from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.varlog_lite.lite_client import LiteClient, refused
from varlog_client.pb import admpb_pb2, mrpb_pb2, snpb_pb2, varlogpb_pb2
from varlog_lite.describe import node_id_of
from varlog_lite.server import LiteServer

NOT_FOUND = grpc.StatusCode.NOT_FOUND
UNKNOWN = grpc.StatusCode.UNKNOWN
PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
pb = admpb_pb2
Call = Callable[[LiteClient], Awaitable[object]]


def storage_node(number: int, address: str) -> pb.AddStorageNodeRequest:
    node = varlogpb_pb2.StorageNode(storage_node_id=number, address=address)
    return pb.AddStorageNodeRequest(storage_node=node)


def replicas(*numbers: int) -> pb.AddLogStreamRequest:
    wanted = [varlogpb_pb2.ReplicaDescriptor(storage_node_id=n, storage_node_path="/x") for n in numbers]
    return pb.AddLogStreamRequest(topic_id=1, replicas=wanted)


def with_details(text: str, *inner: str) -> tuple[str, list[str]]:
    return text, [text, *inner]


# With topic 1 and its log stream 1, RUNNING. What a real admin server answered to the same calls.
REFUSALS: list[tuple[Call, grpc.StatusCode, str | tuple[str, list[str]]]] = [
    (lambda c: c.admin.GetTopic(pb.GetTopicRequest(topic_id=9)), NOT_FOUND, "get topic: no such topic 9"),
    (
        lambda c: c.admin.DescribeTopic(pb.DescribeTopicRequest(topic_id=9)),
        grpc.StatusCode.UNAVAILABLE,
        with_details("no such topic (topicID=9): not exist", "not exist"),
    ),
    (
        lambda c: c.admin.UnregisterTopic(pb.UnregisterTopicRequest(topic_id=9)),
        UNKNOWN,
        "storage node: not exist",
    ),
    (
        lambda c: c.admin.GetLogStream(pb.GetLogStreamRequest(topic_id=1, log_stream_id=9)),
        NOT_FOUND,
        "get log stream: no log stream in the topic: tpid 1, lsid 9",
    ),
    (
        lambda c: c.admin.GetLogStream(pb.GetLogStreamRequest(topic_id=9, log_stream_id=1)),
        NOT_FOUND,
        "get log stream: no such topic: tpid 9",
    ),
    (
        lambda c: c.admin.ListLogStreams(pb.ListLogStreamsRequest(topic_id=9)),
        NOT_FOUND,
        "list log streams: no such topic: tpid 9",
    ),
    (
        lambda c: c.admin.AddLogStream(pb.AddLogStreamRequest(topic_id=9)),
        NOT_FOUND,
        "add log stream: rpc error: code = NotFound desc = topic 9 is not found",
    ),
    (
        lambda c: c.admin.AddLogStream(replicas(9)),
        PRECONDITION,
        "add log stream: no such storage node: snid 9",
    ),
    (
        lambda c: c.admin.AddLogStream(replicas(1, 2)),
        PRECONDITION,
        "add log stream: invalid number of log stream replicas: expected 1, actual 2",
    ),
    (
        lambda c: c.admin.AddLogStream(replicas(1)),
        UNKNOWN,
        "add log stream: rpc error: code = Unknown desc = open /x/tpid_1_lsid_2: no such file or directory",
    ),
    (lambda c: c.seal(1, 9), NOT_FOUND, "ls 9"),
    (lambda c: c.unseal(1, 9), UNKNOWN, with_details("log stream: not exist", "not exist")),
    (lambda c: c.unseal(9, 1), UNKNOWN, with_details("snmcl: not exist", "not exist")),
    (
        lambda c: c.admin.UnregisterLogStream(pb.UnregisterLogStreamRequest(topic_id=1, log_stream_id=9)),
        UNKNOWN,
        with_details("log stream: not exist", "not exist"),
    ),
    (
        lambda c: c.admin.UnregisterLogStream(pb.UnregisterLogStreamRequest(topic_id=1, log_stream_id=1)),
        UNKNOWN,
        with_details("unregister log stream: invalid log stream status: LS_STATUS_RUNNING"),
    ),
    (
        lambda c: c.admin.UpdateLogStream(pb.UpdateLogStreamRequest(topic_id=1, log_stream_id=1)),
        grpc.StatusCode.INVALID_ARGUMENT,
        "update log stream: the same replica",
    ),
    (
        lambda c: c.admin.RemoveLogStreamReplica(
            pb.RemoveLogStreamReplicaRequest(storage_node_id=1, topic_id=1, log_stream_id=1)
        ),
        PRECONDITION,
        "remove log stream replica: appendable log stream",
    ),
    (
        lambda c: c.admin.RemoveLogStreamReplica(
            pb.RemoveLogStreamReplicaRequest(storage_node_id=1, topic_id=1, log_stream_id=9)
        ),
        UNKNOWN,
        "remove log stream replica: snmcl: not exist",
    ),
    (
        lambda c: c.admin.RemoveLogStreamReplica(
            pb.RemoveLogStreamReplicaRequest(storage_node_id=9, topic_id=1, log_stream_id=1)
        ),
        UNKNOWN,
        "remove log stream replica: storage node: not exist",
    ),
    (
        lambda c: c.admin.Sync(pb.SyncRequest(topic_id=1, log_stream_id=9)),
        NOT_FOUND,
        "ls 9",
    ),
    (
        lambda c: c.admin.GetStorageNode(pb.GetStorageNodeRequest(storage_node_id=9)),
        NOT_FOUND,
        "get storage node: 9",
    ),
    (
        lambda c: c.admin.GetMetadataRepositoryNode(pb.GetMetadataRepositoryNodeRequest(node_id=9)),
        UNKNOWN,
        "admin: no such mr",
    ),
    (
        lambda c: c.admin.DeleteMetadataRepositoryNode(pb.DeleteMetadataRepositoryNodeRequest(node_id=9)),
        NOT_FOUND,
        "mrmcl: rpc error: code = NotFound desc = node 9",
    ),
]


@pytest.mark.parametrize(("call", "code", "expected"), REFUSALS)
async def test_the_admin_refuses_in_varlogs_words(
    client: LiteClient, call: Call, code: grpc.StatusCode, expected: str | tuple[str, list[str]]
) -> None:
    await client.new_log_stream()
    text, details = expected if isinstance(expected, tuple) else (expected, [])
    assert await refused(call(client)) == (code, text, details)


async def test_what_needs_a_second_node_is_refused_plainly(client: LiteClient, server: LiteServer) -> None:
    await client.new_log_stream()
    calls: list[Awaitable[object]] = [
        client.admin.AddStorageNode(storage_node(2, "127.0.0.1:1")),
        client.admin.Sync(pb.SyncRequest(topic_id=1, log_stream_id=1)),
        client.admin.AddMetadataRepositoryNode(pb.AddMetadataRepositoryNodeRequest(raft_url="http://x:1")),
        client.admin.AddMRPeer(pb.AddMRPeerRequest(raft_url="http://x:1")),
        client.admin.RemoveMRPeer(pb.RemoveMRPeerRequest(raft_url=f"http://{server.address}")),
        client.members.AddPeer(mrpb_pb2.AddPeerRequest()),
    ]
    for call in calls:
        ended = await refused(call)
        assert ended.code is PRECONDITION
        assert ended.text.startswith("varlog-lite is a single node: ")
    for call in (
        client.repository.RegisterLogStream(mrpb_pb2.LogStreamRequest()),
        client.node.Sync(snpb_pb2.SyncRequest()),
    ):
        assert (await refused(call)).code in {PRECONDITION, grpc.StatusCode.UNIMPLEMENTED}


async def test_the_one_storage_node_is_listed_and_may_be_added_again(
    client: LiteClient, server: LiteServer
) -> None:
    listed = (await client.admin.ListStorageNodes(pb.ListStorageNodesRequest())).storage_nodes
    assert [node.storage_node.storage_node.address for node in listed] == [server.address]
    again = await client.admin.AddStorageNode(storage_node(1, server.address))
    assert again.storage_node.storage_node.storage_node == listed[0].storage_node.storage_node
    taken = await refused(client.admin.AddStorageNode(storage_node(2, server.address)))
    assert taken.code is grpc.StatusCode.ALREADY_EXISTS
    await client.admin.UnregisterStorageNode(pb.UnregisterStorageNodeRequest(storage_node_id=9))
    needed = await refused(
        client.admin.UnregisterStorageNode(pb.UnregisterStorageNodeRequest(storage_node_id=1))
    )
    assert needed.code is PRECONDITION


async def test_a_client_finds_its_way_from_the_seed(client: LiteClient, server: LiteServer) -> None:
    request = mrpb_pb2.GetClusterInfoRequest(cluster_id=77)
    info = (await client.members.GetClusterInfo(request)).cluster_info
    assert info.cluster_id == 1
    assert info.node_id == info.leader != 0
    assert info.members[info.leader].endpoint == server.address
    assert info.replication_factor == 1
    metadata = (await client.repository.GetMetadata(mrpb_pb2.GetMetadataRequest())).metadata
    assert [node.storage_node.address for node in metadata.storage_nodes] == [server.address]
    members = await client.admin.GetMRMembers(Empty())
    assert members.leader == info.leader


def test_a_node_id_is_made_of_address_and_port() -> None:
    assert node_id_of("http://127.0.0.1:27010") == 9151314448881942528


async def test_the_applied_index_grows_with_every_change_and_not_with_appends(client: LiteClient) -> None:
    seen = [(await client.metadata())[0]]
    assert seen[0] >= 1

    async def grown() -> bool:
        seen.append((await client.metadata())[0])
        return seen[-1] > seen[-2]

    ids = await client.new_log_stream()
    assert await grown()
    await client.append(*ids, b"x")
    assert not await grown()
    await client.seal(*ids)
    assert await grown()
    await client.seal(*ids)
    assert not await grown()
    await client.unseal(*ids)
    assert await grown()


async def test_an_unregistered_log_stream_stays_readable_and_dangles_in_its_topic(client: LiteClient) -> None:
    topic_id, log_stream_id = await client.new_log_stream()
    other = await client.add_log_stream(topic_id)
    await client.append(topic_id, log_stream_id, b"x")
    await client.seal(topic_id, log_stream_id)
    await client.admin.UnregisterLogStream(
        pb.UnregisterLogStreamRequest(topic_id=topic_id, log_stream_id=log_stream_id)
    )
    topic = (await client.admin.GetTopic(pb.GetTopicRequest(topic_id=topic_id))).topic
    assert list(topic.log_streams) == [log_stream_id, other]
    assert (await client.metadata())[1] == {other: 0}
    assert await client.read(topic_id, log_stream_id, end=2) == [(1, b"x")]
    assert (await client.try_append(topic_id, log_stream_id, b"y")).text == "sealed"
    assert await client.append(topic_id, other, b"z") == [(2, 1)]


async def test_requests_that_end_a_real_server_are_answered(client: LiteClient) -> None:
    ids = await client.new_log_stream()
    result = await client.repository.GetCommitResult(
        mrpb_pb2.GetCommitResultRequest(topic_id=ids[0], log_stream_id=ids[1])
    )
    assert result.commit_result.version == 0
    unknown = await refused(client.repository.GetReports(mrpb_pb2.GetReportsRequest(log_stream_id=9)))
    assert unknown.code is NOT_FOUND
    for call in (
        client.repository.UnregisterLogStream(mrpb_pb2.LogStreamRequest()),
        client.repository.UnregisterStorageNode(mrpb_pb2.StorageNodeRequest()),
        client.node.Seal(snpb_pb2.SealRequest(topic_id=ids[0], log_stream_id=ids[1])),
    ):
        assert (await refused(call)).code is grpc.StatusCode.UNIMPLEMENTED
    assert await client.append(*ids, b"x", b"y") == [(1, 1), (2, 2)]
    result = await client.repository.GetCommitResult(
        mrpb_pb2.GetCommitResultRequest(topic_id=ids[0], log_stream_id=ids[1])
    )
    commit = result.commit_result
    assert commit.committed_llsn_offset + commit.committed_glsn_length - 1 == 2
    assert commit.high_watermark == 2


async def test_health_knows_the_server_as_a_whole(client: LiteClient) -> None:
    health = health_pb2_grpc.HealthStub(client.channel)
    answer = await health.Check(health_pb2.HealthCheckRequest())
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    unknown = await refused(health.Check(health_pb2.HealthCheckRequest(service="x")))
    assert unknown == (NOT_FOUND, "unknown service", [])


async def test_who_watches_its_health_is_told_when_it_stops(client: LiteClient, server: LiteServer) -> None:
    health, answer = health_pb2_grpc.HealthStub(client.channel), health_pb2.HealthCheckResponse
    watch = health.Watch(health_pb2.HealthCheckRequest())
    unknown = health.Watch(health_pb2.HealthCheckRequest(service="x"))
    assert await watch.read() == answer(status=answer.SERVING)
    assert await unknown.read() == answer(status=answer.SERVICE_UNKNOWN)
    stopping = asyncio.create_task(server.stop())
    assert await watch.read() == answer(status=answer.NOT_SERVING)
    await stopping


async def test_bytes_that_are_no_request_are_refused(client: LiteClient) -> None:
    call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]
    call = client.channel.unary_unary("/varlog.admpb.ClusterManager/GetTopic")
    ended = await refused(call(b"\x0a\x05abc"))
    assert ended.code is grpc.StatusCode.INTERNAL
    assert ended.text == "grpc: error unmarshalling request: unexpected EOF"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/varlog.snpb.LogIO/Nope", "unknown method Nope for service varlog.snpb.LogIO"),
        ("/varlog.mrpb.Management/Nope", "unknown method Nope for service varlog.mrpb.Management"),
        (
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            "unknown service grpc.reflection.v1.ServerReflection",
        ),
        ("/varlog.snpb.Replicator/SyncInit", "unknown service varlog.snpb.Replicator"),
    ],
)
async def test_what_is_not_served_is_refused_in_go_words(client: LiteClient, path: str, text: str) -> None:
    unary: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = client.channel.unary_unary(path)
    assert await refused(unary(b"")) == (grpc.StatusCode.UNIMPLEMENTED, text, [])
    streaming: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = client.channel.stream_stream(path)
    call = streaming()
    assert await refused(call.read()) == (grpc.StatusCode.UNIMPLEMENTED, text, [])


async def test_the_storage_node_tells_of_itself_and_trims(client: LiteClient, server: LiteServer) -> None:
    topic_id, log_stream_id = await client.new_log_stream()
    await client.append(topic_id, log_stream_id, b"x", b"y")
    answer = await client.node.GetMetadata(snpb_pb2.GetMetadataRequest(cluster_id=77))
    node = answer.storage_node_metadata
    assert (node.cluster_id, node.storage_node.address) == (1, server.address)
    (replica,) = node.log_stream_replicas
    assert replica.local_high_watermark.glsn == 2
    trimmed = await client.node.Trim(snpb_pb2.TrimRequest(topic_id=topic_id, last_glsn=1))
    assert dict(trimmed.results) == {log_stream_id: ""}
    assert (await client.watermarks(topic_id, log_stream_id))[0] == (2, 2)
    await client.log_io.TrimDeprecated(snpb_pb2.TrimDeprecatedRequest(topic_id=topic_id, glsn=2))
    assert await client.watermarks(topic_id, log_stream_id) == ((0, 0), (0, 0))
