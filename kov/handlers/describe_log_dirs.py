"""DescribeLogDirs (key 35), v1-v5: how much the partitions that this node leads take in storage.

v2 flexible · v3 an error code for the whole · v4 the size of the volume, which isn't known here (-1)
· v5 cordoned directories: none.

There is one "directory", Varlog, named as `log.dirs` in DescribeConfigs. A size is that of one replica of the
log stream as its storage node tells it; a partition that can't be asked about now is left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import Final

from kio.schema.errors import ErrorCode

from kov.errors import KafkaError
from kov.handlers.base import Context, api
from kov.topics import Topic

_DIRECTORY: Final = "varlog"
_AT_ONCE: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribableLogDirTopic:
    topic: str
    partitions: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeLogDirsRequest:
    topics: tuple[DescribableLogDirTopic, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeLogDirsPartition:
    partition_index: int
    partition_size: int
    offset_lag: int = 0
    is_future_key: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeLogDirsTopic:
    name: str
    partitions: tuple[DescribeLogDirsPartition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeLogDirsResult:
    topics: tuple[DescribeLogDirsTopic, ...]
    log_dir: str = _DIRECTORY
    error_code: ErrorCode = ErrorCode.none
    total_bytes: int = -1
    usable_bytes: int = -1
    is_cordoned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeLogDirsResponse:
    results: tuple[DescribeLogDirsResult, ...]
    error_code: ErrorCode = ErrorCode.none
    throttle_time: timedelta = timedelta(0)


async def handle(context: Context, request: DescribeLogDirsRequest) -> DescribeLogDirsResponse:
    broker, at_once = context.broker, asyncio.Semaphore(_AT_ONCE)

    async def size(topic: Topic, index: int) -> int | None:
        async with at_once:
            try:
                return await broker.stored_bytes(topic, index)
            except KafkaError:
                return None

    asked = [
        (topic, index)
        for topic, index in _asked(context, request)
        if broker.leader_of(topic, index) == broker.node_id
    ]
    sizes = await asyncio.gather(*(size(topic, index) for topic, index in asked))
    known = [
        (topic.name, DescribeLogDirsPartition(partition_index=index, partition_size=found))
        for (topic, index), found in zip(asked, sizes, strict=True)
        if found is not None
    ]
    topics = tuple(
        DescribeLogDirsTopic(name=name, partitions=tuple(part for _, part in parts))
        for name, parts in groupby(known, key=lambda each: each[0])
    )
    return DescribeLogDirsResponse(results=(DescribeLogDirsResult(topics=topics),))


def _asked(context: Context, request: DescribeLogDirsRequest) -> Iterable[tuple[Topic, int]]:
    topics = context.broker.topics
    if request.topics is None:
        return [(topic, index) for topic in topics.all() for index in range(len(topic.log_streams))]
    wanted: dict[str, set[int]] = {}
    for each in request.topics:
        wanted.setdefault(each.topic, set()).update(each.partitions)
    return [
        (topic, index)
        for name, indexes in wanted.items()
        if (topic := topics.get(name)) is not None
        for index in sorted(indexes)
        if 0 <= index < len(topic.log_streams)
    ]


API = api(
    key=35,
    name="DescribeLogDirs",
    versions=range(1, 6),
    request=DescribeLogDirsRequest,
    response=DescribeLogDirsResponse,
    handle=handle,
)
