"""Follower: the task that reads one log stream ahead, from whichever replica can give it."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, TypeVar

import grpc.aio
from google.protobuf.message import Message

from varlog_client import replicas
from varlog_client.errors import InvalidArgument, NotFound, Trimmed, Unavailable, VarlogError, status_text
from varlog_client.metadata import Metadata
from varlog_client.readahead import ReadAhead
from varlog_client.types import LogStreamId, LogStreamState, StorageNodeId, TopicId

_LONGEST_SILENCE_S = 60.0
_PAUSE_S = 0.2  # after all replicas failed in turn

_Request = TypeVar("_Request", bound=Message)
_Response = TypeVar("_Response", bound=Message)


class Follower(ABC, Generic[_Request, _Response]):
    """What `Subscriber` says of replicas and errors is done here; subclasses know what is asked for."""

    _response: type[_Response]

    def __init__(
        self,
        metadata: Metadata,
        topic_id: TopicId,
        log_stream_id: LogStreamId,
        ahead: ReadAhead,
        *,
        silence_s: float,
        patience_s: float,
        call_timeout_s: float,
    ) -> None:
        self.topic_id = topic_id
        self.log_stream_id = log_stream_id
        self._metadata = metadata
        self._silence_s = silence_s
        self._patience_s = patience_s
        self._call_timeout_s = call_timeout_s
        self._ahead = ahead
        self._loop = asyncio.get_running_loop()
        self._heard_at = self._loop.time()  # the last entry, or the last sign that none is due
        self._failing_since: float | None = None
        self._reader = self._loop.create_task(self._read(), name=f"varlog subscribe {log_stream_id}")

    async def aclose(self) -> None:
        """Stops reading and drops what was read ahead. Idempotent."""
        self._ahead.clear()
        self._reader.cancel()
        await asyncio.wait([self._reader])

    # What subclasses know

    @abstractmethod
    def _position(self) -> int:
        """What is asked for next; an LLSN or a GLSN."""

    @abstractmethod
    def _more(self) -> bool:
        """Whether the range goes on."""

    @abstractmethod
    def _call(self, channel: grpc.aio.Channel) -> grpc.aio.UnaryStreamCall[_Request, _Response]:
        """Asks for everything from `_position` on."""

    @abstractmethod
    def _take(self, response: _Response, begin: int) -> None:
        """Puts an entry into the read-ahead. `begin` is what was asked for. Raises `Trimmed`, `Corrupt`."""

    @abstractmethod
    def _holds_next(self, state: LogStreamState) -> bool:
        """Whether, by `state`, some replica has an entry to give."""

    @abstractmethod
    def _trimmed(self) -> Trimmed:
        """The error for a replica that says so."""

    # The reading task

    async def _read(self) -> None:
        turn = 0
        while self._more():
            due = self._position()
            nodes = self._metadata.log_stream(self.topic_id, self.log_stream_id).replicas
            try:
                await self._follow(nodes[turn % len(nodes)].storage_node_id)
            except Unavailable as trouble:
                self._metadata.refresh_soon()
                self._give_up_in_time(trouble, progress=self._position() != due)
                turn += 1
                await asyncio.sleep(_PAUSE_S if turn % len(nodes) == 0 else 0)

    def _give_up_in_time(self, trouble: Unavailable, *, progress: bool) -> None:
        now = self._loop.time()
        if progress or self._failing_since is None:
            self._failing_since = now
        elif now - self._failing_since >= self._patience_s:
            message = f"no replica gave entry {self._position()} for {self._patience_s:g} s; last: {trouble}"
            raise Unavailable(f"log stream {self.log_stream_id}: {message}") from trouble

    async def _follow(self, node: StorageNodeId) -> None:
        """Reads from one replica until the range ends; raises `Unavailable` where another should be tried."""
        call = self._subscribe(node)
        self._heard_at = self._loop.time()
        watch = self._loop.create_task(self._watch(call.cancel), name=f"varlog silence {self.log_stream_id}")
        try:
            await self._take_all(call, node)
        except grpc.aio.AioRpcError as error:
            raise self._judged(error, node) from error
        except asyncio.CancelledError:
            if watch.done() and not _asked_to_stop():
                raise Unavailable(f"storage node {node} does not send entry {self._position()}") from None
            raise
        finally:
            watch.cancel()
            call.cancel()

    def _subscribe(self, node: StorageNodeId) -> grpc.aio.UnaryStreamCall[_Request, _Response]:
        try:
            channel = self._metadata.channel(node)
        except NotFound as error:
            raise Unavailable(str(error)) from error
        return self._call(channel)

    async def _take_all(
        self, call: grpc.aio.UnaryStreamCall[_Request, _Response], node: StorageNodeId
    ) -> None:
        begin = self._position()
        while self._more():
            response = await call.read()
            if not isinstance(response, self._response):
                raise Unavailable(f"storage node {node} ended the range before entry {self._position()}")
            self._take(response, begin)
            self._heard_at = self._loop.time()
            if self._ahead.full:
                await self._ahead.room()
                self._heard_at = self._loop.time()

    def _judged(self, error: grpc.aio.AioRpcError, node: StorageNodeId) -> VarlogError:
        match error.code():
            case grpc.StatusCode.OUT_OF_RANGE:
                return self._trimmed()
            case grpc.StatusCode.INVALID_ARGUMENT:
                return InvalidArgument(status_text(error))
            case code:
                return Unavailable(f"storage node {node}: {code.name}: {status_text(error)}")

    async def _watch(self, cancel: Callable[[], bool]) -> None:
        """Cancels the call when it is silent for too long although an entry is due, and only then returns."""
        patience = self._silence_s
        while True:
            heard = self._heard_at
            await asyncio.sleep(max(0.0, heard + patience - self._loop.time()))
            if self._ahead.full:
                self._heard_at = self._loop.time()
            elif self._heard_at != heard:
                patience = self._silence_s
            elif await self._due() and self._heard_at == heard:
                cancel()
                return
            else:  # at the tail: ask less and less often
                patience = min(2 * patience, _LONGEST_SILENCE_S)
                self._failing_since = None
                self._heard_at = self._loop.time()

    async def _due(self) -> bool:
        """Whether some replica holds the next entry. Where none answers, it may well be."""
        ids = self.topic_id, self.log_stream_id
        try:
            state = await replicas.peek(self._metadata, *ids, timeout_s=self._call_timeout_s)
        except VarlogError:
            return True
        return self._holds_next(state)


def _asked_to_stop() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
