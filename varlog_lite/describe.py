"""The server's state in Varlog's own descriptors, shared by all services."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass

from google.protobuf.timestamp_pb2 import Timestamp

from varlog_client.pb import admpb_pb2, snpb_pb2, varlogpb_pb2
from varlog_lite.cluster import Cluster
from varlog_lite.streams import NOWHERE, LogStream, Position, Topic

STORAGE_NODE_ID = 1

_ZERO_TIME = Timestamp(seconds=-62135596800)
"""Go's zero time, as a real server sends it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who this server says it is: one metadata repository, one storage node, one address."""

    cluster_id: int
    address: str

    @property
    def raft_url(self) -> str:
        return f"http://{self.address}"

    @property
    def node_id(self) -> int:
        """As Varlog makes it of a Raft URL: the IPv4 octets, then the port."""
        return node_id_of(self.raft_url)


def node_id_of(raft_url: str) -> int:
    """Where the host is no IPv4 address, it counts as 127.0.0.1."""
    host, _, port = raft_url.removeprefix("http://").rpartition(":")
    octets = host.split(".")
    if len(octets) != 4 or not all(octet.isdecimal() and int(octet) < 256 for octet in octets):
        octets = ["127", "0", "0", "1"]
    number = int(port) & 0xFFFF if port.isdecimal() else 0
    return int.from_bytes(bytes(map(int, octets)), "big") << 32 | number << 16


