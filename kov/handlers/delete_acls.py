"""DeleteAcls (key 31), v1-v3: there is no authorizer, which Kafka without one says with 54 as well.

v2 flexible · v3 a pattern type nobody uses yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from kio.schema.errors import ErrorCode

from kov.errors import ProtocolError
from kov.handlers.base import Context, api
from kov.handlers.describe_acls import NO_AUTHORIZER


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteAclsFilter:
    resource_type_filter: int
    pattern_type_filter: int
    operation: int
    permission_type: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteAclsRequest:
    filters: tuple[DeleteAclsFilter, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteAclsMatchingAcl:
    error_code: ErrorCode
    error_message: str | None
    resource_type: int
    resource_name: str
    pattern_type: int
    principal: str
    host: str
    operation: int
    permission_type: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteAclsFilterResult:
    error_code: ErrorCode = ErrorCode.security_disabled
    error_message: str | None = NO_AUTHORIZER
    matching_acls: tuple[DeleteAclsMatchingAcl, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteAclsResponse:
    filter_results: tuple[DeleteAclsFilterResult, ...]
    throttle_time: timedelta = timedelta(0)


async def handle(_: Context, request: DeleteAclsRequest) -> DeleteAclsResponse:
    for each in request.filters:
        said = (each.resource_type_filter, each.pattern_type_filter, each.operation, each.permission_type)
        if 0 in said:
            raise ProtocolError("DeleteAcls with an unknown element")
    return DeleteAclsResponse(filter_results=tuple(DeleteAclsFilterResult() for _ in request.filters))


API = api(
    key=31,
    name="DeleteAcls",
    versions=range(1, 4),
    request=DeleteAclsRequest,
    response=DeleteAclsResponse,
    handle=handle,
)
