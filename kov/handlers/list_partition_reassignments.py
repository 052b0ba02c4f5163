"""ListPartitionReassignments (key 46), v0: none, ever. Tools ask before they describe topics.

Which node leads a partition is computed, and where its records lie is Varlog's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from kio.schema.errors import ErrorCode

from kov.handlers.base import Context, api


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPartitionReassignmentsRequest:
    timeout: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class OngoingPartitionReassignment:
    partition_index: int
    replicas: tuple[int, ...]
    adding_replicas: tuple[int, ...]
    removing_replicas: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OngoingTopicReassignment:
    name: str
    partitions: tuple[OngoingPartitionReassignment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPartitionReassignmentsResponse:
    topics: tuple[OngoingTopicReassignment, ...] = ()
    error_code: ErrorCode = ErrorCode.none
    error_message: str | None = None
    throttle_time: timedelta = timedelta(0)


async def handle(_: Context, __: ListPartitionReassignmentsRequest) -> ListPartitionReassignmentsResponse:
    return ListPartitionReassignmentsResponse()


API = api(
    key=46,
    name="ListPartitionReassignments",
    versions=range(1),
    request=ListPartitionReassignmentsRequest,
    response=ListPartitionReassignmentsResponse,
    handle=handle,
)
