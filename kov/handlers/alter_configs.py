"""AlterConfigs (key 33), v0-v2: the whole settings of topics of the catalog, as older tools send them.

v2 flexible. What the request doesn't name goes back to its default; IncrementalAlterConfigs doesn't do that,
which is why clients should prefer it. Otherwise as there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from kio.schema.errors import ErrorCode

from kov.errors import KafkaError
from kov.handlers import admin
from kov.handlers.altering import AlterConfigsResourceResponse, alter
from kov.handlers.base import Context, api


@dataclass(frozen=True, slots=True, kw_only=True)
class AlterableConfig:
    name: str
    value: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlterConfigsResource:
    resource_type: int
    resource_name: str
    configs: tuple[AlterableConfig, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlterConfigsRequest:
    resources: tuple[AlterConfigsResource, ...]
    validate_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AlterConfigsResponse:
    responses: tuple[AlterConfigsResourceResponse, ...]
    throttle_time: timedelta = timedelta(0)


async def handle(context: Context, request: AlterConfigsRequest) -> AlterConfigsResponse:
    twice = admin.twice((each.resource_type, each.resource_name) for each in request.resources)

    async def change(resource: AlterConfigsResource) -> None:
        if (resource.resource_type, resource.resource_name) in twice:
            raise KafkaError(ErrorCode.invalid_request, "Each resource must appear at most once.")
        await alter(
            context,
            resource.resource_type,
            resource.resource_name,
            lambda _: _whole(resource.configs),
            validate_only=request.validate_only,
        )

    errors = await admin.each(request.resources, change)
    return AlterConfigsResponse(
        responses=tuple(
            AlterConfigsResourceResponse(
                resource_type=resource.resource_type,
                resource_name=resource.resource_name,
                error_code=admin.code(error),
                error_message=admin.text(error),
            )
            for resource, error in zip(request.resources, errors, strict=True)
        )
    )


def _whole(configs: tuple[AlterableConfig, ...]) -> Mapping[str, str]:
    if admin.twice(config.name for config in configs):
        raise KafkaError(ErrorCode.invalid_request, "Error due to duplicate config keys")
    if nulls := [config.name for config in configs if config.value is None]:
        raise KafkaError(ErrorCode.invalid_request, f"Null value not supported for : {','.join(nulls)}")
    return {config.name: config.value or "" for config in configs}


API = api(
    key=33,
    name="AlterConfigs",
    versions=range(3),
    request=AlterConfigsRequest,
    response=AlterConfigsResponse,
    handle=handle,
)
