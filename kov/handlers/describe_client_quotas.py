"""DescribeClientQuotas (key 48), v0-v1: there are none. Tools ask for them beside the settings of users.

v1 flexible. What Kafka refuses to look for is refused: 42, and 35 for a kind of entity that there isn't.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from kio.schema.errors import ErrorCode

from kov.errors import KafkaError
from kov.handlers import admin
from kov.handlers.base import Context, api

_USER, _CLIENT_ID, _IP = "user", "client-id", "ip"
_MATCHES: Final = {0: "exact", 1: "default", 2: "specified"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentData:
    entity_type: str
    match_type: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeClientQuotasRequest:
    components: tuple[ComponentData, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityData:
    entity_type: str
    entity_name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueData:
    key: str
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryData:
    entity: tuple[EntityData, ...]
    values: tuple[ValueData, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeClientQuotasResponse:
    entries: tuple[EntryData, ...] | None = ()
    error_code: ErrorCode = ErrorCode.none
    error_message: str | None = ""
    throttle_time: timedelta = timedelta(0)


async def handle(_: Context, request: DescribeClientQuotasRequest) -> DescribeClientQuotasResponse:
    try:
        _check(request.components)
    except KafkaError as error:
        return DescribeClientQuotasResponse(entries=None, error_code=error.code, error_message=error.message)
    return DescribeClientQuotasResponse()


def _check(components: tuple[ComponentData, ...]) -> None:
    kinds = [each.entity_type for each in components]
    for component in components:
        if not component.entity_type:
            raise KafkaError(ErrorCode.invalid_request, "Unexpected empty filter component entity type.")
        if component.entity_type not in {_USER, _CLIENT_ID, _IP}:
            raise KafkaError(
                ErrorCode.unsupported_version, f"Custom entity type '{component.entity_type}' not supported."
            )
        if component.match_type not in _MATCHES:
            raise KafkaError(ErrorCode.invalid_request, f"Unexpected match type {component.match_type}.")
    if twice := admin.twice(kinds):
        raise KafkaError(ErrorCode.invalid_request, f"Duplicate filter component entity type {min(twice)}.")
    if _IP in kinds and len(kinds) > 1:
        raise KafkaError(
            ErrorCode.invalid_request, "A filter for ip can't be combined with one for user or client-id."
        )


API = api(
    key=48,
    name="DescribeClientQuotas",
    versions=range(2),
    request=DescribeClientQuotasRequest,
    response=DescribeClientQuotasResponse,
    handle=handle,
)
