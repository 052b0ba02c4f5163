"""ElectLeaders (key 43), v0-v2: nothing to elect.

v1 unclean elections · v2 flexible.

A partition has one node that should lead it, computed by all nodes alike, so an election is never needed (84,
as Kafka says where the preferred replica leads already). Asked for all partitions, no partition is in the
answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from kio.schema.errors import ErrorCode

from kov.errors import KafkaError
from kov.handlers.base import Context, api
from kov.handlers.lookup import find_topic

_KINDS: Final = {0, 1}  # preferred, unclean


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicPartitions:
    topic: str
    partitions: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ElectLeadersRequest:
    topic_partitions: tuple[TopicPartitions, ...] | None
    election_type: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionResult:
    partition_id: int
    error_code: ErrorCode
    error_message: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaElectionResult:
    topic: str
    partition_result: tuple[PartitionResult, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ElectLeadersResponse:
    replica_election_results: tuple[ReplicaElectionResult, ...] = ()
    error_code: ErrorCode = ErrorCode.none
    throttle_time: timedelta = timedelta(0)


async def handle(context: Context, request: ElectLeadersRequest) -> ElectLeadersResponse:
    if request.topic_partitions is None:
        return _all(context, request.election_type)
    strange = request.election_type not in _KINDS and request.topic_partitions
    return ElectLeadersResponse(
        error_code=ErrorCode.invalid_request if strange else ErrorCode.none,
        replica_election_results=tuple(
            ReplicaElectionResult(
                topic=asked.topic,
                partition_result=tuple(
                    _result(context, request.election_type, asked.topic, index) for index in asked.partitions
                ),
            )
            for asked in request.topic_partitions
        ),
    )


def _all(context: Context, kind: int) -> ElectLeadersResponse:
    if kind not in _KINDS:
        return ElectLeadersResponse(error_code=ErrorCode.invalid_request)
    return ElectLeadersResponse(
        replica_election_results=tuple(
            ReplicaElectionResult(topic=topic.name, partition_result=())
            for topic in context.broker.topics.all()
        )
    )


def _result(context: Context, kind: int, name: str, index: int) -> PartitionResult:
    if kind not in _KINDS:
        return PartitionResult(
            partition_id=index,
            error_code=ErrorCode.invalid_request,
            error_message=f"Unknown election type {kind}",
        )
    try:
        topic = find_topic(context, name, None)
    except KafkaError:
        return PartitionResult(
            partition_id=index,
            error_code=ErrorCode.unknown_topic_or_partition,
            error_message=f"No such topic as {name}",
        )
    if not 0 <= index < len(topic.log_streams):
        return PartitionResult(
            partition_id=index,
            error_code=ErrorCode.unknown_topic_or_partition,
            error_message=f"No such partition as {name}-{index}",
        )
    return PartitionResult(
        partition_id=index,
        error_code=ErrorCode.election_not_needed,
        error_message="Leader election not needed for topic partition.",
    )


API = api(
    key=43,
    name="ElectLeaders",
    versions=range(3),
    request=ElectLeadersRequest,
    response=ElectLeadersResponse,
    handle=handle,
)
