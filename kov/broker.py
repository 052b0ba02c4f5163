"""What the handlers know of the world: nodes, topics, partitions, and which node leads what."""

from __future__ import annotations

import struct
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final
from uuid import UUID, uuid5

from kov.partition.partition import Partition
from kov.partition.table import PartitionTable
from kov.topic_admin import TopicAdmin
from kov.topic_table import Topics
from kov.topics import Topic
from varlog_client.types import ClusterId

__all__ = ["Broker", "Node", "Topics", "kafka_cluster_id", "rendezvous"]

_CLUSTER_NAMESPACE: Final = UUID("b0b5a9a2-7a53-5f6f-8d5e-6b6f76636c75")
_RENDEZVOUS: Final = struct.Struct(">i16sii")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node as clients of one listener are told to reach it."""

    node_id: int
    host: str
    port: int
    rack: str | None = None


class Broker:
    """One per process; everything here answers at once and changes only through `topics`."""

    def __init__(
        self,
        *,
        cluster_id: ClusterId,
        node_id: int,
        nodes: Mapping[str, Sequence[Node]],
        topics: Topics,
        partitions: PartitionTable,
        admin: TopicAdmin | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """`nodes`: for every listener name all nodes, this one among them.

        `settings`: what DescribeConfigs says of this node, beside the defaults of topics.
        """
        self.node_id = node_id
        self.cluster_id = kafka_cluster_id(cluster_id)
        self.topics = topics
        self.admin = admin or TopicAdmin(
            topics, source="the mapping file", why_not="there is no catalog to keep it in"
        )
        self.settings: Mapping[str, str] = settings or {}
        self._varlog_cluster_id = cluster_id
        self._nodes = {name: tuple(each) for name, each in nodes.items()}
        self._node_ids = sorted({node.node_id for each in self._nodes.values() for node in each})
        self._partitions = partitions

    def nodes(self, listener: str) -> Sequence[Node]:
        """Every node with its advertised address for that listener."""
        return self._nodes[listener]

    def leader_of(self, topic: Topic, index: int) -> int:
        """The node that should write the partition. Any node may; this only avoids quarrels."""
        if len(self._node_ids) == 1:
            return self._node_ids[0]
        return rendezvous(self._varlog_cluster_id, topic.uuid, index, self._node_ids)

    def partition(self, topic: Topic, index: int) -> Partition:
        """Opens nothing. `index` must be one of the topic's."""
        return self._partitions.get(topic, index)

    async def stored_bytes(self, topic: Topic, index: int) -> int:
        """What a replica of the partition takes on disk. Asks storage; raises `KafkaError`."""
        return await self._partitions.size(topic, index)

    def known_partition(self, topic: Topic, index: int) -> Partition | None:
        """The partition if anybody has asked for it before: to describe thousands makes none."""
        return self._partitions.known(topic, index)


def rendezvous(cluster_id: int, topic_uuid: UUID, index: int, node_ids: Sequence[int]) -> int:
    """The node with the highest hash; all nodes agree, and a node that leaves moves only its own partitions.

    The hash is BLAKE2b with an 8-byte digest, read as a big-endian number, over cluster id (4 bytes), topic
    uuid (16), partition index (4) and node id (4), all big-endian. Of equal hashes the lower node id wins.
    """

    def weight(node_id: int) -> tuple[bytes, int]:
        seed = _RENDEZVOUS.pack(cluster_id, topic_uuid.bytes, index, node_id)
        return blake2b(seed, digest_size=8).digest(), -node_id

    return max(node_ids, key=weight)


def kafka_cluster_id(cluster_id: int) -> str:
    """Kafka's form, 22 characters for 16 bytes, derived from the Varlog cluster's id."""
    derived = uuid5(_CLUSTER_NAMESPACE, str(cluster_id))
    return urlsafe_b64encode(derived.bytes).rstrip(b"=").decode()
