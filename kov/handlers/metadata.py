"""Metadata (key 3), v0-v13: the nodes, the topics, and which node to send to.

v1 null asks for all topics (in v0 the empty list does) · v2 cluster id · v4 allow_auto_topic_creation (before
it, asking creates) · v5 offline replicas · v7 leader epoch · v8 authorized operations · v9 flexible
· v10 topic ids in the answer · v11 cluster operations gone · v12 topics asked for by id · v13 an error code
for the whole.

A partition that another node turned out to write is led by that one, which is listed too where it said how
it is reached, also if it isn't one of the nodes of the mapping file: clients look for leaders in the list.

A topic that doesn't exist: 17 for a name that Kafka would refuse; 5 while it is being created, so that the
client asks again until it can be produced to; else 3; 100 for an id. The leader epoch is -1 while it isn't
known here, for clients take an epoch lower than one they saw for stale news.

Differs: every node is a controller, so the one that answers names itself. A partition has one replica in
Kafka's sense, its leader: how often Varlog stores it is Varlog's business.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, TypeAlias
from uuid import UUID

from kio.schema.errors import ErrorCode

from kov.errors import KafkaError, Leader
from kov.handlers.authorized import CLUSTER_OPERATIONS, NOT_ASKED, TOPIC_OPERATIONS
from kov.handlers.base import Context, api
from kov.handlers.lookup import find_topic
from kov.topics import Topic, invalid_name

_FIRST_VERSION_WITH_IDS_ASKED: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataRequestTopic:
    name: str | None
    topic_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataRequest:
    topics: tuple[MetadataRequestTopic, ...] | None
    allow_auto_topic_creation: bool = True
    include_cluster_authorized_operations: bool = False
    include_topic_authorized_operations: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataResponseBroker:
    node_id: int
    host: str
    port: int
    rack: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataResponsePartition:
    partition_index: int
    leader_id: int
    replica_nodes: tuple[int, ...]
    isr_nodes: tuple[int, ...]
    leader_epoch: int = -1
    offline_replicas: tuple[int, ...] = ()
    error_code: ErrorCode = ErrorCode.none


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataResponseTopic:
    name: str | None
    topic_id: UUID | None = None
    error_code: ErrorCode = ErrorCode.none
    is_internal: bool = False
    partitions: tuple[MetadataResponsePartition, ...] = ()
    topic_authorized_operations: int = NOT_ASKED


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataResponse:
    brokers: tuple[MetadataResponseBroker, ...]
    cluster_id: str | None
    controller_id: int
    topics: tuple[MetadataResponseTopic, ...]
    cluster_authorized_operations: int = NOT_ASKED
    throttle_time: timedelta = timedelta(0)
    error_code: ErrorCode = ErrorCode.none


Nodes: TypeAlias = dict[int, MetadataResponseBroker]
"""The brokers of one answer, by node id; grows while its topics are described."""


async def handle(context: Context, request: MetadataRequest) -> MetadataResponse:
    fault = _fault(context, request)
    if fault is not None:
        return _refused_whole(context, request, fault)
    broker = context.broker
    nodes = {
        node.node_id: MetadataResponseBroker(
            node_id=node.node_id, host=node.host, port=node.port, rack=node.rack
        )
        for node in broker.nodes(context.listener)
    }
    topics = _topics(context, request, nodes)
    return MetadataResponse(
        brokers=tuple(nodes.values()),
        cluster_id=broker.cluster_id,
        controller_id=broker.node_id,
        topics=topics,
        cluster_authorized_operations=(
            CLUSTER_OPERATIONS if request.include_cluster_authorized_operations else NOT_ASKED
        ),
    )


def _fault(context: Context, request: MetadataRequest) -> ErrorCode | None:
    """What Kafka refuses a whole request for: ids or null names too early, or neither of both."""
    asked = request.topics or ()
    if context.api_version < _FIRST_VERSION_WITH_IDS_ASKED:
        by_id = any(topic.name is None or topic.topic_id is not None for topic in asked)
        return ErrorCode.invalid_request if by_id else None
    nameless = any(topic.name is None and topic.topic_id is None for topic in asked)
    return ErrorCode.unknown_server_error if nameless else None


def _refused_whole(context: Context, request: MetadataRequest, code: ErrorCode) -> MetadataResponse:
    asked = dict.fromkeys(request.topics or ())
    return MetadataResponse(
        brokers=(),
        cluster_id=None,
        controller_id=-1,
        topics=tuple(_refused(context, topic, code) for topic in asked),
        error_code=code,
    )


def _topics(context: Context, request: MetadataRequest, nodes: Nodes) -> tuple[MetadataResponseTopic, ...]:
    asked = request.topics
    if asked is None or (context.api_version == 0 and not asked):
        return tuple(_described(context, request, topic, nodes) for topic in context.broker.topics.all())
    # As in Kafka names don't count beside ids, and a topic is in the answer once.
    by_id = {each.topic_id: each for each in asked if each.topic_id is not None}
    unique = by_id.values() or dict.fromkeys(asked)
    return tuple(_topic(context, request, topic, nodes) for topic in unique)


def _topic(
    context: Context, request: MetadataRequest, asked: MetadataRequestTopic, nodes: Nodes
) -> MetadataResponseTopic:
    try:
        return _described(context, request, find_topic(context, asked.name, asked.topic_id), nodes)
    except KafkaError as error:
        by_name = asked.name is not None and asked.topic_id is None
        if not by_name:
            return _refused(context, asked, error.code)
        code = _missing(context, request, str(asked.name))
        return replace(_refused(context, asked, code), topic_authorized_operations=_operations(request))


def _missing(context: Context, request: MetadataRequest, name: str) -> ErrorCode:
    """What to say of a topic that doesn't exist; starts creating it where that is allowed."""
    if invalid_name(name) is not None:
        return ErrorCode.invalid_topic_exception
    topics = context.broker.topics
    if not (request.allow_auto_topic_creation and topics.auto_create):
        return ErrorCode.unknown_topic_or_partition
    topics.start_creating(name)
    return ErrorCode.leader_not_available


