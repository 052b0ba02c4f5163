"""CreateAcls (key 30), v1-v3: there is no authorizer, which Kafka without one says with 54 as well.

v2 flexible · v3 a pattern type nobody uses yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from kio.schema.errors import ErrorCode

from kov.errors import ProtocolError
from kov.handlers.base import Context, api
from kov.handlers.describe_acls import NO_AUTHORIZER

_LITERAL: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class AclCreation:
    resource_type: int
    resource_pattern_type: int = _LITERAL
    operation: int
    permission_type: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateAclsRequest:
    creations: tuple[AclCreation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AclCreationResult:
    error_code: ErrorCode = ErrorCode.security_disabled
    error_message: str | None = NO_AUTHORIZER


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateAclsResponse:
    results: tuple[AclCreationResult, ...]
    throttle_time: timedelta = timedelta(0)


async def handle(_: Context, request: CreateAclsRequest) -> CreateAclsResponse:
    for each in request.creations:
        said = (each.resource_type, each.resource_pattern_type, each.operation, each.permission_type)
        if 0 in said:
            raise ProtocolError("CreateAcls with an unknown element")
    return CreateAclsResponse(results=tuple(AclCreationResult() for _ in request.creations))


API = api(
    key=30,
    name="CreateAcls",
    versions=range(1, 4),
    request=CreateAclsRequest,
    response=CreateAclsResponse,
    handle=handle,
)
