"""DescribeAcls (key 29), v1-v3: there is no authorizer, which Kafka without one says with 54 as well.

v2 flexible · v3 a pattern type nobody uses yet. A filter that isn't said (0) closes the connection, as Kafka
does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from kio.schema.errors import ErrorCode

from kov.errors import ProtocolError
from kov.handlers.base import Context, api

NO_AUTHORIZER: Final = "No Authorizer is configured."


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeAclsRequest:
    resource_type_filter: int
    pattern_type_filter: int
    operation: int
    permission_type: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AclDescription:
    principal: str
    host: str
    operation: int
    permission_type: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeAclsResource:
    resource_type: int
    resource_name: str
    pattern_type: int
    acls: tuple[AclDescription, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeAclsResponse:
    error_code: ErrorCode
    error_message: str | None
    resources: tuple[DescribeAclsResource, ...] = ()
    throttle_time: timedelta = timedelta(0)


async def handle(_: Context, request: DescribeAclsRequest) -> DescribeAclsResponse:
    said = (
        request.resource_type_filter,
        request.pattern_type_filter,
        request.operation,
        request.permission_type,
    )
    if 0 in said:
        raise ProtocolError("DescribeAcls with an unknown filter")
    return DescribeAclsResponse(error_code=ErrorCode.security_disabled, error_message=NO_AUTHORIZER)


API = api(
    key=29,
    name="DescribeAcls",
    versions=range(1, 4),
    request=DescribeAclsRequest,
    response=DescribeAclsResponse,
    handle=handle,
)
