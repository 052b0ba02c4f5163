"""Fetch (key 1), v4-v18: stored batches from an offset on, as they lie.

v5 log_start_offset · v7 sessions · v9 leader epoch · v10 zstd · v11 rack · v12 flexible, last fetched epoch
· v13 topics by id · v15-v18 replica fields · v16 node endpoints beside code 6.

Answered when min_bytes are there, or something went wrong for a partition, or max_wait is over: one wait for
all partitions. The first batch is sent even where it is larger than the limits. Empty records are b"", never
null, which librdkafka takes for a broken size. Without transactions the last stable offset is the high
watermark and nothing is aborted: an empty list for readers of committed records, null for others.

Differs: no sessions (KIP-227 lets a broker refuse): every answer has session id 0, and a request that
continues a session gets 70, upon which clients send a full one. last_fetched_epoch is not looked at: nothing
that was acknowledged is ever truncated.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from kio.schema.errors import ErrorCode

from kov.handlers.base import Context, api
from kov.handlers.fetching import Asked, Found, Reading
from kov.handlers.lookup import NO_LEADER, LeaderIdAndEpoch, NodeEndpoint, current_leader, endpoints

_FULL_FETCH_EPOCHS: Final = {0, -1}  # begin a session, or none
_READ_COMMITTED: Final = 1
_UNKNOWN: Final = {ErrorCode.unknown_topic_or_partition, ErrorCode.unknown_topic_id}
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
class FetchRequest:
    max_wait: timedelta
    min_bytes: int
    max_bytes: int
    topics: tuple[FetchTopic, ...]
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
    records: bytes = b""
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
    reading = Reading(context, _asked(request), max_bytes=min(request.max_bytes, MAX_BYTES))
    found = iter(await reading.read(request.min_bytes, request.max_wait.total_seconds()))
    responses = tuple(
        FetchableTopicResponse(
            topic=topic.topic,
            topic_id=topic.topic_id,
            partitions=tuple([_partition(request, part, next(found)) for part in topic.partitions]),
        )
        for topic in request.topics
    )
    return FetchResponse(responses=responses, node_endpoints=endpoints(context, reading.errors))


def _asked(request: FetchRequest) -> list[Asked]:
    return [
        Asked(
            name=topic.topic,
            topic_id=topic.topic_id,
            index=part.partition,
            offset=part.fetch_offset,
            max_bytes=part.partition_max_bytes,
            leader_epoch=part.current_leader_epoch,
        )
        for topic in request.topics
        for part in topic.partitions
    ]


def _partition(request: FetchRequest, part: FetchPartition, found: Found) -> PartitionData:
    if found.error is not None:
        return PartitionData(
            partition_index=part.partition,
            error_code=found.error.code,
            aborted_transactions=() if found.error.code in _UNKNOWN else None,
            current_leader=current_leader(found.error),
        )
    return PartitionData(
        partition_index=part.partition,
        high_watermark=found.high_watermark,
        last_stable_offset=found.high_watermark,
        log_start_offset=found.log_start_offset,
        aborted_transactions=() if request.isolation_level == _READ_COMMITTED else None,
        records=b"".join(found.records),
    )


API = api(
    key=1,
    name="Fetch",
    versions=range(4, 19),
    request=FetchRequest,
    response=FetchResponse,
    handle=handle,
)
