"""Subscriber: the entries of a log stream in order, from whichever replica can give them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import TypeAlias

import grpc.aio

from varlog_client import replicas
from varlog_client.errors import (
    Closed,
    Corrupt,
    InvalidArgument,
    NotFound,
    Trimmed,
    Unavailable,
    VarlogError,
    status_text,
)
from varlog_client.metadata import Metadata
from varlog_client.pb import snpb_pb2, snpb_pb2_grpc, varlogpb_pb2
from varlog_client.readahead import MAX_ENTRIES, ReadAhead
from varlog_client.types import END_LLSN, GLSN, LLSN, LogEntry, LogStreamId, StorageNodeId, TopicId

_LONGEST_SILENCE_S = 60.0
_PAUSE_S = 0.2  # after all replicas failed in turn


class Subscriber:
    """The entries of `[begin, end)` by LLSN. Made by `Log.subscribe_to`.

    An async iterator; `next_batch` is the quicker way. Up to 4 MiB are read ahead. Every entry comes once,
    in order, without a gap. At the tail it waits for what will be committed; after `end - 1` it ends.

    **Replicas.** It begins at the primary and moves to the next replica, going on where it was, when one
    fails, or is silent for `silence_s` although another holds the entry that is due. Waiting at the tail is
    no trouble. When no replica could serve for `patience_s`, it raises `Unavailable`.

    **Errors** come after the entries that were read before them, and stay: `Trimmed` where the next entry
    is gone, `Corrupt` where a server leaves one out, `NotFound`, `Unavailable`, `InvalidArgument`, `Closed`.

    Cancelling a wait loses nothing: the next one goes on. One task at a time may wait.
    """

    def __init__(
        self,
        metadata: Metadata,
        topic_id: TopicId,
        log_stream_id: LogStreamId,
        begin: LLSN,
        end: LLSN,
        *,
        silence_s: float,
        patience_s: float,
        call_timeout_s: float,
        on_end: Callable[[Subscriber], None],
    ) -> None:
        if not 1 <= begin <= end <= END_LLSN:
            raise ValueError(f"[{begin}, {end}) is no range of LLSNs")
        self.topic_id = topic_id
        self.log_stream_id = log_stream_id
        self._metadata = metadata
        self._next = begin  # to be read
        self._end = end
        self._silence_s = silence_s
        self._patience_s = patience_s
        self._call_timeout_s = call_timeout_s
        self._closed = False
        self._ahead = ReadAhead()

        self._loop = asyncio.get_running_loop()
        self._heard_at = self._loop.time()  # the last entry, or the last sign that none is due
        self._failing_since: float | None = None
        self._reader = self._loop.create_task(self._read(), name=f"varlog subscribe {log_stream_id}")
        self._reader.add_done_callback(lambda _: self._ended(on_end))

    def __repr__(self) -> str:
        state = "closed" if self._closed else "ended" if self._reader.done() else "reading"
        return f"<Subscriber {self.topic_id}/{self.log_stream_id} next={self._next} end={self._end} {state}>"

    def __aiter__(self) -> Subscriber:
        return self

    async def __anext__(self) -> LogEntry:
        if not self._ahead and not await self._wait():
            raise StopAsyncIteration
        return self._ahead.pop()

    async def next_batch(self, max_entries: int = MAX_ENTRIES) -> list[LogEntry]:
        """Waits for at least one entry and returns all that are there, up to `max_entries`; [] at the end."""
        if not self._ahead and not await self._wait():
            return []
        return [self._ahead.pop() for _ in range(min(max_entries, len(self._ahead)))]

    async def aclose(self) -> None:
        """Stops reading; what was read ahead is dropped, and whoever waits gets `Closed`. Idempotent."""
        self._closed = True
        self._ahead.clear()
        self._reader.cancel()
        await asyncio.wait([self._reader])

    async def __aenter__(self) -> Subscriber:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _wait(self) -> bool:
        """True: there is an entry. False: the range has ended. Raises what ended the reading."""
        while not self._ahead:
            if self._closed:
                raise Closed("the subscriber was closed")
            if self._reader.done():
                self._reader.result()
                return False
            await self._ahead.news()
        return True

    def _ended(self, on_end: Callable[[Subscriber], None]) -> None:
        if not self._reader.cancelled():
            self._reader.exception()  # marked as seen: a consumer that stopped asking need not see it
        self._ahead.wake()
        on_end(self)

    # The reading task

    async def _read(self) -> None:
        turn = 0
        while self._next < self._end:
            due = self._next
            nodes = self._metadata.log_stream(self.topic_id, self.log_stream_id).replicas
            try:
                await self._follow(nodes[turn % len(nodes)].storage_node_id)
            except Unavailable as trouble:
                self._metadata.refresh_soon()
                self._give_up_in_time(trouble, progress=self._next != due)
                turn += 1
                await asyncio.sleep(_PAUSE_S if turn % len(nodes) == 0 else 0)

    def _give_up_in_time(self, trouble: Unavailable, *, progress: bool) -> None:
        now = self._loop.time()
        if progress or self._failing_since is None:
            self._failing_since = now
        elif now - self._failing_since >= self._patience_s:
            message = f"no replica gave entry {self._next} for {self._patience_s:g} s; last: {trouble}"
            raise Unavailable(f"log stream {self.log_stream_id}: {message}") from trouble

    async def _follow(self, node: StorageNodeId) -> None:
        """Reads from one replica until the range ends; raises `Unavailable` where another should be tried."""
        call = self._subscribe(node)
        self._heard_at = self._loop.time()
        watch = self._loop.create_task(self._watch(call), name=f"varlog silence {self.log_stream_id}")
        try:
            await self._take_all(call, node)
        except grpc.aio.AioRpcError as error:
            raise self._judged(error, node) from error
        except asyncio.CancelledError:
            if watch.done() and not _asked_to_stop():
                raise Unavailable(f"storage node {node} does not send entry {self._next}") from None
            raise
        finally:
            watch.cancel()
            call.cancel()

    def _subscribe(self, node: StorageNodeId) -> _Call:
        request = snpb_pb2.SubscribeToRequest(topic_id=self.topic_id, log_stream_id=self.log_stream_id)
        request.llsn_begin, request.llsn_end = self._next, self._end
        try:
            channel = self._metadata.channel(node)
        except NotFound as error:
            raise Unavailable(str(error)) from error
        return snpb_pb2_grpc.LogIOStub(channel).SubscribeTo(request)

    async def _take_all(self, call: _Call, node: StorageNodeId) -> None:
        begin = self._next
        while self._next < self._end:
            response = await call.read()
            if not isinstance(response, snpb_pb2.SubscribeToResponse):
                raise Unavailable(f"storage node {node} ended the range before entry {self._next}")
            self._take(response.log_entry, begin)
            if self._ahead.full:
                await self._ahead.room()
                self._heard_at = self._loop.time()

    def _take(self, message: varlogpb_pb2.LogEntry, begin: LLSN) -> None:
        llsn = message.meta.llsn
        if llsn != self._next:
            if llsn > self._next == begin:
                raise Trimmed(self.topic_id, self.log_stream_id, begin)
            raise Corrupt(f"log stream {self.log_stream_id}: entry {llsn} came where {self._next} was due")
        self._ahead.put(LogEntry(LLSN(llsn), GLSN(message.meta.glsn), message.data))
        self._next = LLSN(llsn + 1)
        self._heard_at = self._loop.time()

    def _judged(self, error: grpc.aio.AioRpcError, node: StorageNodeId) -> VarlogError:
        match error.code():
            case grpc.StatusCode.OUT_OF_RANGE:
                return Trimmed(self.topic_id, self.log_stream_id, self._next)
            case grpc.StatusCode.INVALID_ARGUMENT:
                return InvalidArgument(status_text(error))
            case code:
                return Unavailable(f"storage node {node}: {code.name}: {status_text(error)}")

    async def _watch(self, call: _Call) -> None:
        """Cancels `call` when it is silent for too long although an entry is due, and only then returns."""
        patience = self._silence_s
        while True:
            heard = self._heard_at
            await asyncio.sleep(max(0.0, heard + patience - self._loop.time()))
            if self._ahead.full:
                self._heard_at = self._loop.time()
            elif self._heard_at != heard:
                patience = self._silence_s
            elif await self._due() and self._heard_at == heard:
                call.cancel()
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
        return state.last.llsn >= self._next


_Call: TypeAlias = grpc.aio.UnaryStreamCall[snpb_pb2.SubscribeToRequest, snpb_pb2.SubscribeToResponse]


def _asked_to_stop() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
