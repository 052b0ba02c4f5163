"""Fetch (key 1), v4-v18: stored batches from an offset on, as they lie.

v5 log_start_offset · v7 sessions · v9 leader epoch · v10 zstd · v11 rack · v12 flexible, last fetched epoch
· v13 topics by id · v15 replica state · v16 the leader beside codes 6 and 74.

Answered when min_bytes are there, or as many as max_bytes allows, or something went wrong for a partition, or
max_wait is over: one wait for all partitions. The first batch is sent even where it is larger than the
limits. A partition that is named twice is answered once, as its last mention asks. Empty records are b"",
never null, which librdkafka takes for a broken size. Without transactions the last stable offset is the high
watermark and nothing is aborted: an empty list for readers of committed records, null for others. Kafka's
followers, whom nobody needs here, are told that they are none: 6, or 75 if they name the epoch.

Differs: no sessions (KIP-227 lets a broker refuse): every answer has session id 0, as Kafka's has when its
cache is full, and a request that continues a session gets 70, upon which clients send a full one. Batches are
whole, where Kafka stops at the limit in the middle of one. last_fetched_epoch is not looked at: nothing that
was acknowledged is ever truncated.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import Final
from uuid import UUID

from kio.schema.errors import ErrorCode

from kov.handlers.base import Context, api
from kov.handlers.fetching import Asked, Found, Reading, is_known
from kov.handlers.lookup import NO_LEADER, LeaderIdAndEpoch, NodeEndpoint, current_leader, endpoints

_FULL_FETCH_EPOCHS: Final = {0, -1}  # begin a session, or none
_READ_COMMITTED: Final = 1
_ISOLATION_LEVELS: Final = {0, _READ_COMMITTED}
_TOP_LEVEL_ERROR: Final = 13
_HINTS: Final = 16  # since these versions
MAX_BYTES: Final = 55 * 1024 * 1024  # Kafka's own fetch.max.bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchPartition:
    partition: int
    fetch_offset: int
    partition_max_bytes: int
    current_leader_epoch: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchTopic:
    partitions: tuple[FetchPartition, ...]
    topic: str = ""
    topic_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaState:
    replica_id: int = -1


NO_REPLICA: Final = ReplicaState()


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchRequest:
    max_wait: timedelta
    min_bytes: int
    max_bytes: int
    topics: tuple[FetchTopic, ...]
    replica_id: int = -1
    replica_state: ReplicaState = NO_REPLICA
    session_id: int = 0
    session_epoch: int = -1
    isolation_level: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AbortedTransaction:
    producer_id: int
    first_offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionData:
    partition_index: int
    error_code: ErrorCode = ErrorCode.none
    high_watermark: int = -1
    last_stable_offset: int = -1
    log_start_offset: int = -1
    aborted_transactions: tuple[AbortedTransaction, ...] | None = None
    preferred_read_replica: int = -1
    records: tuple[bytes, ...] = ()
    current_leader: LeaderIdAndEpoch = NO_LEADER


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchableTopicResponse:
    partitions: tuple[PartitionData, ...]
    topic: str = ""
    topic_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchResponse:
    responses: tuple[FetchableTopicResponse, ...]
    error_code: ErrorCode = ErrorCode.none
    session_id: int = 0
    throttle_time: timedelta = timedelta(0)
    node_endpoints: tuple[NodeEndpoint, ...] = ()


async def handle(context: Context, request: FetchRequest) -> FetchResponse:
    if request.session_epoch not in _FULL_FETCH_EPOCHS:
        return FetchResponse(responses=(), error_code=ErrorCode.fetch_session_id_not_found)
    asked = _asked(request)
    if request.isolation_level not in _ISOLATION_LEVELS and any(is_known(context, each) for each in asked):
        return _refused(context, request)
    follower = max(request.replica_id, request.replica_state.replica_id) >= 0
    max_bytes = min(request.max_bytes, MAX_BYTES)
    reading = Reading(context, asked, max_bytes=max_bytes, follower=follower)
    found = await reading.read(min(request.min_bytes, max_bytes), request.max_wait.total_seconds())
    return FetchResponse(
        responses=_by_topic(context, request, zip(asked, found, strict=True)),
        node_endpoints=() if follower else endpoints(context, reading.errors),
    )


def _asked(request: FetchRequest) -> list[Asked]:
    """Each partition once, where it is named first, as it is named last."""
    asked: dict[tuple[str, UUID | None, int], Asked] = {}
    for topic in request.topics:
        for part in topic.partitions:
            asked[topic.topic, topic.topic_id, part.partition] = Asked(
                name=topic.topic,
                topic_id=topic.topic_id,
                index=part.partition,
                offset=part.fetch_offset,
                max_bytes=part.partition_max_bytes,
                leader_epoch=part.current_leader_epoch,
            )
    return list(asked.values())


def _refused(context: Context, request: FetchRequest) -> FetchResponse:
    """Kafka's answer to what it fails upon: from v13 on without the partitions."""
    code = ErrorCode.unknown_server_error
    responses = (
        FetchableTopicResponse(
            topic=topic.topic,
            partitions=tuple(
                PartitionData(partition_index=part.partition, error_code=code, aborted_transactions=())
                for part in topic.partitions
            ),
        )
        for topic in request.topics
        if context.api_version < _TOP_LEVEL_ERROR
    )
    return FetchResponse(responses=tuple(responses), error_code=code, session_id=request.session_id)


def _by_topic(
    context: Context, request: FetchRequest, answers: Iterable[tuple[Asked, Found]]
) -> tuple[FetchableTopicResponse, ...]:
    """In the order of the request, but for what doesn't exist: that comes last."""
    ordered = sorted(answers, key=lambda answer: answer[1].unknown)
    return tuple(
        FetchableTopicResponse(
            topic=name,
            topic_id=topic_id,
            partitions=tuple([_partition(context, request, *answer) for answer in group]),
        )
        for (name, topic_id), group in groupby(ordered, key=lambda each: (each[0].name, each[0].topic_id))
    )


def _partition(context: Context, request: FetchRequest, asked: Asked, found: Found) -> PartitionData:
    if found.error is not None:
        return PartitionData(
            partition_index=asked.index,
            error_code=found.error.code,
            aborted_transactions=() if found.unknown else None,
            current_leader=current_leader(found.error) if context.api_version >= _HINTS else NO_LEADER,
        )
    return PartitionData(
        partition_index=asked.index,
        high_watermark=found.high_watermark,
        last_stable_offset=found.high_watermark,
        log_start_offset=found.log_start_offset,
        aborted_transactions=() if request.isolation_level == _READ_COMMITTED else None,
        records=found.records,
    )


API = api(
    key=1,
    name="Fetch",
    versions=range(4, 19),
    request=FetchRequest,
    response=FetchResponse,
    handle=handle,
)
