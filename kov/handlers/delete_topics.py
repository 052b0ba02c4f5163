"""DeleteTopics (key 20), v1-v6: topics of the catalog, by name or by id.

v4 flexible · v5 error messages · v6 topics by id.

Answered when nothing can be acknowledged in the topic any more: its partitions are fenced before it goes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from kio.schema.errors import ErrorCode

from kov.errors import KafkaError
from kov.handlers import admin
from kov.handlers.base import Context, api
from kov.handlers.lookup import find_topic


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteTopicState:
    name: str | None = None
    topic_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteTopicsRequest:
    timeout: timedelta
    topics: tuple[DeleteTopicState, ...] = ()
    topic_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletableTopicResult:
    name: str | None
    topic_id: UUID | None = None
    error_code: ErrorCode = ErrorCode.none
    error_message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteTopicsResponse:
    responses: tuple[DeletableTopicResult, ...]
    throttle_time: timedelta = timedelta(0)


async def handle(context: Context, request: DeleteTopicsRequest) -> DeleteTopicsResponse:
    asked = request.topics or tuple(DeleteTopicState(name=name) for name in request.topic_names)
    twice = _named_twice(context, asked)
    unique = _answered(context, asked)
    found: dict[DeleteTopicState, DeletableTopicResult] = {}

    async def delete(state: DeleteTopicState) -> None:
        _check(state)
        if state in twice:
            what = "id" if state.topic_id is not None else "name"
            named = context.broker.topics.get(state.name or "")
            if named is not None and DeleteTopicState(topic_id=named.uuid) in asked:
                found[state] = DeletableTopicResult(name=named.name, topic_id=named.uuid)
            raise KafkaError(ErrorCode.invalid_request, f"Duplicate topic {what}.")
        topic = find_topic(context, state.name, state.topic_id)
        found[state] = DeletableTopicResult(name=topic.name, topic_id=state.topic_id)
        await context.broker.admin.delete(topic, admin.timeout_s(request.timeout))
        found[state] = DeletableTopicResult(name=topic.name, topic_id=topic.uuid)

    errors = await admin.each(unique, delete)
    return DeleteTopicsResponse(
        responses=tuple(
            _result(state, found.get(state), error) for state, error in zip(unique, errors, strict=True)
        )
    )


def _check(state: DeleteTopicState) -> None:
    if state.name is None and state.topic_id is None:
        raise KafkaError(ErrorCode.invalid_request, "Neither topic name nor id were specified.")
    if state.name is not None and state.topic_id is not None:
        raise KafkaError(ErrorCode.invalid_request, "You may not specify both topic name and topic id.")


def _answered(context: Context, asked: tuple[DeleteTopicState, ...]) -> list[DeleteTopicState]:
    """As in Kafka: each once, what means nothing every time, a topic named both ways by its name only."""
    named = {topic.uuid for state in asked if (topic := context.broker.topics.get(state.name or ""))}
    answered: dict[object, DeleteTopicState] = {}
    for at, state in enumerate(asked):
        one_way = (state.name is None) != (state.topic_id is None)
        if not one_way or state.topic_id not in named:
            answered.setdefault(state if one_way else at, state)
    return list(answered.values())


def _named_twice(context: Context, asked: tuple[DeleteTopicState, ...]) -> set[DeleteTopicState]:
    """Those that mean a topic which another one means as well, by name or by id."""
    topics = context.broker.topics

    def meant(state: DeleteTopicState) -> object:
        topic = topics.get(state.name) if state.name is not None else None
        return topic.uuid if topic is not None else state.topic_id or state.name

    twice = admin.twice(str(meant(state)) for state in asked)
    return {state for state in asked if str(meant(state)) in twice}


def _result(
    state: DeleteTopicState, found: DeletableTopicResult | None, error: KafkaError | None
) -> DeletableTopicResult:
    if error is None:
        assert found is not None
        return found
    return DeletableTopicResult(
        name=found.name if found is not None else state.name,
        topic_id=found.topic_id if found is not None else state.topic_id,
        error_code=error.code,
        error_message=error.message,
    )


API = api(
    key=20,
    name="DeleteTopics",
    versions=range(1, 7),
    request=DeleteTopicsRequest,
    response=DeleteTopicsResponse,
    handle=handle,
)
