"""ApiVersions (key 18), v0-v4: which APIs this server speaks, in which versions.

v1 throttle time · v3 flexible, features, the client's name and version (checked as Kafka does: 42) · v4 none.
A later version is answered in the form of v0 with 35 and its own range, and the connection stays (KIP-511).
The response header is v0 in every version, for a client can't know better yet.

The list is `APIS` and nothing else. Produce is advertised from v0 as Kafka 4 does: librdkafka up to 2.8 turns
compression off otherwise. Differs: no features are listed, for they name what only Kafka's controllers use.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from kio.schema.errors import ErrorCode

from kov.handlers.base import Api, Context, api

KEY: Final = 18
_UNSAID: Final = "unknown"  # before v3
_SOFTWARE: Final = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiVersionsRequest:
    client_software_name: str = _UNSAID
    client_software_version: str = _UNSAID


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiVersion:
    api_key: int
    min_version: int
    max_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiVersionsResponse:
    error_code: ErrorCode
    api_keys: tuple[ApiVersion, ...]
    throttle_time: timedelta = timedelta(0)


def make(others: Sequence[Api]) -> Api:
    """The API that lists `others` and itself."""

    async def handle(_: Context, request: ApiVersionsRequest) -> ApiVersionsResponse:
        if not _are_names(request):
            return ApiVersionsResponse(error_code=ErrorCode.invalid_request, api_keys=())
        return ApiVersionsResponse(error_code=ErrorCode.none, api_keys=versions)

    itself = api(
        key=KEY,
        name="ApiVersions",
        versions=range(5),
        request=ApiVersionsRequest,
        response=ApiVersionsResponse,
        handle=handle,
    )
    versions = listed([*others, itself])
    return itself


def called(request: ApiVersionsRequest) -> tuple[str, str]:
    """What the client calls its library, and that one's version; "" where it says nothing valid."""
    if not _are_names(request) or request.client_software_name == _UNSAID:
        return "", ""
    return request.client_software_name, request.client_software_version


def _are_names(request: ApiVersionsRequest) -> bool:
    names = (request.client_software_name, request.client_software_version)
    return all(_SOFTWARE.fullmatch(name) for name in names)


def listed(apis: Sequence[Api]) -> tuple[ApiVersion, ...]:
    return tuple(
        ApiVersion(api_key=api.key, min_version=api.advertised[0], max_version=api.advertised[-1])
        for api in sorted(apis, key=lambda api: api.key)
    )


def unsupported(apis: Sequence[Api]) -> ApiVersionsResponse:
    """The answer to a version of ApiVersions that isn't served; as v0 any client can read it.

    As in Kafka it lists ApiVersions alone, so that the client asks again in a version it finds there.
    """
    itself = [api for api in apis if api.key == KEY]
    return ApiVersionsResponse(error_code=ErrorCode.unsupported_version, api_keys=listed(itself))
