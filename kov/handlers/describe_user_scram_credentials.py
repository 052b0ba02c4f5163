"""DescribeUserScramCredentials (key 50), v0: no user has any, since nobody authenticates.

Tools ask for them beside the settings of users. A user asked for by name gets 91, asked for twice 92.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from kio.schema.errors import ErrorCode

from kov.handlers import admin
from kov.handlers.base import Context, api


@dataclass(frozen=True, slots=True, kw_only=True)
class UserName:
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeUserScramCredentialsRequest:
    users: tuple[UserName, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialInfo:
    mechanism: int
    iterations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeUserScramCredentialsResult:
    user: str
    error_code: ErrorCode
    error_message: str | None
    credential_infos: tuple[CredentialInfo, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeUserScramCredentialsResponse:
    results: tuple[DescribeUserScramCredentialsResult, ...]
    error_code: ErrorCode = ErrorCode.none
    error_message: str | None = ""
    throttle_time: timedelta = timedelta(0)


async def handle(
    _: Context, request: DescribeUserScramCredentialsRequest
) -> DescribeUserScramCredentialsResponse:
    users = [user.name for user in request.users or ()]
    twice = admin.twice(users)
    return DescribeUserScramCredentialsResponse(
        results=tuple(_result(user, user in twice) for user in sorted(set(users)))
    )


def _result(user: str, twice: bool) -> DescribeUserScramCredentialsResult:
    if twice:
        return DescribeUserScramCredentialsResult(
            user=user,
            error_code=ErrorCode.duplicate_resource,
            error_message=f"Cannot describe credentials of the same user twice in one request: {user}",
        )
    return DescribeUserScramCredentialsResult(
        user=user,
        error_code=ErrorCode.resource_not_found,
        error_message=f"Attempt to describe a user credential that does not exist: {user}",
    )


API = api(
    key=50,
    name="DescribeUserScramCredentials",
    versions=range(1),
    request=DescribeUserScramCredentialsRequest,
    response=DescribeUserScramCredentialsResponse,
    handle=handle,
)
