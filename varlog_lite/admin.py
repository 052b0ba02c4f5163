"""`varlog.admpb.ClusterManager`: topics and log streams are made, sealed, trimmed and removed here.

Answers and refusals are those of the real admin server, also where its choice of a status is odd. What
needs a second node is refused, plainly. AddLogStream returns at once: there is nobody to wait for.
"""

from __future__ import annotations

import asyncio

import grpc
from google.protobuf.empty_pb2 import Empty

from varlog_client.pb import admpb_pb2, varlogpb_pb2
from varlog_lite import rpc, status
from varlog_lite.cluster import Cluster
from varlog_lite.describe import STORAGE_NODE_ID, Describer, node_id_of
from varlog_lite.streams import Topic

pb = admpb_pb2


class ClusterManager:
    def __init__(self, cluster: Cluster, describer: Describer) -> None:
        self._cluster = cluster
        self._describer = describer

    def handler(self) -> grpc.GenericRpcHandler:
        methods = {
            "GetStorageNode": rpc.unary(pb.GetStorageNodeRequest, self._get_storage_node),
            "ListStorageNodes": rpc.unary(pb.ListStorageNodesRequest, self._list_storage_nodes),
            "AddStorageNode": rpc.unary(pb.AddStorageNodeRequest, self._add_storage_node),
            "UnregisterStorageNode": rpc.unary(
                pb.UnregisterStorageNodeRequest, self._unregister_storage_node
            ),
            "GetTopic": rpc.unary(pb.GetTopicRequest, self._get_topic),
            "DescribeTopic": rpc.unary(pb.DescribeTopicRequest, self._describe_topic),
            "ListTopics": rpc.unary(pb.ListTopicsRequest, self._list_topics),
            "AddTopic": rpc.unary(pb.AddTopicRequest, self._add_topic),
            "UnregisterTopic": rpc.unary(pb.UnregisterTopicRequest, self._unregister_topic),
            "GetLogStream": rpc.unary(pb.GetLogStreamRequest, self._get_log_stream),
            "ListLogStreams": rpc.unary(pb.ListLogStreamsRequest, self._list_log_streams),
            "AddLogStream": rpc.unary(pb.AddLogStreamRequest, self._add_log_stream),
            "UpdateLogStream": rpc.unary(pb.UpdateLogStreamRequest, self._update_log_stream),
            "UnregisterLogStream": rpc.unary(pb.UnregisterLogStreamRequest, self._unregister_log_stream),
            "RemoveLogStreamReplica": rpc.unary(pb.RemoveLogStreamReplicaRequest, self._remove_replica),
            "Seal": rpc.unary(pb.SealRequest, self._seal),
            "Unseal": rpc.unary(pb.UnsealRequest, self._unseal),
            "Sync": rpc.unary(pb.SyncRequest, self._sync),
            "Trim": rpc.unary(pb.TrimRequest, self._trim),
            "GetMetadataRepositoryNode": rpc.unary(pb.GetMetadataRepositoryNodeRequest, self._get_repository),
            "ListMetadataRepositoryNodes": rpc.unary(
                pb.ListMetadataRepositoryNodesRequest, self._list_repositories
            ),
            "GetMRMembers": rpc.unary(Empty, self._get_members),
            "AddMetadataRepositoryNode": rpc.unary(pb.AddMetadataRepositoryNodeRequest, self._add_repository),
            "AddMRPeer": rpc.unary(pb.AddMRPeerRequest, self._add_peer),
            "DeleteMetadataRepositoryNode": rpc.unary(
                pb.DeleteMetadataRepositoryNodeRequest, self._delete_repository
            ),
            "RemoveMRPeer": rpc.unary(pb.RemoveMRPeerRequest, self._remove_peer),
        }
        return grpc.method_handlers_generic_handler("varlog.admpb.ClusterManager", methods)

    # Storage nodes

    async def _get_storage_node(self, request: pb.GetStorageNodeRequest) -> pb.GetStorageNodeResponse:
        if request.storage_node_id != STORAGE_NODE_ID:
            raise status.get_storage_node_unknown(request.storage_node_id)
        return pb.GetStorageNodeResponse(storage_node=await self._node())

    async def _list_storage_nodes(self, _request: pb.ListStorageNodesRequest) -> pb.ListStorageNodesResponse:
        return pb.ListStorageNodesResponse(storage_nodes=[await self._node()])

    async def _add_storage_node(self, request: pb.AddStorageNodeRequest) -> pb.AddStorageNodeResponse:
        """Adding the one there is again is fine, as with the real admin."""
        asked, own = request.storage_node, self._describer.storage_node()
        if asked == own:
            return pb.AddStorageNodeResponse(storage_node=await self._node())
        if asked.storage_node_id == own.storage_node_id or asked.address == own.address:
            raise status.storage_node_exists(own.storage_node_id, own.address)
        raise status.one_node_only("it takes no further storage nodes")

    async def _unregister_storage_node(
        self, request: pb.UnregisterStorageNodeRequest
    ) -> pb.UnregisterStorageNodeResponse:
        """One that isn't there is fine, as with the real admin."""
        if request.storage_node_id == STORAGE_NODE_ID:
            idle = not self._cluster.registered()
            raise status.storage_node_needed() if idle else status.storage_node_not_idle(self._replica())
        return pb.UnregisterStorageNodeResponse()

    async def _node(self) -> pb.StorageNodeMetadata:
        return await asyncio.to_thread(self._describer.admin_node_metadata, self._cluster.held())

    def _replica(self) -> str:
        """One of the replicas held, in the text form of Go's messages."""
        (replica,) = self._describer.log_stream(self._cluster.registered()[0]).replicas
        return (
            f'storage_node_id:{replica.storage_node_id} storage_node_path:"{replica.storage_node_path}" '
            f'data_path:"{replica.data_path}" '
        )

    # Topics

    async def _get_topic(self, request: pb.GetTopicRequest) -> pb.GetTopicResponse:
        topic = self._cluster.topics.get(request.topic_id)
        if topic is None:
            raise status.get_topic_unknown(request.topic_id)
        return pb.GetTopicResponse(topic=self._describer.topic(topic))

    async def _describe_topic(self, request: pb.DescribeTopicRequest) -> pb.DescribeTopicResponse:
        topic = self._cluster.topics.get(request.topic_id)
        if topic is None:
            raise status.describe_topic_unknown(request.topic_id)
        return pb.DescribeTopicResponse(
            topic=self._describer.topic(topic), log_streams=self._log_streams_of(topic)
        )

    async def _list_topics(self, _request: pb.ListTopicsRequest) -> pb.ListTopicsResponse:
        return pb.ListTopicsResponse(topics=self._describer.topics())

    async def _add_topic(self, _request: pb.AddTopicRequest) -> pb.AddTopicResponse:
        topic = await self._cluster.add_topic()
        return pb.AddTopicResponse(topic=self._describer.topic(topic))

    async def _unregister_topic(self, request: pb.UnregisterTopicRequest) -> pb.UnregisterTopicResponse:
        await self._cluster.unregister_topic(request.topic_id)
        return pb.UnregisterTopicResponse()

    async def _trim(self, request: pb.TrimRequest) -> pb.TrimResponse:
        if request.topic_id not in self._cluster.topics:
            raise status.trim_unknown_topic(request.topic_id)
        errors = await self._cluster.trim(request.topic_id, request.last_glsn)
        return pb.TrimResponse(
            results=[
                pb.TrimResult(storage_node_id=STORAGE_NODE_ID, log_stream_id=log_stream_id, error=error)
                for log_stream_id, error in errors.items()
            ]
        )

    def _log_streams_of(self, topic: Topic) -> list[varlogpb_pb2.LogStreamDescriptor]:
        streams = self._cluster.registered(topic.topic_id)
        return [self._describer.log_stream(stream) for stream in streams]

    # Log streams

    async def _get_log_stream(self, request: pb.GetLogStreamRequest) -> pb.GetLogStreamResponse:
        topic_id, log_stream_id = request.topic_id, request.log_stream_id
        if topic_id not in self._cluster.topics:
            raise status.topic_of_log_stream_unknown("get log stream", topic_id)
        stream = self._cluster.find_registered(topic_id, log_stream_id)
        if stream is None:
            raise status.get_log_stream_unknown(topic_id, log_stream_id)
        return pb.GetLogStreamResponse(log_stream=self._describer.log_stream(stream))

    async def _list_log_streams(self, request: pb.ListLogStreamsRequest) -> pb.ListLogStreamsResponse:
        topic = self._cluster.topics.get(request.topic_id)
        if topic is None:
            raise status.topic_of_log_stream_unknown("list log streams", request.topic_id)
        return pb.ListLogStreamsResponse(log_streams=self._log_streams_of(topic))

    async def _add_log_stream(self, request: pb.AddLogStreamRequest) -> pb.AddLogStreamResponse:
        self._check_replicas(request)
        stream = await self._cluster.add_log_stream(request.topic_id)
        return pb.AddLogStreamResponse(log_stream=self._describer.log_stream(stream))

    def _check_replicas(self, request: pb.AddLogStreamRequest) -> None:
        if not request.replicas:
            return
        if len(request.replicas) != 1:
            raise status.add_log_stream_wrong_replicas(len(request.replicas))
        (replica,) = request.replicas
        if replica.storage_node_id != STORAGE_NODE_ID:
            raise status.add_log_stream_unknown_node(replica.storage_node_id)
        if replica.storage_node_path != str(self._cluster.store.path):
            number = self._cluster.record.next_log_stream
            directory = f"{replica.storage_node_path}/tpid_{request.topic_id}_lsid_{number}"
            raise status.add_log_stream_wrong_path(directory)

    async def _update_log_stream(self, request: pb.UpdateLogStreamRequest) -> pb.UpdateLogStreamResponse:
        if request.popped_replica.storage_node_id == request.pushed_replica.storage_node_id:
            raise status.update_same_replica()
        if self._cluster.find_registered(request.topic_id, request.log_stream_id) is None:
            raise status.update_unknown(request.log_stream_id)
        raise status.one_node_only("there is no other storage node to move a replica to")

    async def _unregister_log_stream(
        self, request: pb.UnregisterLogStreamRequest
    ) -> pb.UnregisterLogStreamResponse:
        await self._cluster.unregister_log_stream(request.topic_id, request.log_stream_id)
        return pb.UnregisterLogStreamResponse()

    async def _remove_replica(
        self, request: pb.RemoveLogStreamReplicaRequest
    ) -> pb.RemoveLogStreamReplicaResponse:
        if request.storage_node_id != STORAGE_NODE_ID:
            raise status.remove_replica_unknown_node()
        await self._cluster.remove_replica(request.topic_id, request.log_stream_id)
        return pb.RemoveLogStreamReplicaResponse()

    async def _seal(self, request: pb.SealRequest) -> pb.SealResponse:
        stream = await self._cluster.seal(request.topic_id, request.log_stream_id)
        return pb.SealResponse(
            log_streams=[self._describer.sealed_replica(stream)], sealed_glsn=stream.last_glsn
        )

    async def _unseal(self, request: pb.UnsealRequest) -> pb.UnsealResponse:
        stream = await self._cluster.unseal(request.topic_id, request.log_stream_id)
        return pb.UnsealResponse(log_stream=self._describer.log_stream(stream))

    async def _sync(self, request: pb.SyncRequest) -> pb.SyncResponse:
        if self._cluster.find_registered(request.topic_id, request.log_stream_id) is None:
            raise status.log_stream_unknown(request.log_stream_id)
        raise status.one_node_only("there is no other replica to copy to")

    # Metadata repositories

    async def _get_repository(
        self, request: pb.GetMetadataRepositoryNodeRequest
    ) -> pb.GetMetadataRepositoryNodeResponse:
        if request.node_id != self._describer.identity.node_id:
            raise status.metadata_repository_unknown()
        return pb.GetMetadataRepositoryNodeResponse(node=self._describer.metadata_repository())

    async def _list_repositories(
        self, _request: pb.ListMetadataRepositoryNodesRequest
    ) -> pb.ListMetadataRepositoryNodesResponse:
        return pb.ListMetadataRepositoryNodesResponse(nodes=[self._describer.metadata_repository()])

    async def _get_members(self, _request: Empty) -> pb.GetMRMembersResponse:
        identity = self._describer.identity
        return pb.GetMRMembersResponse(
            leader=identity.node_id,
            replication_factor=1,
            members={identity.node_id: identity.raft_url},
        )

    async def _add_repository(
        self, _request: pb.AddMetadataRepositoryNodeRequest
    ) -> pb.AddMetadataRepositoryNodeResponse:
        raise status.one_node_only("it takes no further metadata repositories")

    async def _add_peer(self, _request: pb.AddMRPeerRequest) -> pb.AddMRPeerResponse:
        raise status.one_node_only("it takes no further metadata repositories")

    async def _delete_repository(
        self, request: pb.DeleteMetadataRepositoryNodeRequest
    ) -> pb.DeleteMetadataRepositoryNodeResponse:
        if request.node_id != self._describer.identity.node_id:
            raise status.metadata_repository_node_unknown(request.node_id)
        raise status.one_node_only("it needs its only metadata repository")

    async def _remove_peer(self, request: pb.RemoveMRPeerRequest) -> pb.RemoveMRPeerResponse:
        node_id = node_id_of(request.raft_url)
        if node_id != self._describer.identity.node_id:
            raise status.metadata_repository_peer_unknown(node_id)
        raise status.one_node_only("it needs its only metadata repository")
