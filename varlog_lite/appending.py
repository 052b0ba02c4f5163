"""One append stream: requests are accepted in order, answered in order, and ended by the first refusal."""

from __future__ import annotations

import asyncio
from collections import deque

from varlog_lite import status, wire
from varlog_lite.cluster import Cluster
from varlog_lite.rpc import Context
from varlog_lite.status import Refusal
from varlog_lite.streams import LogStream, Placed, Session, Status
from varlog_lite.wire import AppendRequest

READ_AHEAD = 10
"""Requests of one stream that are read and not answered yet: Varlog's default."""


class _Unanswered:
    __slots__ = ("count", "done")

    def __init__(self, done: asyncio.Future[Placed], count: int) -> None:
        self.done = done
        self.count = count


class AppendSession:
    """Between `run` and its return, two coroutines: one accepts, `run` itself answers.

    The first request binds the ids. Whatever refuses a request ends the stream, after the answers to
    the requests before it.
    """

    def __init__(self, cluster: Cluster, context: Context) -> None:
        self._cluster = cluster
        self._context = context
        self._session = Session()
        self._stream: LogStream | None = None
        self._ids = (0, 0)
        self._unanswered: deque[_Unanswered] = deque()
        self._room = asyncio.Semaphore(READ_AHEAD)
        self._news = asyncio.Event()
        self._refusal: Refusal | None = None
        self._accepting = True
        self._stopping = False
        self._acceptor: asyncio.Task[None] | None = None

    async def run(self) -> Refusal | None:
        """Until the client half-closes or a request is refused; the refusal, or None for OK.

        Cancelling leaves appends that were accepted to the writer, unanswered.
        """
        self._acceptor = asyncio.create_task(self._accept())
        try:
            await self._answer()
            await self._acceptor
        except Refusal as refusal:
            self._refusal = refusal
        finally:
            self._acceptor.cancel()
            await asyncio.gather(self._acceptor, return_exceptions=True)
            for entry in self._unanswered:
                entry.done.cancel()
        return self._refusal

    def stop(self) -> None:
        """The server ends: no more requests are read, those accepted are still answered."""
        self._stopping = True
        if self._acceptor is not None:
            self._acceptor.cancel()

    async def _accept(self) -> None:
        try:
            while not self._stopping:
                await self._room.acquire()
                await self._cluster.writer.room()
                raw: object = await self._context.read()
                if not isinstance(raw, bytes):  # EOF: the client has half-closed
                    return
                self._submit(raw)
            self._refusal = status.shutting_down()
        except Refusal as refusal:
            self._refusal = refusal
        except asyncio.CancelledError:
            self._refusal = self._refusal or status.shutting_down()
        finally:
            self._accepting = False
            self._news.set()

    def _submit(self, raw: bytes) -> None:
        try:
            request = wire.parse_append(raw)
        except wire.MalformedRequest as error:
            raise status.malformed_append() from error
        stream = self._bound(request)
        if stream.closed:
            raise status.closed()
        if stream.status is not Status.RUNNING:
            raise status.sealed()
        if stream.registered:
            done = self._cluster.writer.append(self._session, stream, request.runs, request.entry_count)
        else:
            done = stream.hang()
        self._unanswered.append(_Unanswered(done, request.entry_count))
        self._news.set()

    def _bound(self, request: AppendRequest) -> LogStream:
        """In the order in which a storage node checks."""
        if not request.entry_count:
            raise status.doubled(status.no_payload())
        ids = (request.topic_id, request.log_stream_id)
        if self._stream is not None:
            if ids != self._ids:
                raise status.doubled(status.unmatched_ids())
            return self._stream
        if request.topic_id <= 0:
            raise status.doubled(status.invalid_topic(request.topic_id))
        if request.log_stream_id <= 0:
            raise status.doubled(status.invalid_log_stream(request.log_stream_id))
        self._stream, self._ids = self._cluster.find(*ids), ids
        if self._stream is None:
            raise status.doubled(status.no_such_log_stream())
        return self._stream

    async def _answer(self) -> None:
        while True:
            while self._unanswered:
                entry = self._unanswered[0]
                place = await entry.done
                topic_id, log_stream_id = self._ids
                response = wire.append_response(topic_id, log_stream_id, place.glsn, place.llsn, entry.count)
                await self._context.write(response)
                self._unanswered.popleft()
                self._room.release()
            if not self._accepting:
                return
            self._news.clear()
            await self._news.wait()
