"""Varlog's messages → this package's values. Nothing here waits or fails."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from varlog_client.admin_types import (
    MetadataRepositoryNode,
    MetadataRepositoryNodeId,
    Storage,
    SyncState,
    SyncStatus,
    WatchedStorageNode,
)
from varlog_client.pb import admpb_pb2, snpb_pb2, varlogpb_pb2
from varlog_client.types import (
    GLSN,
    LLSN,
    ClusterMetadata,
    LogStream,
    LogStreamId,
    LogStreamStatus,
    Replica,
    ReplicaState,
    SequenceNumber,
    StorageNode,
    StorageNodeId,
    Topic,
    TopicId,
    TrimResult,
)

_ZERO_TIME_S = -62135596800  # what Go writes for no time


def log_stream(message: varlogpb_pb2.LogStreamDescriptor) -> LogStream:
    return LogStream(
        topic_id=TopicId(message.topic_id),
        log_stream_id=LogStreamId(message.log_stream_id),
        status=LogStreamStatus(message.status),
        replicas=tuple(
            Replica(
                storage_node_id=StorageNodeId(replica.storage_node_id),
                storage_node_path=replica.storage_node_path,
                data_path=replica.data_path,
            )
            for replica in message.replicas
        ),
    )


def topic(message: varlogpb_pb2.TopicDescriptor) -> Topic:
    return Topic(
        topic_id=TopicId(message.topic_id),
        deleted=message.status == varlogpb_pb2.TOPIC_STATUS_DELETED,
        log_streams=tuple(LogStreamId(stream) for stream in message.log_streams),
    )


def storage_node(message: varlogpb_pb2.StorageNodeDescriptor) -> StorageNode:
    return StorageNode(
        storage_node_id=StorageNodeId(message.storage_node.storage_node_id),
        address=message.storage_node.address,
        paths=tuple(message.paths),
    )


def watched_storage_node(message: admpb_pb2.StorageNodeMetadata) -> WatchedStorageNode:
    """As the admin server reports it; `paths` is empty until its first heartbeat."""
    node = message.storage_node
    return WatchedStorageNode(
        storage_node_id=StorageNodeId(node.storage_node.storage_node_id),
        address=node.storage_node.address,
        paths=tuple(each.path for each in node.storages),
        storages=tuple(
            Storage(path=each.path, used_bytes=each.used, total_bytes=each.total) for each in node.storages
        ),
        replicas=tuple(replica_state(each) for each in node.log_stream_replicas),
        registered_at=_time(message.create_time),
        started_at=_time(node.start_time),
        last_heartbeat_at=_time(message.last_heartbeat_time),
    )


def _time(message: Timestamp) -> datetime | None:
    if message.seconds in {0, _ZERO_TIME_S}:
        return None
    return message.ToDatetime(tzinfo=UTC)


def metadata_repository_node(message: varlogpb_pb2.MetadataRepositoryNode) -> MetadataRepositoryNode:
    return MetadataRepositoryNode(
        node_id=MetadataRepositoryNodeId(message.node_id),
        raft_url=message.raft_url,
        rpc_address=message.rpc_addr,
        leader=message.leader,
        learner=message.learner,
    )


def sync_status(message: snpb_pb2.SyncStatus) -> SyncStatus:
    return SyncStatus(
        state=SyncState(message.state),
        first=LLSN(message.first.llsn),
        last=LLSN(message.last.llsn),
        current=LLSN(message.current.llsn),
    )


def trim_result(message: admpb_pb2.TrimResult) -> TrimResult:
    return TrimResult(
        storage_node_id=StorageNodeId(message.storage_node_id),
        log_stream_id=LogStreamId(message.log_stream_id),
        error=message.error,
    )


def cluster_metadata(message: varlogpb_pb2.MetadataDescriptor) -> ClusterMetadata:
    nodes = [storage_node(node) for node in message.storage_nodes]
    topics = [topic(each) for each in message.topics]
    streams = [log_stream(each) for each in message.log_streams]
    return ClusterMetadata(
        version=message.applied_index,
        storage_nodes={node.storage_node_id: node for node in nodes},
        topics={each.topic_id: each for each in topics},
        log_streams={each.log_stream_id: each for each in streams},
    )


def sequence_number(message: varlogpb_pb2.LogSequenceNumber) -> SequenceNumber:
    return SequenceNumber(LLSN(message.llsn), GLSN(message.glsn))


def replica_state(message: snpb_pb2.LogStreamReplicaMetadataDescriptor) -> ReplicaState:
    replica = message.log_stream_replica
    return ReplicaState(
        storage_node_id=StorageNodeId(replica.storage_node.storage_node_id),
        topic_id=TopicId(replica.topic_log_stream.topic_id),
        log_stream_id=LogStreamId(replica.topic_log_stream.log_stream_id),
        status=LogStreamStatus(message.status),
        version=message.version,
        global_high_watermark=GLSN(message.global_high_watermark),
        low_watermark=sequence_number(message.local_low_watermark),
        high_watermark=sequence_number(message.local_high_watermark),
        path=message.path,
        size_bytes=message.storage_size_bytes,
    )
