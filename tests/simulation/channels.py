"""What varlog_client takes for gRPC channels."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextvars import copy_context
from typing import Any, cast

import grpc.aio
from google.protobuf.message import Message
from grpc import StatusCode

from tests.simulation.calls import Refusal, Server, StreamCall, rpc_error
from tests.simulation.network import Line, Network
from varlog_client.channels import Channels

_LOOK_S = 0.1


class _Unary:
    def __init__(self, network: Network, server: Server, method: str) -> None:
        self._network, self._server, self._method = network, server, method

    async def __call__(self, request: Message, timeout: float | None = None) -> Message:
        network = self._network
        answer: asyncio.Future[Message] = network.loop.create_future()
        back = Line(network, copy_context(), lambda outcome: _settle(answer, outcome))
        network.later(network.delay_s(), self._server.take, lambda: self._serve(request, back))
        try:
            async with asyncio.timeout(timeout):
                return await answer
        except TimeoutError:
            raise rpc_error(StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded") from None

    def _serve(self, request: Message, back: Line) -> None:
        if self._network.happens(self._network.faults.lost_call):
            self._network.seen["a call was lost"] += 1
            return
        if not self._server.up:
            back.send(rpc_error(StatusCode.UNAVAILABLE, "connection refused"))
            return
        try:
            back.send(self._server.unary(self._method, request))
        except Refusal as refusal:
            back.send(rpc_error(refusal.code, refusal.text))


def _settle(answer: asyncio.Future[Message], outcome: Message | grpc.aio.AioRpcError) -> None:
    if answer.done():
        return
    if isinstance(outcome, Message):
        answer.set_result(outcome)
    else:
        answer.set_exception(outcome)


class SimulatedChannel:
    """As much of `grpc.aio.Channel` as varlog_client uses."""

    def __init__(self, network: Network, server: Server) -> None:
        self._network, self._server = network, server

    def unary_unary(self, path: str, *_: object, **__: object) -> _Unary:
        return _Unary(self._network, self._server, path.rpartition("/")[2])

    def unary_stream(self, path: str, *_: object, **__: object) -> Callable[[Any], StreamCall]:
        def call(request: Any) -> StreamCall:
            return StreamCall(self._network, self._server, lambda c: self._server.subscribe(c, request))

        return call

    def stream_stream(self, path: str, *_: object, **__: object) -> Callable[..., StreamCall]:
        def call(requests: Iterator[Message] | None = None) -> StreamCall:
            opened = StreamCall(self._network, self._server, lambda _: None)
            for request in requests or ():
                data = request.SerializeToString()
                opened._out.send(lambda data=data: self._server.append(opened, data))
            return opened

        return call

    async def channel_ready(self) -> None:
        while not self._server.up:
            await asyncio.sleep(_LOOK_S)
        await asyncio.sleep(0)

    async def close(self) -> None:
        await asyncio.sleep(0)


class SimulatedChannels(Channels):
    """Where `varlog_client.Log` gets its channels from."""

    def __init__(self, network: Network, servers: dict[str, Server]) -> None:
        super().__init__()
        self._network, self._servers = network, servers

    def at(self, address: str) -> grpc.aio.Channel:
        return cast("grpc.aio.Channel", SimulatedChannel(self._network, self._servers[address]))
