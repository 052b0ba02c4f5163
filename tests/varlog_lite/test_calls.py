"""Every call that a client or the admin tool can make, found in the protocol's own definition."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.empty_pb2 import Empty

from tests.varlog_lite.lite_client import Ended, LiteClient, refused
from varlog_client.pb import admpb_pb2, mrpb_pb2, snpb_pb2, varlogpb_pb2
from varlog_lite.server import LiteServer

pb = admpb_pb2
PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
UNIMPLEMENTED = grpc.StatusCode.UNIMPLEMENTED
BETWEEN_SERVERS = {"varlog.snpb.LogStreamReporter", "varlog.snpb.Replicator"}
NO_TIME = -62135596800  # the year 1, in which Go begins to count
USE = "varlog-lite has no separate parts: use varlog.admpb.ClusterManager/"
INSTEAD = {
    "varlog.snpb.Management": {
        "AddLogStreamReplica": "AddLogStream",
        "RemoveLogStream": "RemoveLogStreamReplica",
        "Seal": "Seal",
        "Unseal": "Unseal",
    },
    "varlog.mrpb.MetadataRepositoryService": {
        "RegisterStorageNode": "AddStorageNode",
        "UnregisterStorageNode": "UnregisterStorageNode",
        "RegisterTopic": "AddTopic",
        "UnregisterTopic": "UnregisterTopic",
        "RegisterLogStream": "AddLogStream",
        "UnregisterLogStream": "UnregisterLogStream",
        "UpdateLogStream": "UpdateLogStream",
        "Seal": "Seal",
        "Unseal": "Unseal",
    },
}


def services(*files: FileDescriptor) -> Iterator[ServiceDescriptor]:
    for file in files:
        yield from file.services_by_name.values()


def calls() -> list[MethodDescriptor]:
    found = services(admpb_pb2.DESCRIPTOR, mrpb_pb2.DESCRIPTOR, snpb_pb2.DESCRIPTOR)
    return [method for each in found if each.full_name not in BETWEEN_SERVERS for method in each.methods]


def name(method: MethodDescriptor) -> str:
    return f"{method.containing_service.full_name}/{method.name}"


async def empty_request(client: LiteClient, method: MethodDescriptor) -> Ended:
    """How the call ends that is made without anything in it."""
    call: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = client.channel.stream_stream(f"/{name(method)}")
    try:
        async for _ in call(iter([b""])):
            pass
    except grpc.aio.AioRpcError as error:
        return Ended(error.code(), error.details() or "", [])
    return Ended(grpc.StatusCode.OK, "", [])


def test_the_protocol_has_the_calls_of_all_three_servers() -> None:
    assert len(calls()) == 26 + 12 + 3 + 5 + 7


async def test_each_is_served_and_an_empty_request_is_answered_or_refused(client: LiteClient) -> None:
    for method in calls():
        ended = await empty_request(client, method)
        assert not ended.text.startswith(("unknown ", "Unexpected ")), name(method)
        use = INSTEAD.get(method.containing_service.full_name, {}).get(method.name)
        assert (ended.code is UNIMPLEMENTED) == (use is not None), name(method)
        assert use is None or ended.text == f"{USE}{use}", name(method)


async def test_an_admin_call_that_needs_a_second_node_says_so(client: LiteClient, server: LiteServer) -> None:
    topic_id, log_stream_id = await client.new_log_stream()
    here, elsewhere = (varlogpb_pb2.ReplicaDescriptor(storage_node_id=number) for number in (1, 2))
    move = pb.UpdateLogStreamRequest(
        topic_id=topic_id, log_stream_id=log_stream_id, popped_replica=here, pushed_replica=elsewhere
    )
    own = (await client.admin.GetMRMembers(Empty())).leader
    alone = "varlog-lite is a single node: "
    for call, text in (
        (client.admin.UpdateLogStream(move), "there is no other storage node to move a replica to"),
        (
            client.admin.DeleteMetadataRepositoryNode(pb.DeleteMetadataRepositoryNodeRequest(node_id=own)),
            "it needs its only metadata repository",
        ),
    ):
        assert await refused(call) == (PRECONDITION, alone + text, [])
    move.log_stream_id = 99
    unknown = await refused(client.admin.UpdateLogStream(move))
    assert unknown == (grpc.StatusCode.NOT_FOUND, "update log stream: no such log stream 99", [])
    cause = "rpc error: code = NotFound desc = node 9151314447112142848"
    assert await refused(
        client.admin.RemoveMRPeer(pb.RemoveMRPeerRequest(raft_url="http://127.0.0.1:5"))
    ) == (
        grpc.StatusCode.UNKNOWN,
        f"mrmcl: {cause}",
        [f"mrmcl: {cause}", cause],
    )


async def test_a_node_that_is_taken_or_not_idle_is_named(client: LiteClient, server: LiteServer) -> None:
    exists = f"add storage node: rpc error: code = AlreadyExists desc = sn 1, addr:{server.address}"
    for number, address in ((1, "127.0.0.1:1"), (2, server.address)):
        node = varlogpb_pb2.StorageNode(storage_node_id=number, address=address)
        taken = await refused(client.admin.AddStorageNode(pb.AddStorageNodeRequest(storage_node=node)))
        assert taken == (grpc.StatusCode.ALREADY_EXISTS, exists, [])
    unregister = pb.UnregisterStorageNodeRequest(storage_node_id=1)
    idle = await refused(client.admin.UnregisterStorageNode(unregister))
    needed = "unregister storage node: varlog-lite is its own and only storage node"
    assert idle == (PRECONDITION, needed, [])
    await client.new_log_stream()
    busy = await refused(client.admin.UnregisterStorageNode(unregister))
    assert busy.code is PRECONDITION
    assert busy.text.startswith("unregister storage node: non-idle replicas: storage_node_id:1 ")


async def test_what_is_listed_is_what_is_got_one_by_one(client: LiteClient) -> None:
    topic_id, log_stream_id = await client.new_log_stream()
    await client.add_log_stream(topic_id)
    listed = (await client.admin.ListTopics(pb.ListTopicsRequest())).topics
    assert listed == [(await client.admin.GetTopic(pb.GetTopicRequest(topic_id=topic_id))).topic]
    described = await client.admin.DescribeTopic(pb.DescribeTopicRequest(topic_id=topic_id))
    streams = (await client.admin.ListLogStreams(pb.ListLogStreamsRequest(topic_id=topic_id))).log_streams
    assert [described.topic, *described.log_streams] == [*listed, *streams]
    assert len(streams) == 2
    ask = pb.GetLogStreamRequest(topic_id=topic_id, log_stream_id=log_stream_id)
    assert (await client.admin.GetLogStream(ask)).log_stream == streams[0]
    node = (await client.admin.GetStorageNode(pb.GetStorageNodeRequest(storage_node_id=1))).storage_node
    assert [
        each.log_stream_replica.topic_log_stream.log_stream_id
        for each in node.storage_node.log_stream_replicas
    ] == [stream.log_stream_id for stream in streams]
    [repository] = (
        await client.admin.ListMetadataRepositoryNodes(pb.ListMetadataRepositoryNodesRequest())
    ).nodes
    by_id = pb.GetMetadataRepositoryNodeRequest(node_id=repository.node_id)
    assert (await client.admin.GetMetadataRepositoryNode(by_id)).node == repository


async def test_reports_and_times_are_those_of_a_real_server(client: LiteClient) -> None:
    topic_id, log_stream_id = await client.new_log_stream()
    await client.append(topic_id, log_stream_id, b"x", b"y")
    ask = mrpb_pb2.GetReportsRequest(log_stream_id=log_stream_id)
    reports = (await client.repository.GetReports(ask)).reports.replicas
    assert (reports[1].uncommitted_llsn_offset, reports[1].uncommitted_llsn_length) == (3, 0)
    assert reports[1].high_watermark == 2
    replica = await client.replica(topic_id, log_stream_id)
    assert (replica.created_time.seconds > 0, replica.updated_time.seconds) == (True, NO_TIME)
    [sealed] = (await client.seal(topic_id, log_stream_id)).log_streams
    assert (sealed.created_time.seconds, sealed.updated_time.seconds) == (NO_TIME, NO_TIME)
    assert (sealed.local_high_watermark.llsn, sealed.local_high_watermark.glsn) == (0, 2)


@pytest.mark.parametrize(
    ("payload", "code", "text"),
    [
        ([], grpc.StatusCode.INVALID_ARGUMENT, "rpc error: code = InvalidArgument desc = no payload"),
        ([b"x"], PRECONDITION, "sealed"),
    ],
)
async def test_an_empty_batch_is_refused_as_such_also_by_a_sealed_log_stream(
    client: LiteClient, payload: list[bytes], code: grpc.StatusCode, text: str
) -> None:
    ids = await client.new_log_stream()
    await client.seal(*ids)
    assert await client.try_append(*ids, *payload) == (code, text, [])


async def test_ids_left_out_on_a_bound_stream_do_not_match(client: LiteClient) -> None:
    stream = client.open_append(*await client.new_log_stream())
    assert await stream.append(b"x") == [(1, 1)]
    await stream.send_raw(snpb_pb2.AppendRequest(payload=[b"y"]))
    text = "rpc error: code = InvalidArgument desc = unmatched topic or logstream"
    assert await stream.end() == (grpc.StatusCode.INVALID_ARGUMENT, text, [])
