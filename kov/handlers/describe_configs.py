"""DescribeConfigs (key 32), v1-v4: the settings of topics and of this node.

v1 sources and synonyms · v3 types and documentation · v4 flexible.

Every setting of Kafka 4.x is in the answer for a topic, with values that are true here: what isn't deleted
has a retention of -1. A topic of the mapping file and every node are read only. Settings and loggers of
another node have to be asked there (42); settings of all nodes together (an empty name), of loggers, groups
and client metrics don't exist: their lists are empty. A type of resource that Kafka hasn't got has the whole
request refused, as there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum
from typing import Final

from kio.schema.errors import ErrorCode

from kov.errors import KafkaError
from kov.handlers.base import Context, api
from kov.handlers.config_entries import Entry, of_broker, of_topic
from kov.handlers.lookup import find_named
from kov.topics import Origin


class ResourceType(IntEnum):
    """As numbered in the protocol."""

    TOPIC = 2
    BROKER = 4
    BROKER_LOGGER = 8
    CLIENT_METRICS = 16
    GROUP = 32


_TYPES: Final = set(ResourceType)


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeConfigsResource:
    resource_type: int
    resource_name: str
    configuration_keys: tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeConfigsRequest:
    resources: tuple[DescribeConfigsResource, ...]
    include_synonyms: bool = False
    include_documentation: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeConfigsSynonym:
    name: str
    value: str | None
    source: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeConfigsResourceResult:
    name: str
    value: str | None
    read_only: bool
    config_source: int
    is_sensitive: bool = False
    synonyms: tuple[DescribeConfigsSynonym, ...] = ()
    config_type: int = 0
    documentation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeConfigsResult:
    resource_type: int
    resource_name: str
    error_code: ErrorCode = ErrorCode.none
    error_message: str = ""
    configs: tuple[DescribeConfigsResourceResult, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeConfigsResponse:
    results: tuple[DescribeConfigsResult, ...]
    throttle_time: timedelta = timedelta(0)


async def handle(context: Context, request: DescribeConfigsRequest) -> DescribeConfigsResponse:
    strange = [each.resource_type for each in request.resources if each.resource_type not in _TYPES]
    if strange:
        error = KafkaError(ErrorCode.invalid_request, f"Unsupported resource type: {strange[0]}")
        return DescribeConfigsResponse(results=tuple(_refused(each, error) for each in request.resources))
    return DescribeConfigsResponse(
        results=tuple(_result(context, request, resource) for resource in request.resources)
    )


def _result(
    context: Context, request: DescribeConfigsRequest, resource: DescribeConfigsResource
) -> DescribeConfigsResult:
    try:
        entries = _entries(context, resource)
    except KafkaError as error:
        return _refused(resource, error)
    wanted = resource.configuration_keys
    return DescribeConfigsResult(
        resource_type=resource.resource_type,
        resource_name=resource.resource_name,
        configs=tuple(_shown(request, each) for each in entries if not wanted or each.key.name in wanted),
    )


def _refused(resource: DescribeConfigsResource, error: KafkaError) -> DescribeConfigsResult:
    return DescribeConfigsResult(
        resource_type=resource.resource_type,
        resource_name=resource.resource_name,
        error_code=error.code,
        error_message=error.message or "",
    )


def _entries(context: Context, resource: DescribeConfigsResource) -> Sequence[Entry]:
    broker, name = context.broker, resource.resource_name
    match resource.resource_type:
        case ResourceType.TOPIC:
            topic = find_named(context, name)
            read_only = topic.origin is Origin.FILE
            return of_topic(topic.config.written, broker.settings, read_only=read_only)
        case ResourceType.BROKER if name == "":
            return []
        case ResourceType.BROKER:
            _check_own(broker.node_id, name)
            return of_broker(broker.settings)
        case ResourceType.BROKER_LOGGER:
            _check_own(broker.node_id, name)
        case ResourceType.CLIENT_METRICS if name == "":
            raise KafkaError(ErrorCode.invalid_request, "Client metrics subscription name must not be empty")
    return []


def _check_own(node_id: int, name: str) -> None:
    if not name.isascii() or not name.isdigit():
        raise KafkaError(ErrorCode.invalid_request, f"Broker id must be an integer, but it is: {name}")
    if int(name) != node_id:
        raise KafkaError(
            ErrorCode.invalid_request,
            f"Unexpected broker id, expected {node_id} or empty string, but received {name}",
        )


def _shown(request: DescribeConfigsRequest, entry: Entry) -> DescribeConfigsResourceResult:
    synonyms = entry.synonyms if request.include_synonyms else ()
    return DescribeConfigsResourceResult(
        name=entry.key.name,
        value=entry.value,
        read_only=entry.read_only,
        config_source=entry.source,
        synonyms=tuple(
            DescribeConfigsSynonym(name=each.name, value=each.value, source=each.source) for each in synonyms
        ),
        config_type=entry.key.type,
        documentation=entry.key.documentation if request.include_documentation else None,
    )


API = api(
    key=32,
    name="DescribeConfigs",
    versions=range(1, 5),
    request=DescribeConfigsRequest,
    response=DescribeConfigsResponse,
    handle=handle,
)
