"""`grpc.health.v1.Health`: serving as soon as it listens, as every Varlog server."""

from __future__ import annotations

import asyncio

import grpc
from grpc_health.v1 import health_pb2

from varlog_lite import rpc, status
from varlog_lite.rpc import Context
from varlog_lite.status import Refusal


class Health:
    """Knows the whole server only, by the empty name."""

    def __init__(self) -> None:
        self._closing = asyncio.Event()

    def handler(self) -> grpc.GenericRpcHandler:
        methods = {
            "Check": rpc.unary(health_pb2.HealthCheckRequest, self._check),
            "Watch": grpc.unary_stream_rpc_method_handler(self._watch),
        }
        return grpc.method_handlers_generic_handler("grpc.health.v1.Health", methods)

    def close(self) -> None:
        """Ends the watches, with NOT_SERVING."""
        self._closing.set()

    async def _check(self, request: health_pb2.HealthCheckRequest) -> health_pb2.HealthCheckResponse:
        if request.service:
            raise status.unknown_service()
        return health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)

    async def _watch(self, raw: bytes, context: Context) -> None:
        try:
            request = rpc.parse(health_pb2.HealthCheckRequest, raw)
        except Refusal as refusal:
            await rpc.end(context, refusal)
        response = health_pb2.HealthCheckResponse
        if request.service:
            await context.write(response(status=response.SERVICE_UNKNOWN).SerializeToString())
        else:
            await context.write(response(status=response.SERVING).SerializeToString())
        await self._closing.wait()
        await context.write(response(status=response.NOT_SERVING).SerializeToString())
