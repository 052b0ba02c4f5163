"""ListGroups (key 16), v0-v5: there are none, since groups aren't served.

v3 flexible · v4 filter by state · v5 filter by type. Tools ask for it to show a cluster.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from kio.schema.errors import ErrorCode

from kov.handlers.base import Context, api


@dataclass(frozen=True, slots=True, kw_only=True)
class ListGroupsRequest:
    states_filter: tuple[str, ...] = ()
    types_filter: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedGroup:
    group_id: str
    protocol_type: str
    group_state: str
    group_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListGroupsResponse:
    groups: tuple[ListedGroup, ...] = ()
    error_code: ErrorCode = ErrorCode.none
    throttle_time: timedelta = timedelta(0)


async def handle(_: Context, __: ListGroupsRequest) -> ListGroupsResponse:
    return ListGroupsResponse()


API = api(
    key=16,
    name="ListGroups",
    versions=range(6),
    request=ListGroupsRequest,
    response=ListGroupsResponse,
    handle=handle,
)
