"""Between gRPC and the services: bytes to messages, refusals to statuses.

A service's method takes a request and returns an answer or raises `Refusal`; it never sees gRPC's
context. Streams are handled in log_io.py, with the functions at the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from typing import TypeAlias, TypeVar

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError, Message
from google.rpc import status_pb2

from varlog_client.pb import errpb_pb2
from varlog_lite import status
from varlog_lite.layout import Damaged
from varlog_lite.status import Refusal

_DETAILS_TRAILER = "grpc-status-details-bin"

Req = TypeVar("Req", bound=Message)
Context: TypeAlias = "grpc.aio.ServicerContext[bytes, bytes]"


def unary(
    request_type: type[Req], answer: Callable[[Req], Awaitable[Message]]
) -> grpc.RpcMethodHandler[bytes, bytes]:
    """Serves one method. `answer` may be cancelled when its caller goes away."""

    async def handle(raw: bytes, context: Context) -> bytes:
        try:
            response = await answer(parse(request_type, raw))
        except Refusal as refusal:
            await end(context, refusal)
        except Damaged as damage:
            await end(context, status.corrupt(damage.reason))
        encoded: bytes = response.SerializeToString()
        return encoded

    return grpc.unary_unary_rpc_method_handler(handle)


class UnknownMethods(grpc.GenericRpcHandler):
    """Comes behind all other handlers and refuses what they don't serve, in Go's words."""

    def __init__(self, services: Collection[str]) -> None:
        self._services = services

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        service, _, method = handler_call_details.method.lstrip("/").rpartition("/")
        refusal = status.unknown_method(service, method if service in self._services else None)

        async def handle(_requests: object, context: Context) -> None:
            await end(context, refusal)

        return grpc.stream_stream_rpc_method_handler(handle)


def parse(request_type: type[Req], raw: bytes) -> Req:
    """Raises `Refusal` where the bytes are no such message."""
    try:
        return request_type.FromString(raw)
    except DecodeError as error:
        raise status.malformed_request() from error


@contextmanager
def client_may_go() -> Iterator[None]:
    """A message that could not be sent ends the RPC as a cancellation does: gRPC would log a traceback.

    It fails for no other reason than that the call is over, which gRPC tells the handler a moment later.
    """
    try:
        yield
    except grpc.aio.InternalError as error:
        raise asyncio.CancelledError from error


async def end(context: Context, refusal: Refusal) -> None:
    """Ends the RPC with the refusal's status. Never returns: gRPC unwinds the handler."""
    trailer = ((_DETAILS_TRAILER, _details(refusal)),) if refusal.causes else ()
    await context.abort(refusal.code, refusal.text, trailer)


def _details(refusal: Refusal) -> bytes:
    details = status_pb2.Status(code=refusal.code.value[0], message=refusal.text)
    for cause in refusal.causes:
        packed = AnyMessage()
        packed.Pack(errpb_pb2.ErrorDetail(error_string=cause))
        details.details.append(packed)
    encoded: bytes = details.SerializeToString()
    return encoded