def _refused(context: Context, asked: MetadataRequestTopic, code: ErrorCode) -> MetadataResponseTopic:
    name = asked.name
    if name is None and (context.api_version < _FIRST_VERSION_WITH_IDS_ASKED or asked.topic_id is None):
        name = ""  # can't be null in these versions
    return MetadataResponseTopic(name=name, topic_id=asked.topic_id, error_code=code)


def _described(
    context: Context, request: MetadataRequest, topic: Topic, nodes: Nodes
) -> MetadataResponseTopic:
    return MetadataResponseTopic(
        name=topic.name,
        topic_id=topic.uuid,
        partitions=tuple(_partition(context, topic, index, nodes) for index in range(len(topic.log_streams))),
        topic_authorized_operations=_operations(request),
    )


def _operations(request: MetadataRequest) -> int:
    return TOPIC_OPERATIONS if request.include_topic_authorized_operations else NOT_ASKED


def _partition(context: Context, topic: Topic, index: int, nodes: Nodes) -> MetadataResponsePartition:
    broker = context.broker
    leader_id, epoch = broker.leader_of(topic, index), 0
    partition = broker.known_partition(topic, index) if leader_id == broker.node_id else None
    if partition is not None:
        epoch = partition.epoch
        if partition.leader is not None and _listed(context, partition.leader, nodes):
            leader_id, epoch = partition.leader.node_id, partition.leader.epoch
    return MetadataResponsePartition(
        partition_index=index,
        leader_id=leader_id,
        leader_epoch=epoch if epoch > 0 else -1,
        replica_nodes=(leader_id,),
        isr_nodes=(leader_id,),
    )


def _listed(context: Context, leader: Leader, nodes: Nodes) -> bool:
    """Whether clients can find the node, after an attempt to make that so."""
    address = leader.address(context.listener)
    if leader.node_id not in nodes and address is not None:
        host, port = address
        nodes[leader.node_id] = MetadataResponseBroker(
            node_id=leader.node_id, host=host, port=port, rack=None
        )
    return leader.node_id in nodes


API = api(
    key=3,
    name="Metadata",
    versions=range(14),
    request=MetadataRequest,
    response=MetadataResponse,
    handle=handle,
)
