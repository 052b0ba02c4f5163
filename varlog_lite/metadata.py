"""`varlog.mrpb.MetadataRepositoryService` and `varlog.mrpb.Management`: what a client asks first.

A real repository takes changes from the admin server and commits from storage nodes; here all of that
is inside the process, so the calls between them answer UNIMPLEMENTED and name the call to use instead.
Requests that would end a real repository's process are answered.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NoReturn

import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message

from varlog_client.pb import mrpb_pb2, snpb_pb2
from varlog_lite import rpc, status
from varlog_lite.cluster import Cluster
from varlog_lite.describe import STORAGE_NODE_ID, Describer
from varlog_lite.streams import LogStream

_ADMIN = "varlog.admpb.ClusterManager"


class MetadataRepository:
    def __init__(self, cluster: Cluster, describer: Describer) -> None:
        self._cluster = cluster
        self._describer = describer

    def handlers(self) -> list[grpc.GenericRpcHandler]:
        pb = mrpb_pb2
        service = {
            "GetMetadata": rpc.unary(pb.GetMetadataRequest, self._get_metadata),
            "GetCommitResult": rpc.unary(pb.GetCommitResultRequest, self._get_commit_result),
            "GetReports": rpc.unary(pb.GetReportsRequest, self._get_reports),
            "RegisterStorageNode": rpc.unary(pb.StorageNodeRequest, _instead("AddStorageNode")),
            "UnregisterStorageNode": rpc.unary(pb.StorageNodeRequest, _instead("UnregisterStorageNode")),
            "RegisterTopic": rpc.unary(pb.TopicRequest, _instead("AddTopic")),
            "UnregisterTopic": rpc.unary(pb.TopicRequest, _instead("UnregisterTopic")),
            "RegisterLogStream": rpc.unary(pb.LogStreamRequest, _instead("AddLogStream")),
            "UnregisterLogStream": rpc.unary(pb.LogStreamRequest, _instead("UnregisterLogStream")),
            "UpdateLogStream": rpc.unary(pb.LogStreamRequest, _instead("UpdateLogStream")),
            "Seal": rpc.unary(pb.SealRequest, _instead("Seal")),
            "Unseal": rpc.unary(pb.UnsealRequest, _instead("Unseal")),
        }
        management = {
            "GetClusterInfo": rpc.unary(pb.GetClusterInfoRequest, self._get_cluster_info),
            "AddPeer": rpc.unary(pb.AddPeerRequest, _no_peers),
            "RemovePeer": rpc.unary(pb.RemovePeerRequest, _no_peers),
        }
        return [
            grpc.method_handlers_generic_handler("varlog.mrpb.MetadataRepositoryService", service),
            grpc.method_handlers_generic_handler("varlog.mrpb.Management", management),
        ]

    async def _get_metadata(self, _request: mrpb_pb2.GetMetadataRequest) -> mrpb_pb2.GetMetadataResponse:
        return mrpb_pb2.GetMetadataResponse(metadata=self._describer.metadata())

    async def _get_cluster_info(
        self, _request: mrpb_pb2.GetClusterInfoRequest
    ) -> mrpb_pb2.GetClusterInfoResponse:
        """The cluster id asked for is not looked at, as in Varlog."""
        identity = self._describer.identity
        member = mrpb_pb2.ClusterInfo.Member(peer=identity.raft_url, endpoint=identity.address)
        info = mrpb_pb2.ClusterInfo(
            cluster_id=identity.cluster_id,
            node_id=identity.node_id,
            leader=identity.node_id,
            replication_factor=1,
            members={identity.node_id: member},
            applied_index=self._cluster.record.applied_index,
        )
        return mrpb_pb2.GetClusterInfoResponse(cluster_info=info)

    async def _get_commit_result(
        self, request: mrpb_pb2.GetCommitResultRequest
    ) -> mrpb_pb2.GetCommitResultResponse:
        """The log stream's last commit; for an unknown one the ids and offsets are 0."""
        stream = self._cluster.find_registered(request.topic_id, request.log_stream_id)
        topic = self._cluster.topics.get(request.topic_id)
        result = snpb_pb2.LogStreamCommitResult(
            version=self._cluster.version, high_watermark=topic.last_glsn if topic else 0
        )
        if stream is not None:
            _fill_commit(result, stream)
        return mrpb_pb2.GetCommitResultResponse(commit_result=result)

    async def _get_reports(self, request: mrpb_pb2.GetReportsRequest) -> mrpb_pb2.GetReportsResponse:
        stream = self._cluster.log_streams.get(request.log_stream_id)
        if stream is None or not stream.registered:
            raise status.log_stream_unknown(request.log_stream_id)
        report = snpb_pb2.LogStreamUncommitReport(
            log_stream_id=stream.log_stream_id,
            uncommitted_llsn_offset=stream.last_llsn + 1,
            version=stream.version,
            high_watermark=stream.topic.last_glsn,
        )
        reports = mrpb_pb2.LogStreamUncommitReports(
            replicas={STORAGE_NODE_ID: report}, status=self._describer.log_stream(stream).status
        )
        return mrpb_pb2.GetReportsResponse(reports=reports)


def _fill_commit(result: snpb_pb2.LogStreamCommitResult, stream: LogStream) -> None:
    count = stream.last_commit_count
    result.topic_id = stream.topic.topic_id
    result.log_stream_id = stream.log_stream_id
    result.committed_llsn_offset = stream.last_llsn + 1 - count
    result.committed_glsn_offset = stream.last_glsn + 1 - count
    result.committed_glsn_length = count


def _instead(method: str) -> Callable[[Message], Awaitable[Empty]]:
    async def refuse(_request: Message) -> NoReturn:
        raise status.not_served(f"{_ADMIN}/{method}")

    return refuse


async def _no_peers(_request: Message) -> NoReturn:
    raise status.one_node_only("it takes no further metadata repositories")