class Describer:
    def __init__(self, cluster: Cluster, identity: Identity) -> None:
        self._cluster = cluster
        self.identity = identity
        self._path = str(cluster.store.path)
        self._started_ns = time.time_ns()

    def metadata(self) -> varlogpb_pb2.MetadataDescriptor:
        """Everything sorted by id: Go clients search by halves."""
        cluster = self._cluster
        return varlogpb_pb2.MetadataDescriptor(
            applied_index=cluster.record.applied_index,
            storage_nodes=[
                varlogpb_pb2.StorageNodeDescriptor(
                    storage_node=self.storage_node(),
                    paths=[self._path],
                    create_time=Timestamp(seconds=cluster.record.created_at),
                )
            ],
            log_streams=[self.log_stream(stream) for stream in cluster.registered()],
            topics=self.topics(),
        )

    def topics(self) -> list[varlogpb_pb2.TopicDescriptor]:
        return [self.topic(topic) for _, topic in sorted(self._cluster.topics.items())]

    def topic(self, topic: Topic) -> varlogpb_pb2.TopicDescriptor:
        return varlogpb_pb2.TopicDescriptor(topic_id=topic.topic_id, log_streams=topic.log_streams)

    def log_stream(self, stream: LogStream) -> varlogpb_pb2.LogStreamDescriptor:
        return varlogpb_pb2.LogStreamDescriptor(
            topic_id=stream.topic.topic_id,
            log_stream_id=stream.log_stream_id,
            status=_status(stream),
            replicas=[self._replica_descriptor(stream)],
        )

    def storage_node(self) -> varlogpb_pb2.StorageNode:
        return varlogpb_pb2.StorageNode(storage_node_id=STORAGE_NODE_ID, address=self.identity.address)

    def replicas(self, streams: Iterable[LogStream]) -> list[snpb_pb2.LogStreamReplicaMetadataDescriptor]:
        """What the storage node says of its replicas. Reads from disk."""
        used = self._cluster.store.used_bytes()
        return [self._replica(stream, used) for stream in streams]

    def sealed_replica(self, stream: LogStream) -> snpb_pb2.LogStreamReplicaMetadataDescriptor:
        """The short form in which the admin answers a seal: of the watermarks, only the last GLSN."""
        return snpb_pb2.LogStreamReplicaMetadataDescriptor(
            log_stream_replica=_replica_ids(stream),
            status=_status(stream),
            local_low_watermark=varlogpb_pb2.LogSequenceNumber(),
            local_high_watermark=varlogpb_pb2.LogSequenceNumber(glsn=stream.last_glsn),
            path=self._path,
            created_time=_ZERO_TIME,
            updated_time=_ZERO_TIME,
        )

    def node_metadata(self, held: list[LogStream]) -> snpb_pb2.StorageNodeMetadataDescriptor:
        """Reads from disk; `held` is `Cluster.held()`."""
        disk = os.statvfs(self._path)
        return snpb_pb2.StorageNodeMetadataDescriptor(
            cluster_id=self.identity.cluster_id,
            storage_node=self.storage_node(),
            storages=[
                varlogpb_pb2.StorageDescriptor(
                    path=self._path,
                    used=(disk.f_blocks - disk.f_bfree) * disk.f_frsize,
                    total=disk.f_blocks * disk.f_frsize,
                )
            ],
            log_stream_replicas=self.replicas(held),
            start_time=_timestamp(self._started_ns),
        )

    def admin_node_metadata(self, held: list[LogStream]) -> admpb_pb2.StorageNodeMetadata:
        """Reads from disk; `held` is `Cluster.held()`."""
        return admpb_pb2.StorageNodeMetadata(
            storage_node=self.node_metadata(held),
            create_time=Timestamp(seconds=self._cluster.record.created_at),
            last_heartbeat_time=_timestamp(time.time_ns()),
        )

    def metadata_repository(self) -> varlogpb_pb2.MetadataRepositoryNode:
        identity = self.identity
        return varlogpb_pb2.MetadataRepositoryNode(
            node_id=identity.node_id, raft_url=identity.raft_url, rpc_addr=identity.address, leader=True
        )

    def _replica_descriptor(self, stream: LogStream) -> varlogpb_pb2.ReplicaDescriptor:
        return varlogpb_pb2.ReplicaDescriptor(
            storage_node_id=STORAGE_NODE_ID,
            storage_node_path=self._path,
            data_path=self._data_path(stream),
        )

    def _replica(self, stream: LogStream, used: int) -> snpb_pb2.LogStreamReplicaMetadataDescriptor:
        # The first is looked up before the last is read: entries may come, and then both are right.
        first = self._cluster.first(stream)
        last = stream.last if first != NOWHERE else NOWHERE
        return snpb_pb2.LogStreamReplicaMetadataDescriptor(
            log_stream_replica=_replica_ids(stream),
            status=_status(stream),
            version=stream.version,
            global_high_watermark=stream.topic.last_glsn,
            local_low_watermark=_position(first),
            local_high_watermark=_position(last),
            path=self._data_path(stream),
            storage_size_bytes=used,
            created_time=_timestamp(stream.created_ns),
            updated_time=_ZERO_TIME,
        )

    def _data_path(self, stream: LogStream) -> str:
        return f"{self._path}/tpid_{stream.topic.topic_id}_lsid_{stream.log_stream_id}"


def _replica_ids(stream: LogStream) -> varlogpb_pb2.LogStreamReplica:
    """Without an address, as in a storage node's own answers."""
    return varlogpb_pb2.LogStreamReplica(
        storage_node=varlogpb_pb2.StorageNode(storage_node_id=STORAGE_NODE_ID),
        topic_log_stream=varlogpb_pb2.TopicLogStream(
            topic_id=stream.topic.topic_id, log_stream_id=stream.log_stream_id
        ),
    )


def _status(stream: LogStream) -> varlogpb_pb2.LogStreamStatus.ValueType:
    return varlogpb_pb2.LogStreamStatus.ValueType(stream.status)


def _position(position: Position) -> varlogpb_pb2.LogSequenceNumber:
    return varlogpb_pb2.LogSequenceNumber(llsn=position.llsn, glsn=position.glsn)


def _timestamp(nanoseconds: int) -> Timestamp:
    seconds, nanos = divmod(nanoseconds, 1_000_000_000)
    return Timestamp(seconds=seconds, nanos=nanos)
