"""GlsnReader: one log stream's share of its topic's global order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import grpc.aio

from varlog_client.errors import Corrupt, NotFound, Trimmed, VarlogError
from varlog_client.follower import Follower
from varlog_client.metadata import Metadata
from varlog_client.pb import snpb_pb2, snpb_pb2_grpc
from varlog_client.readahead import ReadAhead
from varlog_client.types import (
    END_GLSN,
    GLSN,
    LLSN,
    NO_GLSN,
    NO_LLSN,
    LogEntry,
    LogStreamId,
    LogStreamState,
    TopicId,
)


class GlsnReader(Follower[snpb_pb2.SubscribeRequest, snpb_pb2.SubscribeResponse]):
    """Reads ahead the log stream's entries with a GLSN in `[wanted(), end)`.

    `wanted` is what the merged order needs next: where no entry was received, reading (again) begins there.
    It always asks without an end and stops at the first entry beyond: a range whose last GLSN lies in
    another log stream might never be ended by the server.
    """

    _response = snpb_pb2.SubscribeResponse

    def __init__(
        self,
        metadata: Metadata,
        topic_id: TopicId,
        log_stream_id: LogStreamId,
        end: GLSN,
        *,
        wanted: Callable[[], GLSN],
        news: asyncio.Event,
        silence_s: float,
        patience_s: float,
        call_timeout_s: float,
    ) -> None:
        self._wanted = wanted
        self._end = end
        self._beyond_end = False
        self._last_glsn = NO_GLSN  # received
        self._last_llsn = NO_LLSN
        self._asked = NO_GLSN  # where the newest call began: the merged order may be further by now
        super().__init__(
            metadata,
            topic_id,
            log_stream_id,
            ReadAhead(news),
            silence_s=silence_s,
            patience_s=patience_s,
            call_timeout_s=call_timeout_s,
        )
        self._reader.add_done_callback(self._ended)

    @property
    def head(self) -> LogEntry | None:
        return self._ahead.head

    def pop(self) -> LogEntry:
        return self._ahead.pop()

    @property
    def failure(self) -> VarlogError | None:
        """What ended the reading; None while it goes on, and where it came to its end."""
        if not self._reader.done() or self._reader.cancelled():
            return None
        error = self._reader.exception()
        if error is not None and not isinstance(error, VarlogError):
            raise error  # a defect of ours
        return error

    def is_past(self, glsn: GLSN) -> bool:
        """Whether what was read shows that `glsn` isn't here."""
        if self.head is not None:
            return self.head.glsn > glsn
        return self._beyond_end or isinstance(self.failure, NotFound)

    def stop(self) -> None:
        """`aclose` without waiting."""
        self._reader.cancel()

    def _ended(self, reader: asyncio.Task[None]) -> None:
        if not reader.cancelled():
            reader.exception()  # whoever waits asks for `failure`
        self._ahead.wake()

    # What the reading task asks for

    def _position(self) -> int:
        return max(self._last_glsn + 1, self._wanted())

    def _more(self) -> bool:
        return not self._beyond_end

    def _call(
        self, channel: grpc.aio.Channel
    ) -> grpc.aio.UnaryStreamCall[snpb_pb2.SubscribeRequest, snpb_pb2.SubscribeResponse]:
        request = snpb_pb2.SubscribeRequest(topic_id=self.topic_id, log_stream_id=self.log_stream_id)
        self._asked = GLSN(self._position())
        request.glsn_begin, request.glsn_end = self._asked, END_GLSN
        return snpb_pb2_grpc.LogIOStub(channel).Subscribe(request)

    def _take(self, response: snpb_pb2.SubscribeResponse, begin: int) -> None:
        glsn, llsn = GLSN(response.glsn), LLSN(response.llsn)
        if glsn < begin or glsn <= self._last_glsn or (self._last_llsn and llsn != self._last_llsn + 1):
            came = f"entry {llsn} with GLSN {glsn}"
            after = f"{self._last_llsn} with GLSN {self._last_glsn}"
            raise Corrupt(f"log stream {self.log_stream_id}: {came} came after {after}, asked for {begin}")
        if glsn >= self._end:
            self._beyond_end = True
            self._ahead.wake()
            return
        self._last_glsn, self._last_llsn = glsn, llsn
        self._ahead.put(LogEntry(llsn, glsn, response.payload))

    def _holds_next(self, state: LogStreamState) -> bool:
        return state.last.glsn >= self._position()

    def _trimmed(self) -> Trimmed:
        return Trimmed(self.topic_id, None, self._asked)
