"""JoinGroup (key 11), v0-v9: refused, since groups aren't served (`groups`).

v2 throttle time · v5 group instance id · v6 flexible · v7 null instead of an empty protocol name ·
v8 reason · v9 skip assignment. Answered as Kafka answers who may not use the group.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from kio.schema.errors import ErrorCode

from kov.handlers import groups
from kov.handlers.base import Context, api

_FIRST_VERSION_WITH_NO_PROTOCOL: Final = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinGroupRequest:
    group_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinGroupResponseMember:
    member_id: str
    metadata: bytes
    group_instance_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinGroupResponse:
    error_code: ErrorCode
    protocol_name: str | None
    generation_id: int = -1
    protocol_type: str | None = None
    leader: str = ""
    skip_assignment: bool = False
    member_id: str = ""
    members: tuple[JoinGroupResponseMember, ...] = ()
    throttle_time: timedelta = timedelta(0)


async def handle(context: Context, request: JoinGroupRequest) -> JoinGroupResponse:
    groups.refusal(context, request.group_id)
    nothing = None if context.api_version >= _FIRST_VERSION_WITH_NO_PROTOCOL else ""
    return JoinGroupResponse(error_code=groups.REFUSED, protocol_name=nothing)


API = api(
    key=11,
    name="JoinGroup",
    versions=range(10),
    request=JoinGroupRequest,
    response=JoinGroupResponse,
    handle=handle,
)
