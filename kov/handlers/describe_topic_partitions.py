"""DescribeTopicPartitions (key 75), v0: topics and their partitions, a page at a time.

Topics come sorted by name. A page holds at most the number of partitions asked for, and 2,000; where it ends
early, its cursor says where the next one begins. Without topics all are meant. Asking never makes a topic.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from kio.schema.errors import ErrorCode

from kov.handlers.authorized import NOT_ASKED, TOPIC_OPERATIONS
from kov.handlers.base import Context, api
from kov.handlers.lookup import leadership
from kov.topics import Topic, invalid_name

_MOST_PARTITIONS: Final = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicRequest:
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    topic_name: str
    partition_index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeTopicPartitionsRequest:
    topics: tuple[TopicRequest, ...]
    response_partition_limit: int
    cursor: Cursor | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeTopicPartitionsResponsePartition:
    partition_index: int
    leader_id: int
    replica_nodes: tuple[int, ...]
    isr_nodes: tuple[int, ...]
    leader_epoch: int = -1
    # Empty, not null: Java's client reads them without a look.
    eligible_leader_replicas: tuple[int, ...] | None = ()
    last_known_elr: tuple[int, ...] | None = ()
    offline_replicas: tuple[int, ...] = ()
    error_code: ErrorCode = ErrorCode.none


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeTopicPartitionsResponseTopic:
    name: str | None
    topic_id: UUID | None = None
    error_code: ErrorCode = ErrorCode.none
    is_internal: bool = False
    partitions: tuple[DescribeTopicPartitionsResponsePartition, ...] = ()
    topic_authorized_operations: int = TOPIC_OPERATIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeTopicPartitionsResponse:
    topics: tuple[DescribeTopicPartitionsResponseTopic, ...]
    next_cursor: Cursor | None
    throttle_time: timedelta = timedelta(0)


async def handle(
    context: Context, request: DescribeTopicPartitionsRequest
) -> DescribeTopicPartitionsResponse:
    if request.cursor is not None and not _points_somewhere(request.cursor, request.topics):
        return _page([_refused(each.name, ErrorCode.invalid_request) for each in request.topics], None)
    room = max(1, min(request.response_partition_limit, _MOST_PARTITIONS))
    found: list[DescribeTopicPartitionsResponseTopic] = []
    for name, first in _asked(context, request):
        if not room:
            return _page(found, Cursor(topic_name=name, partition_index=first))
        topic = context.broker.topics.get(name)
        if topic is None:
            found.append(_missing(name))
            continue
        end = min(len(topic.log_streams), first + room)
        found.append(_described(context, topic, range(first, end)))
        room -= max(0, end - first)
        if end < len(topic.log_streams):
            return _page(found, Cursor(topic_name=name, partition_index=end))
    return _page(found, None)


def _points_somewhere(cursor: Cursor, topics: Sequence[TopicRequest]) -> bool:
    """Whether the cursor names one of the topics asked for, if any are."""
    named = not topics or any(topic.name == cursor.topic_name for topic in topics)
    return named and cursor.partition_index >= 0


def _asked(context: Context, request: DescribeTopicPartitionsRequest) -> Iterator[tuple[str, int]]:
    """The names from the cursor on, sorted, each with its first partition."""
    cursor = request.cursor
    names = {topic.name for topic in request.topics} or {t.name for t in context.broker.topics.all()}
    for name in sorted(names):
        if cursor is None or name > cursor.topic_name:
            yield name, 0
        elif name == cursor.topic_name:
            yield name, cursor.partition_index


def _page(
    found: Sequence[DescribeTopicPartitionsResponseTopic], cursor: Cursor | None
) -> DescribeTopicPartitionsResponse:
    return DescribeTopicPartitionsResponse(topics=tuple(found), next_cursor=cursor)


def _missing(name: str) -> DescribeTopicPartitionsResponseTopic:
    refused = invalid_name(name) is not None
    code = ErrorCode.invalid_topic_exception if refused else ErrorCode.unknown_topic_or_partition
    return DescribeTopicPartitionsResponseTopic(name=name, error_code=code)


def _refused(name: str, code: ErrorCode) -> DescribeTopicPartitionsResponseTopic:
    """Of a request that is refused as a whole."""
    return DescribeTopicPartitionsResponseTopic(
        name=name, error_code=code, topic_authorized_operations=NOT_ASKED
    )


def _described(context: Context, topic: Topic, indexes: range) -> DescribeTopicPartitionsResponseTopic:
    return DescribeTopicPartitionsResponseTopic(
        name=topic.name,
        topic_id=topic.uuid,
        partitions=tuple(_partition(context, topic, index) for index in indexes),
    )


def _partition(context: Context, topic: Topic, index: int) -> DescribeTopicPartitionsResponsePartition:
    leader_id, leader_epoch = leadership(context, topic, index)
    return DescribeTopicPartitionsResponsePartition(
        partition_index=index,
        leader_id=leader_id,
        leader_epoch=leader_epoch,
        replica_nodes=(leader_id,),
        isr_nodes=(leader_id,),
    )


API = api(
    key=75,
    name="DescribeTopicPartitions",
    versions=range(1),
    request=DescribeTopicPartitionsRequest,
    response=DescribeTopicPartitionsResponse,
    handle=handle,
)
