"""DescribeCluster (key 60), v0-v2: the nodes and who does administration.

v1 asks for brokers or for controllers · v2 says which brokers are fenced: none.

Every node does what a controller does, so the one that answers names itself. There are no controllers to ask
for (114).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from kio.schema.errors import ErrorCode

from kov.handlers.authorized import CLUSTER_OPERATIONS, NOT_ASKED
from kov.handlers.base import Context, api

_BROKERS: Final = 1
_CONTROLLERS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeClusterRequest:
    include_cluster_authorized_operations: bool
    endpoint_type: int = _BROKERS


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeClusterBroker:
    broker_id: int
    host: str
    port: int
    rack: str | None
    is_fenced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeClusterResponse:
    cluster_id: str = ""
    controller_id: int = -1
    brokers: tuple[DescribeClusterBroker, ...] = ()
    cluster_authorized_operations: int = NOT_ASKED
    error_code: ErrorCode = ErrorCode.none
    error_message: str | None = None
    endpoint_type: int = _BROKERS
    throttle_time: timedelta = timedelta(0)


async def handle(context: Context, request: DescribeClusterRequest) -> DescribeClusterResponse:
    if request.endpoint_type == _CONTROLLERS:
        return _refused(
            ErrorCode.mismatched_endpoint_type,
            "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type "
            "CONTROLLER",
        )
    if request.endpoint_type != _BROKERS:
        return _refused(
            ErrorCode.unsupported_endpoint_type, f"Unsupported endpoint type {request.endpoint_type}"
        )
    broker = context.broker
    return DescribeClusterResponse(
        cluster_id=broker.cluster_id,
        controller_id=broker.node_id,
        brokers=tuple(
            DescribeClusterBroker(broker_id=node.node_id, host=node.host, port=node.port, rack=node.rack)
            for node in broker.nodes(context.listener)
        ),
        cluster_authorized_operations=(
            CLUSTER_OPERATIONS if request.include_cluster_authorized_operations else NOT_ASKED
        ),
    )


def _refused(code: ErrorCode, message: str) -> DescribeClusterResponse:
    return DescribeClusterResponse(error_code=code, error_message=message)


API = api(
    key=60,
    name="DescribeCluster",
    versions=range(3),
    request=DescribeClusterRequest,
    response=DescribeClusterResponse,
    handle=handle,
)
