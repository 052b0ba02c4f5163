"""OffsetCommit (key 8), v2-v10: refused for every partition, since groups aren't served (`groups`).

v3 throttle time · v5 no retention time · v6 leader epoch · v7 group instance id · v8 flexible · v9 none ·
v10 topic ids.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from kio.schema.errors import ErrorCode

from kov.handlers import groups
from kov.handlers.base import Context, api


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetCommitRequestPartition:
    partition_index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetCommitRequestTopic:
    partitions: tuple[OffsetCommitRequestPartition, ...]
    name: str = ""
    topic_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetCommitRequest:
    group_id: str
    topics: tuple[OffsetCommitRequestTopic, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetCommitResponsePartition:
    partition_index: int
    error_code: ErrorCode


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetCommitResponseTopic:
    partitions: tuple[OffsetCommitResponsePartition, ...]
    name: str = ""
    topic_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetCommitResponse:
    topics: tuple[OffsetCommitResponseTopic, ...]
    throttle_time: timedelta = timedelta(0)


async def handle(context: Context, request: OffsetCommitRequest) -> OffsetCommitResponse:
    groups.refusal(context, request.group_id)
    return OffsetCommitResponse(topics=tuple(map(_refused, request.topics)))


def _refused(topic: OffsetCommitRequestTopic) -> OffsetCommitResponseTopic:
    parts = tuple(
        OffsetCommitResponsePartition(partition_index=part.partition_index, error_code=groups.REFUSED)
        for part in topic.partitions
    )
    return OffsetCommitResponseTopic(name=topic.name, topic_id=topic.topic_id, partitions=parts)


API = api(
    key=8,
    name="OffsetCommit",
    versions=range(2, 11),
    request=OffsetCommitRequest,
    response=OffsetCommitResponse,
    handle=handle,
)
