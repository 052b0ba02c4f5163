"""CreatePartitions (key 37), v0-v3: more partitions for topics of the catalog.

v2 flexible · v3 may be throttled, which nobody is.

Answered when the new partitions can be produced to, on this node. The number only grows: 37 for any other
count. Assignments may name any of the nodes; which one leads a partition is computed all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from kio.schema.errors import ErrorCode

from kov.errors import KafkaError
from kov.handlers import admin
from kov.handlers.base import Context, api
from kov.handlers.lookup import find_topic
from kov.handlers.topic_shape import check_new_assignments, check_together
from kov.topic_admin import too_few_partitions


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatePartitionsAssignment:
    broker_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatePartitionsTopic:
    name: str
    count: int
    assignments: tuple[CreatePartitionsAssignment, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatePartitionsRequest:
    topics: tuple[CreatePartitionsTopic, ...]
    timeout: timedelta
    validate_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatePartitionsTopicResult:
    name: str
    error_code: ErrorCode = ErrorCode.none
    error_message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatePartitionsResponse:
    results: tuple[CreatePartitionsTopicResult, ...]
    throttle_time: timedelta = timedelta(0)


async def handle(context: Context, request: CreatePartitionsRequest) -> CreatePartitionsResponse:
    unique = list({topic.name: topic for topic in request.topics}.values())
    twice = admin.twice(topic.name for topic in request.topics)
    total = sum(_added(context, topic) for topic in unique if topic.name not in twice)

    async def add(asked: CreatePartitionsTopic) -> None:
        if asked.name in twice:
            raise KafkaError(ErrorCode.invalid_request, "Duplicate topic name.")
        check_together(total)
        await _add(context, request, asked)

    errors = await admin.each(unique, add)
    return CreatePartitionsResponse(
        results=tuple(
            CreatePartitionsTopicResult(
                name=asked.name, error_code=admin.code(error), error_message=admin.text(error)
            )
            for asked, error in zip(unique, errors, strict=True)
        )
    )


def _added(context: Context, asked: CreatePartitionsTopic) -> int:
    """How many partitions more, 0 for a topic that doesn't exist."""
    topic = context.broker.topics.get(asked.name)
    return max(0, asked.count - len(topic.log_streams)) if topic is not None else 0


async def _add(context: Context, request: CreatePartitionsRequest, asked: CreatePartitionsTopic) -> None:
    topic = find_topic(context, asked.name, None)
    current = len(topic.log_streams)
    if asked.count <= current:
        raise too_few_partitions(current, asked.count)
    if asked.assignments is not None:
        nodes = [node.node_id for node in context.broker.nodes(context.listener)]
        places = [each.broker_ids for each in asked.assignments]
        check_new_assignments(places, asked.count - current, nodes)
    broker_admin = context.broker.admin
    if request.validate_only:
        broker_admin.check_partitions_addable(topic)
    else:
        await broker_admin.add_partitions(topic, asked.count, admin.timeout_s(request.timeout))


API = api(
    key=37,
    name="CreatePartitions",
    versions=range(4),
    request=CreatePartitionsRequest,
    response=CreatePartitionsResponse,
    handle=handle,
)
