"""CreateTopics (key 19), v2-v7: topics made at run time, kept in the catalog.

v5 flexible; partitions and settings of the new topic in the answer, -1 for the default number · v7 topic ids.

Answered when the topic can be produced to, on this node. Any node makes topics. Checked in Kafka's order: the
name, whether there is such a topic, the settings, then partitions, replicas and assignments.

Differs: how often a record is stored is Varlog's business, so every replication factor up to the number of
storage nodes is taken, and the answer says 1, as Metadata does. Assignments may name any of the nodes; which
one leads a partition is computed all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from kio.schema.errors import ErrorCode

from kov import topic_config
from kov.errors import KafkaError
from kov.handlers import admin
from kov.handlers.base import Context, api
from kov.handlers.config_entries import of_topic
from kov.handlers.topic_shape import check_assignments, check_numbers, check_together
from kov.topic_admin import already_exists
from kov.topics import Topic, invalid_name

_CONTROLLERS_OWN: Final = "__cluster_metadata"


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatableReplicaAssignment:
    partition_index: int
    broker_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatableTopicConfig:
    name: str
    value: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatableTopic:
    name: str
    num_partitions: int
    replication_factor: int
    assignments: tuple[CreatableReplicaAssignment, ...] = ()
    configs: tuple[CreatableTopicConfig, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateTopicsRequest:
    topics: tuple[CreatableTopic, ...]
    timeout: timedelta
    validate_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatableTopicConfigs:
    name: str
    value: str | None
    read_only: bool
    config_source: int
    is_sensitive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatableTopicResult:
    name: str
    topic_id: UUID | None = None
    error_code: ErrorCode = ErrorCode.none
    error_message: str | None = None
    topic_config_error_code: int = 0
    num_partitions: int = -1
    replication_factor: int = -1
    configs: tuple[CreatableTopicConfigs, ...] | None = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateTopicsResponse:
    topics: tuple[CreatableTopicResult, ...]
    throttle_time: timedelta = timedelta(0)


async def handle(context: Context, request: CreateTopicsRequest) -> CreateTopicsResponse:
    unique = list({topic.name: topic for topic in request.topics}.values())
    twice = admin.twice(topic.name for topic in request.topics)
    total = sum(_partitions(context, topic) for topic in unique if topic.name not in twice)
    made: dict[str, Topic] = {}

    async def make(asked: CreatableTopic) -> None:
        if asked.name in twice:
            raise KafkaError(ErrorCode.invalid_request, "Duplicate topic name.")
        check_together(total)
        partitions, config = _checked(context, asked)
        if not request.validate_only:
            within = admin.timeout_s(request.timeout)
            made[asked.name] = await context.broker.admin.create(asked.name, partitions, config, within)

    errors = await admin.each(unique, make)
    return CreateTopicsResponse(
        topics=tuple(
            _refused(asked, error) if error else _made(context, asked, made.get(asked.name))
            for asked, error in zip(unique, errors, strict=True)
        )
    )


def _checked(context: Context, asked: CreatableTopic) -> tuple[int, dict[str, str]]:
    """How many partitions and which settings it gets. Raises what Kafka would refuse it with."""
    _check_name(context, asked.name)
    written = {config.name: config.value for config in asked.configs}
    if problems := topic_config.problems(written):
        raise KafkaError(ErrorCode.invalid_config, problems[0])
    config = {name: value for name, value in written.items() if value is not None}
    if conflicts := topic_config.conflicts(config):
        raise KafkaError(ErrorCode.invalid_config, conflicts[0])
    nodes = [node.node_id for node in context.broker.nodes(context.listener)]
    if asked.assignments:
        placed = {each.partition_index: each.broker_ids for each in asked.assignments}
        check_assignments(
            asked.num_partitions, asked.replication_factor, placed, len(asked.assignments), nodes
        )
    else:
        check_numbers(asked.num_partitions, asked.replication_factor, context.broker.admin.max_replicas)
    context.broker.admin.check_creatable(asked.name)
    return _partitions(context, asked), config


def _check_name(context: Context, name: str) -> None:
    if name == _CONTROLLERS_OWN:
        raise KafkaError(ErrorCode.invalid_request, f"Creation of internal topic {name} is prohibited.")
    if reason := invalid_name(name):
        raise KafkaError(ErrorCode.invalid_topic_exception, f"Topic name is invalid: {reason}")
    topics = context.broker.topics
    if topics.get(name) is not None:
        raise already_exists(name)
    if (other := topics.colliding(name)) is not None:
        raise KafkaError(
            ErrorCode.invalid_topic_exception, f"Topic '{name}' collides with existing topic: {other}"
        )


def _partitions(context: Context, asked: CreatableTopic) -> int:
    if asked.assignments:
        return len(asked.assignments)
    return asked.num_partitions if asked.num_partitions > 0 else context.broker.admin.default_partitions


def _refused(asked: CreatableTopic, error: KafkaError) -> CreatableTopicResult:
    return CreatableTopicResult(name=asked.name, error_code=error.code, error_message=error.message)


def _made(context: Context, asked: CreatableTopic, topic: Topic | None) -> CreatableTopicResult:
    """`topic` is None where it was only to be checked."""
    written = {config.name: config.value or "" for config in asked.configs}
    entries = of_topic(written, context.broker.settings, read_only=False)
    return CreatableTopicResult(
        name=asked.name,
        topic_id=topic.uuid if topic is not None else None,
        num_partitions=_partitions(context, asked),
        replication_factor=1,
        configs=tuple(
            CreatableTopicConfigs(
                name=each.key.name, value=each.value, read_only=each.read_only, config_source=each.source
            )
            for each in entries
        ),
    )


API = api(
    key=19,
    name="CreateTopics",
    versions=range(2, 8),
    request=CreateTopicsRequest,
    response=CreateTopicsResponse,
    handle=handle,
)
