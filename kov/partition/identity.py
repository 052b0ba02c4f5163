"""Who a partition is, who writes it, within which bounds: the small values in control entries. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from kov.pb import control_pb2

DEFAULT_MAX_PRODUCERS: Final = 10_000
DEFAULT_EXPIRATION_MS: Final = 86_400_000  # Kafka's producer.id.expiration.ms: a day


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionIdentity:
    cluster_id: int
    topic_uuid: UUID
    index: int

    def __str__(self) -> str:
        return f"partition {self.index} of topic {self.topic_uuid} in cluster {self.cluster_id}"

    def message(self) -> control_pb2.PartitionIdentity:
        return control_pb2.PartitionIdentity(
            cluster_id=self.cluster_id, topic_uuid=self.topic_uuid.bytes, index=self.index
        )


def identity_of(message: control_pb2.PartitionIdentity) -> PartitionIdentity:
    padded = message.topic_uuid.ljust(16, b"\0")[:16]
    return PartitionIdentity(
        cluster_id=message.cluster_id, topic_uuid=UUID(bytes=padded), index=message.index
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterIdentity:
    """A kov node: its id and, per listener, the address it advertises as "host:port"."""

    node_id: int
    addresses: Mapping[str, str] = field(default_factory=dict)


NOBODY: Final = WriterIdentity(node_id=-1)
"""Writes no batches: it fences so that nobody else goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterStamp:
    """The writer of one fence. `attempt_id` is new for every attempt, so that an own one is recognised."""

    attempt_id: bytes
    node: WriterIdentity

    def message(self) -> control_pb2.Writer:
        return control_pb2.Writer(
            attempt_id=self.attempt_id, node_id=self.node.node_id, addresses=dict(self.node.addresses)
        )


def writer_of(message: control_pb2.Writer) -> WriterStamp:
    node = WriterIdentity(node_id=message.node_id, addresses=dict(message.addresses))
    return WriterStamp(attempt_id=message.attempt_id, node=node)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProducerBounds:
    """How many producers a partition remembers and for how long after their last batch."""

    max_producers: int = DEFAULT_MAX_PRODUCERS
    expiration_ms: int = DEFAULT_EXPIRATION_MS

    def message(self) -> control_pb2.ProducerBounds:
        return control_pb2.ProducerBounds(max_producers=self.max_producers, expiration_ms=self.expiration_ms)

    @classmethod
    def parse(cls, message: control_pb2.ProducerBounds) -> ProducerBounds:
        return cls(max_producers=message.max_producers, expiration_ms=message.expiration_ms)
