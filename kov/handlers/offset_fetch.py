"""OffsetFetch (key 9), v1-v10: refused for every group, since groups aren't served (`groups`).

v2 all topics, one code for all · v3 throttle time · v5 leader epoch · v6 flexible · v7 stable offsets ·
v8 several groups · v9 member and epoch · v10 topic ids. As in Kafka only v1's refusal names the partitions.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from kio.schema.errors import ErrorCode

from kov.handlers import groups
from kov.handlers.base import Context, api

_LAST_VERSION_WITHOUT_A_CODE: Final = 1
_FIRST_VERSION_WITH_SEVERAL_GROUPS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetFetchRequestTopic:
    name: str
    partition_indexes: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetFetchRequestGroup:
    group_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetFetchRequest:
    """`groups` in v8 and later, the other fields before."""

    group_id: str = ""
    topics: tuple[OffsetFetchRequestTopic, ...] | None = ()
    groups: tuple[OffsetFetchRequestGroup, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetFetchResponsePartition:
    partition_index: int
    error_code: ErrorCode
    committed_offset: int = -1
    committed_leader_epoch: int = -1
    metadata: str | None = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetFetchResponseTopic:
    name: str = ""
    topic_id: UUID | None = None
    partitions: tuple[OffsetFetchResponsePartition, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetFetchResponseGroup:
    group_id: str
    error_code: ErrorCode
    topics: tuple[OffsetFetchResponseTopic, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetFetchResponse:
    """`groups` in v8 and later, the other fields before."""

    topics: tuple[OffsetFetchResponseTopic, ...] = ()
    error_code: ErrorCode = groups.REFUSED
    groups: tuple[OffsetFetchResponseGroup, ...] = ()
    throttle_time: timedelta = timedelta(0)


async def handle(context: Context, request: OffsetFetchRequest) -> OffsetFetchResponse:
    if context.api_version < _FIRST_VERSION_WITH_SEVERAL_GROUPS:
        groups.refusal(context, request.group_id)
        named = context.api_version <= _LAST_VERSION_WITHOUT_A_CODE
        return OffsetFetchResponse(topics=tuple(map(_refused, request.topics or ())) if named else ())
    for each in request.groups:
        groups.refusal(context, each.group_id)
    return OffsetFetchResponse(
        groups=tuple(
            OffsetFetchResponseGroup(group_id=each.group_id, error_code=groups.REFUSED)
            for each in request.groups
        )
    )


def _refused(topic: OffsetFetchRequestTopic) -> OffsetFetchResponseTopic:
    parts = tuple(
        OffsetFetchResponsePartition(partition_index=index, error_code=groups.REFUSED)
        for index in topic.partition_indexes
    )
    return OffsetFetchResponseTopic(name=topic.name, partitions=parts)


API = api(
    key=9,
    name="OffsetFetch",
    versions=range(1, 11),
    request=OffsetFetchRequest,
    response=OffsetFetchResponse,
    handle=handle,
)
