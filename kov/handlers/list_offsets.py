"""ListOffsets (key 2), v1-v11: the offset of a point in time, or of either end.

v2 isolation level (without transactions the same) · v4 leader epoch · v6 flexible · v7 the largest timestamp
(-3) · v8 the earliest kept locally (-4) · v9 the latest in tiered storage (-5) · v10 timeout · v11 the
earliest not uploaded yet (-6).

Nothing is tiered, so -4 is the earliest offset, and -5 and -6 have no offset (-1), as on a Kafka without
tiered storage. A negative timestamp that the version doesn't have gets 35, a partition asked for twice
42, once.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from kio.schema.errors import ErrorCode

from kov.errors import KafkaError
from kov.handlers.base import Context, api
from kov.handlers.lookup import check_epoch, find_partition, find_topic

_log: Final = logging.getLogger(__name__)
_EARLIEST: Final = -2
_EARLIEST_LOCAL: Final = -4
_LATEST_TIERED: Final = -5
_EARLIEST_PENDING_UPLOAD: Final = -6
_SINCE_VERSION: Final = {
    -1: 1, _EARLIEST: 1, -3: 7, _EARLIEST_LOCAL: 8, _LATEST_TIERED: 9, _EARLIEST_PENDING_UPLOAD: 11,
}  # fmt: skip
_AT_ONCE: Final = 16  # lookups of one request that may read from storage at the same time


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOffsetsPartition:
    partition_index: int
    timestamp: int
    current_leader_epoch: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOffsetsTopic:
    name: str
    partitions: tuple[ListOffsetsPartition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOffsetsRequest:
    topics: tuple[ListOffsetsTopic, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOffsetsPartitionResponse:
    partition_index: int
    error_code: ErrorCode = ErrorCode.none
    timestamp: int = -1
    offset: int = -1
    leader_epoch: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOffsetsTopicResponse:
    name: str
    partitions: tuple[ListOffsetsPartitionResponse, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOffsetsResponse:
    topics: tuple[ListOffsetsTopicResponse, ...]
    throttle_time: timedelta = timedelta(0)


async def handle(context: Context, request: ListOffsetsRequest) -> ListOffsetsResponse:
    times = Counter(
        (topic.name, part.partition_index) for topic in request.topics for part in topic.partitions
    )
    at_once = asyncio.Semaphore(_AT_ONCE)

    async def answer(name: str, part: ListOffsetsPartition) -> ListOffsetsPartitionResponse:
        if times[name, part.partition_index] > 1:
            return _refused(part, ErrorCode.invalid_request)
        async with at_once:
            return await _partition(context, name, part)

    answers = [
        await asyncio.gather(*[answer(topic.name, part) for part in _each_once(topic.partitions)])
        for topic in request.topics
    ]
    return ListOffsetsResponse(
        topics=tuple(
            ListOffsetsTopicResponse(name=topic.name, partitions=tuple(parts))
            for topic, parts in zip(request.topics, answers, strict=True)
        )
    )


def _each_once(parts: tuple[ListOffsetsPartition, ...]) -> list[ListOffsetsPartition]:
    return list({part.partition_index: part for part in parts}.values())


async def _partition(context: Context, name: str, part: ListOffsetsPartition) -> ListOffsetsPartitionResponse:
    try:
        return await _look_up(context, name, part)
    except KafkaError as error:
        return _refused(part, error.code)
    except Exception:  # A defect of ours in one partition must not take the answers of the others along.
        _log.exception("listing offsets of %s/%d failed", name, part.partition_index)
        return _refused(part, ErrorCode.unknown_server_error)


async def _look_up(context: Context, name: str, part: ListOffsetsPartition) -> ListOffsetsPartitionResponse:
    since = _SINCE_VERSION.get(part.timestamp)
    if part.timestamp < 0 and (since is None or context.api_version < since):
        return _refused(part, ErrorCode.unsupported_version)
    partition = find_partition(context, find_topic(context, name, None), part.partition_index)
    check_epoch(context, partition, part.current_leader_epoch)
    if part.timestamp in {_LATEST_TIERED, _EARLIEST_PENDING_UPLOAD}:
        return ListOffsetsPartitionResponse(partition_index=part.partition_index)
    found = await partition.offsets(_EARLIEST if part.timestamp == _EARLIEST_LOCAL else part.timestamp)
    return ListOffsetsPartitionResponse(
        partition_index=part.partition_index,
        timestamp=found.timestamp_ms,
        offset=found.offset,
        leader_epoch=found.leader_epoch,
    )


def _refused(part: ListOffsetsPartition, code: ErrorCode) -> ListOffsetsPartitionResponse:
    return ListOffsetsPartitionResponse(partition_index=part.partition_index, error_code=code)


API = api(
    key=2,
    name="ListOffsets",
    versions=range(1, 12),
    request=ListOffsetsRequest,
    response=ListOffsetsResponse,
    handle=handle,
)
