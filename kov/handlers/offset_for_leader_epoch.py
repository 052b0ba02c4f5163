"""OffsetForLeaderEpoch (key 23), v2-v4: where an epoch of a partition ended, from the fences of the log.

v3 the replica that asks · v4 flexible.

Consumers ask whether what they read is still what the log says. It always is: what was acknowledged is never
truncated, so no answer makes them go back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from kio.schema.errors import ErrorCode

from kov.errors import KafkaError
from kov.handlers import admin
from kov.handlers.base import Context, api
from kov.handlers.lookup import check_epoch, find_partition, find_topic


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetForLeaderPartition:
    partition: int
    current_leader_epoch: int
    leader_epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetForLeaderTopic:
    topic: str
    partitions: tuple[OffsetForLeaderPartition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetForLeaderEpochRequest:
    topics: tuple[OffsetForLeaderTopic, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochEndOffset:
    partition: int
    error_code: ErrorCode = ErrorCode.none
    leader_epoch: int = -1
    end_offset: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetForLeaderTopicResult:
    topic: str
    partitions: tuple[EpochEndOffset, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetForLeaderEpochResponse:
    topics: tuple[OffsetForLeaderTopicResult, ...]
    throttle_time: timedelta = timedelta(0)


async def handle(context: Context, request: OffsetForLeaderEpochRequest) -> OffsetForLeaderEpochResponse:
    asked = [(topic.topic, part) for topic in request.topics for part in topic.partitions]
    found: dict[tuple[str, OffsetForLeaderPartition], tuple[int, int]] = {}

    async def look(part: tuple[str, OffsetForLeaderPartition]) -> None:
        found[part] = await _end(context, *part)

    outcomes = dict(zip(asked, await admin.each(asked, look), strict=True))
    return OffsetForLeaderEpochResponse(
        topics=tuple(
            OffsetForLeaderTopicResult(
                topic=topic.topic,
                partitions=tuple(
                    _answer(part, found.get((topic.topic, part)), outcomes[topic.topic, part])
                    for part in topic.partitions
                ),
            )
            for topic in request.topics
        )
    )


async def _end(context: Context, name: str, part: OffsetForLeaderPartition) -> tuple[int, int]:
    partition = find_partition(context, find_topic(context, name, None), part.partition)
    check_epoch(context, partition, part.current_leader_epoch)
    return await partition.epoch_end(part.leader_epoch)


def _answer(
    part: OffsetForLeaderPartition, end: tuple[int, int] | None, error: KafkaError | None
) -> EpochEndOffset:
    epoch, offset = end if end is not None else (-1, -1)
    return EpochEndOffset(
        partition=part.partition, error_code=admin.code(error), leader_epoch=epoch, end_offset=offset
    )


API = api(
    key=23,
    name="OffsetForLeaderEpoch",
    versions=range(2, 5),
    request=OffsetForLeaderEpochRequest,
    response=OffsetForLeaderEpochResponse,
    handle=handle,
)
