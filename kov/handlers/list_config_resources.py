"""ListConfigResources (key 74), v0-v1: what has settings. Tools ask for it to describe all of a kind.

v0 lists subscriptions of client metrics, of which there are none · v1 any kinds, without a kind all.

Groups aren't served, so none has settings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from kio.schema.errors import ErrorCode

from kov.handlers.base import Context, api
from kov.handlers.describe_configs import ResourceType

_FIRST_VERSION_WITH_KINDS = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ListConfigResourcesRequest:
    resource_types: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigResource:
    resource_name: str
    resource_type: int = ResourceType.CLIENT_METRICS


@dataclass(frozen=True, slots=True, kw_only=True)
class ListConfigResourcesResponse:
    config_resources: tuple[ConfigResource, ...] = ()
    error_code: ErrorCode = ErrorCode.none
    throttle_time: timedelta = timedelta(0)


async def handle(context: Context, request: ListConfigResourcesRequest) -> ListConfigResourcesResponse:
    if context.api_version < _FIRST_VERSION_WITH_KINDS:
        return ListConfigResourcesResponse()
    kinds = dict.fromkeys(request.resource_types or tuple(ResourceType))
    if any(kind not in set(ResourceType) for kind in kinds):
        return ListConfigResourcesResponse(error_code=ErrorCode.unsupported_version)
    return ListConfigResourcesResponse(
        config_resources=tuple(each for kind in kinds for each in _resources(context, kind))
    )


def _resources(context: Context, kind: int) -> Iterator[ConfigResource]:
    broker = context.broker
    match kind:
        case ResourceType.TOPIC:
            names = [topic.name for topic in broker.topics.all()]
        case ResourceType.BROKER | ResourceType.BROKER_LOGGER:
            names = [str(node.node_id) for node in broker.nodes(context.listener)]
        case _:
            names = []
    for name in names:
        yield ConfigResource(resource_name=name, resource_type=kind)


API = api(
    key=74,
    name="ListConfigResources",
    versions=range(2),
    request=ListConfigResourcesRequest,
    response=ListConfigResourcesResponse,
    handle=handle,
)
