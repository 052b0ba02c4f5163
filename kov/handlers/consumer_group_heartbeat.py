"""ConsumerGroupHeartbeat (key 68), v0-v1: refused, since groups aren't served (`groups`).

v1 subscription by a regular expression. Who asks for the newer protocol of groups (KIP-848) begins with this.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from kio.schema.errors import ErrorCode

from kov.handlers import groups
from kov.handlers.base import Context, api


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerGroupHeartbeatRequest:
    group_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicPartitions:
    topic_id: UUID | None
    partitions: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    topic_partitions: tuple[TopicPartitions, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerGroupHeartbeatResponse:
    error_code: ErrorCode
    error_message: str | None
    member_id: str | None = None
    member_epoch: int = 0
    heartbeat_interval: timedelta = timedelta(0)
    assignment: Assignment | None = None
    throttle_time: timedelta = timedelta(0)


async def handle(context: Context, request: ConsumerGroupHeartbeatRequest) -> ConsumerGroupHeartbeatResponse:
    why = groups.refusal(context, request.group_id)
    return ConsumerGroupHeartbeatResponse(error_code=groups.REFUSED, error_message=why)


API = api(
    key=68,
    name="ConsumerGroupHeartbeat",
    versions=range(2),
    request=ConsumerGroupHeartbeatRequest,
    response=ConsumerGroupHeartbeatResponse,
    handle=handle,
)
