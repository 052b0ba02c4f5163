"""Subscriber: the entries of a log stream in order, from whichever replica can give them."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

import grpc.aio

from varlog_client.errors import Closed, Corrupt, Trimmed
from varlog_client.follower import Follower
from varlog_client.metadata import Metadata
from varlog_client.pb import snpb_pb2, snpb_pb2_grpc
from varlog_client.readahead import MAX_ENTRIES, ReadAhead
from varlog_client.types import END_LLSN, GLSN, LLSN, LogEntry, LogStreamId, LogStreamState, TopicId


class Subscriber(Follower[snpb_pb2.SubscribeToRequest, snpb_pb2.SubscribeToResponse]):
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

    _response = snpb_pb2.SubscribeToResponse

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
        self._next = begin  # to be read
        self._end = end
        self._closed = False
        super().__init__(
            metadata,
            topic_id,
            log_stream_id,
            ReadAhead(),
            silence_s=silence_s,
            patience_s=patience_s,
            call_timeout_s=call_timeout_s,
        )
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
        await super().aclose()

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

    # What the reading task asks for

    def _position(self) -> int:
        return self._next

    def _more(self) -> bool:
        return self._next < self._end

    def _call(
        self, channel: grpc.aio.Channel
    ) -> grpc.aio.UnaryStreamCall[snpb_pb2.SubscribeToRequest, snpb_pb2.SubscribeToResponse]:
        request = snpb_pb2.SubscribeToRequest(topic_id=self.topic_id, log_stream_id=self.log_stream_id)
        request.llsn_begin, request.llsn_end = self._next, self._end
        return snpb_pb2_grpc.LogIOStub(channel).SubscribeTo(request)

    def _take(self, response: snpb_pb2.SubscribeToResponse, begin: int) -> None:
        message = response.log_entry
        llsn = message.meta.llsn
        if llsn != self._next:
            if llsn > self._next == begin:
                raise self._trimmed()
            raise Corrupt(f"log stream {self.log_stream_id}: entry {llsn} came where {self._next} was due")
        self._ahead.put(LogEntry(LLSN(llsn), GLSN(message.meta.glsn), message.data))
        self._next = LLSN(llsn + 1)

    def _holds_next(self, state: LogStreamState) -> bool:
        return state.last.llsn >= self._next

    def _trimmed(self) -> Trimmed:
        return Trimmed(self.topic_id, self.log_stream_id, self._next)
