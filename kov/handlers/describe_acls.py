"""DescribeAcls (key 29), v1-v3: there is no authorizer, which Kafka without one says with 54 as well.

v2 flexible · v3 a pattern type nobody uses yet. CreateAcls and DeleteAcls aren't advertised.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from kio.schema.errors import ErrorCode

from kov.handlers.base import Context, api


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeAclsRequest:
    resource_type_filter: int


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


async def handle(_: Context, __: DescribeAclsRequest) -> DescribeAclsResponse:
    return DescribeAclsResponse(
        error_code=ErrorCode.security_disabled, error_message="No Authorizer is configured."
    )


API = api(
    key=29,
    name="DescribeAcls",
    versions=range(1, 4),
    request=DescribeAclsRequest,
    response=DescribeAclsResponse,
    handle=handle,
)
