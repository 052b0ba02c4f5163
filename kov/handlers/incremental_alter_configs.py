"""IncrementalAlterConfigs (key 44), v0-v1: single settings of topics of the catalog, set or taken back.

v1 flexible. Set, delete, and for lists append and subtract; the rest of the settings stays as it is. Takes
effect on the running partitions of every node, for what is appended from then on.

Differs: what the mapping file owns, nodes among it, is refused with 44.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum

from kio.schema.errors import ErrorCode

from kov.config_keys import ConfigType, items
from kov.errors import KafkaError
from kov.handlers import admin
from kov.handlers.altering import AlterConfigsResourceResponse, alter
from kov.handlers.base import Context, api
from kov.topic_config import KEYS


class Operation(IntEnum):
    """As numbered in the protocol."""

    SET = 0
    DELETE = 1
    APPEND = 2
    SUBTRACT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class AlterableConfig:
    name: str
    config_operation: int
    value: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlterConfigsResource:
    resource_type: int
    resource_name: str
    configs: tuple[AlterableConfig, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IncrementalAlterConfigsRequest:
    resources: tuple[AlterConfigsResource, ...]
    validate_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class IncrementalAlterConfigsResponse:
    responses: tuple[AlterConfigsResourceResponse, ...]
    throttle_time: timedelta = timedelta(0)


async def handle(
    context: Context, request: IncrementalAlterConfigsRequest
) -> IncrementalAlterConfigsResponse:
    twice = admin.twice((each.resource_type, each.resource_name) for each in request.resources)

    async def change(resource: AlterConfigsResource) -> None:
        if (resource.resource_type, resource.resource_name) in twice:
            raise KafkaError(ErrorCode.invalid_request, "Each resource must appear at most once.")
        _check(resource)
        await alter(
            context,
            resource.resource_type,
            resource.resource_name,
            lambda current: _edited(current, resource.configs),
            validate_only=request.validate_only,
        )

    errors = await admin.each(request.resources, change)
    return IncrementalAlterConfigsResponse(
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


def _check(resource: AlterConfigsResource) -> None:
    if admin.twice(config.name for config in resource.configs):
        raise KafkaError(ErrorCode.invalid_request, "Error due to duplicate config keys")
    for config in resource.configs:
        if config.config_operation not in list(Operation):
            raise KafkaError(
                ErrorCode.invalid_request,
                f"Unknown operation type id {config.config_operation} for configuration {config.name}",
            )
    nulls = [
        config.name
        for config in resource.configs
        if config.value is None and config.config_operation != Operation.DELETE
    ]
    if nulls:
        raise KafkaError(ErrorCode.invalid_request, f"Null value not supported for : {','.join(nulls)}")


def _edited(current: Mapping[str, str], configs: tuple[AlterableConfig, ...]) -> Mapping[str, str]:
    after = dict(current)
    for config in configs:
        if config.config_operation == Operation.DELETE:
            after.pop(config.name, None)
        elif config.config_operation == Operation.SET:
            after[config.name] = config.value or ""
        else:
            after[config.name] = _list_edited(after, config)
    return after


def _list_edited(current: Mapping[str, str], config: AlterableConfig) -> str:
    key = KEYS.get(config.name)
    operation = Operation(config.config_operation)
    if key is None or key.type is not ConfigType.LIST:
        raise KafkaError(
            ErrorCode.invalid_config,
            f"Can't {operation.name} to key {config.name} because its type is not LIST.",
        )
    there = items(current.get(config.name, key.default))
    given = [item.strip() for item in (config.value or "").split(",")]
    if operation is Operation.APPEND:
        return ",".join([*there, *(item for item in given if item not in there)])
    return ",".join(item for item in there if item not in given)


API = api(
    key=44,
    name="IncrementalAlterConfigs",
    versions=range(2),
    request=IncrementalAlterConfigsRequest,
    response=IncrementalAlterConfigsResponse,
    handle=handle,
)
