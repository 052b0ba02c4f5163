"""From a request's topic and partition index to the `Partition`, or to Kafka's answer for why not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID

from kio.schema.errors import ErrorCode

from kov.address import Address
from kov.errors import FencedEpoch, KafkaError, Leader, NotLeader
from kov.handlers.base import Context
from kov.topics import Topic, invalid_name

if TYPE_CHECKING:
    from kov.partition.partition import Partition


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaderIdAndEpoch:
    leader_id: int = -1
    leader_epoch: int = -1


NO_LEADER: Final = LeaderIdAndEpoch()
_ALWAYS_BY_ID: Final = {0: 13, 1: 13}  # since these versions Produce and Fetch name no topics
_NEVER: Final = 2**15
_NO_ID: Final = UUID(int=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeEndpoint:
    node_id: int
    host: str
    port: int
    rack: str | None = None


def find_topic(context: Context, name: str | None, topic_id: UUID | None) -> Topic:
    """By id if there is one, else by name. Raises `KafkaError`: 100 for the id, 3 for the name."""
    topics = context.broker.topics
    if topic_id is not None or context.api_version >= _ALWAYS_BY_ID.get(context.api_key, _NEVER):
        topic = topics.by_uuid(topic_id or _NO_ID)
        if topic is None:
            raise KafkaError(ErrorCode.unknown_topic_id, f"there is no topic with the id {topic_id}")
        return topic
    topic = topics.get(name) if name else None
    if topic is None:
        raise KafkaError(ErrorCode.unknown_topic_or_partition, f"there is no topic {name!r}")
    return topic


def find_named(context: Context, name: str) -> Topic:
    """By a name that a topic can have. Raises `KafkaError`: 17 for one that can't be a topic's, else 3."""
    if reason := invalid_name(name):
        raise KafkaError(ErrorCode.invalid_topic_exception, reason)
    return find_topic(context, name, None)


def check_index(topic: Topic, index: int) -> None:
    """Raises `KafkaError` 3 for an index out of range."""
    if not 0 <= index < len(topic.log_streams):
        raise KafkaError(
            ErrorCode.unknown_topic_or_partition,
            f"topic {topic.name!r} has {len(topic.log_streams)} partitions, there is no {index}",
        )


def find_partition(context: Context, topic: Topic, index: int) -> Partition:
    """Raises `KafkaError`: 3 for an index out of range, 6 (`NotLeader`) where another node is to be asked."""
    check_index(topic, index)
    broker = context.broker
    leader = broker.leader_of(topic, index)
    if leader != broker.node_id:
        raise NotLeader(f"node {leader} leads {topic.name}/{index}", _leader(context, leader, -1))
    return broker.partition(topic, index)


def leadership(context: Context, topic: Topic, index: int) -> tuple[int, int]:
    """The listed node to send to and its epoch, as far as both are known here; -1 for an epoch that isn't."""
    broker = context.broker
    leader_id, epoch = broker.leader_of(topic, index), 0
    partition = broker.known_partition(topic, index) if leader_id == broker.node_id else None
    if partition is not None:
        epoch, leader = partition.epoch, partition.leader
        if leader is not None and leader.node_id in {n.node_id for n in broker.nodes(context.listener)}:
            leader_id, epoch = leader.node_id, leader.epoch
    return leader_id, epoch if epoch > 0 else -1


def _leader(context: Context, node_id: int, epoch: int) -> Leader | None:
    for node in context.broker.nodes(context.listener):
        if node.node_id == node_id:
            address = str(Address(node.host, node.port))
            return Leader(node_id=node_id, epoch=epoch, addresses={context.listener: address})
    return None


def this_leader(context: Context, partition: Partition) -> Leader:
    """This node as the leader of `partition`."""
    node_id, epoch = context.broker.node_id, partition.epoch
    found = _leader(context, node_id, epoch)
    return found if found is not None else Leader(node_id=node_id, epoch=epoch, addresses={})


def check_epoch(context: Context, partition: Partition, current_leader_epoch: int) -> None:
    """Raises `KafkaError` 74 or 75 where the client knows an older or a newer epoch than we do.

    A client that sends none (-1) is not checked, nor is any while the partition's epoch isn't known here.
    """
    epoch = partition.epoch
    if current_leader_epoch < 0 or epoch <= 0 or current_leader_epoch == epoch:
        return
    if current_leader_epoch < epoch:
        text = f"the leader epoch is {epoch}, not {current_leader_epoch}"
        raise FencedEpoch(text, this_leader(context, partition))
    raise KafkaError(
        ErrorCode.unknown_leader_epoch, f"the leader epoch {current_leader_epoch} is not known, only {epoch}"
    )


def current_leader(error: KafkaError) -> LeaderIdAndEpoch:
    """The hint of KIP-951 that goes with an error; ids of -1 where there is none."""
    if isinstance(error, NotLeader | FencedEpoch) and error.leader is not None:
        return LeaderIdAndEpoch(leader_id=error.leader.node_id, leader_epoch=error.leader.epoch)
    return NO_LEADER


def endpoints(context: Context, errors: Iterable[KafkaError]) -> tuple[NodeEndpoint, ...]:
    """Where the leaders named by `errors` can be reached from this listener, each once."""
    found: dict[int, NodeEndpoint] = {}
    for error in errors:
        leader = error.leader if isinstance(error, NotLeader | FencedEpoch) else None
        address = leader.address(context.listener) if leader is not None else None
        if leader is not None and address is not None:
            host, port = address
            found[leader.node_id] = NodeEndpoint(node_id=leader.node_id, host=host, port=port)
    return tuple(found.values())
