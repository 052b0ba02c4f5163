"""gRPC without sockets: the calls that varlog_client makes, to nodes of a simulated cluster.

A connection may be cut: what was on its way to the node may arrive all the same, up to some message, and its
answers don't.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextvars import copy_context
from typing import Any, Protocol

import grpc.aio
from google.protobuf.message import Message
from grpc import StatusCode

from tests.simulation.loop import PROCESS
from tests.simulation.network import Line, Network

LOST = StatusCode.UNAVAILABLE, "connection lost"


class Refusal(Exception):
    """The status with which a node ends a call."""

    def __init__(self, code: StatusCode, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def rpc_error(code: StatusCode, text: str) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), text)


class Server(Protocol):
    """One process of the cluster."""

    up: bool
    calls: dict[StreamCall, None]

    def take(self, act: Callable[[], None]) -> None:
        """Does it now, or when it is thawed."""

    def unary(self, method: str, request: Any) -> Message: ...
    def append(self, call: StreamCall, request: bytes) -> None: ...
    def subscribe(self, call: StreamCall, request: Any) -> None: ...


def prefixed(code: str, text: str) -> str:
    """A storage node wraps the status of an append twice."""
    return f"rpc error: code = {code} desc = {text}"


class StreamCall:
    """An Append or SubscribeTo stream, seen from both ends."""

    def __init__(self, network: Network, server: Server, opening: Callable[[StreamCall], None]) -> None:
        self.network = network
        self.server = server
        self.process = PROCESS.get()
        self.cut = False  # the client or the network has ended it
        self.unanswered = 0  # requests that the node works on
        self.first_ids: tuple[int, int] | None = None  # topic and log stream of the first one
        self._deaf = self._mute = False
        self._out = Line(network, network.cluster_side, self._reach)
        self._back = Line(network, copy_context(), self._hear)
        self._inbox: deque[object] = deque()
        self._connected: asyncio.Future[None] = network.loop.create_future()
        self._reader: asyncio.Future[None] | None = None
        self._end: grpc.aio.AioRpcError | None = None
        self._end_status: tuple[StatusCode, str] | None = None
        self._out.send(lambda: self._open(opening))

    # The client's end

    @property
    def _cython_call(self) -> StreamCall:
        return self

    async def wait_for_connection(self) -> None:
        await asyncio.shield(self._connected)

    async def send_serialized_message(self, request: bytes) -> None:
        if self._end is not None or self.cut:
            raise asyncio.InvalidStateError("the call has ended")
        self._out.send(lambda: self.server.append(self, request))

    async def read(self) -> Any:
        while not self._inbox:
            if self._end is not None:
                raise self._end
            self._reader = self.network.loop.create_future()
            await self._reader
        return self._inbox.popleft()

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._messages()

    async def _messages(self) -> AsyncIterator[Any]:
        while True:
            yield await self.read()

    def cancel(self) -> bool:
        """What was sent may still arrive."""
        self._hang_up()
        for waiting in (self._reader, self._connected):
            if waiting is not None:
                waiting.cancel()
        self._end = self._end or rpc_error(StatusCode.CANCELLED, "cancelled")
        return True

    def _hang_up(self) -> None:
        self.cut = True
        self.server.calls.pop(self, None)

    def _hear(self, message: tuple[object, ...] | grpc.aio.AioRpcError | None) -> None:
        if self._end is not None:
            return
        if isinstance(message, grpc.aio.AioRpcError):
            self._end = message
            if not self._connected.done():
                self._connected.set_exception(message)
                self._connected.exception()
        elif message is None:
            if not self._connected.done():
                self._connected.set_result(None)
        else:
            self._inbox.extend(message)
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    # The node's end

    def _open(self, opening: Callable[[StreamCall], None]) -> None:
        if not self.server.up:
            self._back.send(rpc_error(StatusCode.UNAVAILABLE, "connection refused"))
        elif not self.cut:
            self.server.calls[self] = None
            self._back.send(None)
            opening(self)
        else:
            self._deaf = True

    def _reach(self, act: Callable[[], None]) -> None:
        self.server.take(lambda: self._take(act))

    def _take(self, act: Callable[[], None]) -> None:
        if self.cut and not self.network.happens(self.network.faults.arrives_after_cut):
            self._deaf = True
        if not self._deaf:
            act()

    def answer(self, *messages: object) -> None:
        """A node's answer, or several at once."""
        if self.cut or self._mute:
            return
        self._back.send(messages)

    def answered(self, response: bytes) -> None:
        """The oldest unanswered append is; its answer may be lost, and then all later ones are."""
        self.unanswered -= 1
        if self.network.happens(self.network.faults.lost_answer):
            self.network.seen["an answer was lost"] += 1
            self._mute = True
        self.answer(response)
        if self._end_status is not None and not self.unanswered:
            self._finish(*self._end_status)

    def refuse(self, code: StatusCode, text: str) -> None:
        """Ends the call behind the answers that are still due; nothing more is taken."""
        self._deaf = True
        self._end_status = self._end_status or (code, text)
        if not self.unanswered:
            self._finish(*self._end_status)

    def discarded(self, code: StatusCode, text: str) -> None:
        """An append that the node had taken is dropped."""
        self.unanswered -= 1
        self.refuse(code, text)

    def forget(self) -> None:
        """An append is gone with the node that had taken it."""
        self.unanswered -= 1

    def _finish(self, code: StatusCode, text: str) -> None:
        self.server.calls.pop(self, None)
        if not self.cut and not self._mute:
            self._back.send(rpc_error(code, text))

    @property
    def heard(self) -> bool:
        """Whether the client would hear an answer."""
        return not self.cut and not self._mute

    def mute(self) -> None:
        """The client hears nothing more, and isn't told."""
        self._mute = True

    def break_off(self) -> None:
        """The connection is lost, and both ends notice."""
        if not self.cut:
            self._hang_up()
            self._back.send(rpc_error(*LOST))
