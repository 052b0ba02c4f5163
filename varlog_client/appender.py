"""LogStreamAppender: batches go out on one stream, several at a time; callbacks tell what became of them."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeAlias

import grpc.aio

from varlog_client.batches import Payload, ProtocolBroken, decode_response, encode_ids, encode_request
from varlog_client.errors import (
    AppenderClosed,
    AppendError,
    AppendNotSent,
    AppendUnknown,
    CallTimeout,
    Closed,
    StreamBroken,
    append_error,
)
from varlog_client.slots import Slots
from varlog_client.types import EntryMeta, LogStreamId, StorageNodeId, TopicId

_log = logging.getLogger(__name__)

Callback: TypeAlias = Callable[[Sequence[EntryMeta] | None, AppendError | None], None]
"""Exactly one of the two is not None: where the entries of the batch lie, or why that isn't known."""

_APPEND = "/varlog.snpb.LogIO/Append"
_MAX_PIPELINE = 8


class LogStreamAppender:
    """Appends batches to one log stream, up to `pipeline` of them at a time. Made by `Log.appender`.

    **Order.** The order in which batches are accepted is the order in which they are sent, get their LLSNs
    and are called back. Calls to `append_batch` that wait are served first come, first served.

    **Callbacks** are plain functions. They run one at a time on the event loop, exactly one call per accepted
    batch: with one `EntryMeta` per payload, LLSNs consecutive, or with an error. A batch's slot is free again
    before its callback runs, so a callback may append, also with a pipeline of 1 (unless somebody waits for
    that slot). What a callback raises is logged and stops nothing.

    **Errors.** The type says what is certain: `AppendRefused` was not stored and won't be, `AppendUnknown`
    was sent and may be stored now, later or never. The first error ends the appender: `broken` names it, all
    sent batches get the same error, those not sent yet and all later ones get `AppendNotSent`. Nothing is
    sent twice, and no new stream is opened: close it, and ask the `Log` for another.

    **Time.** `call_timeout_s` counts from the moment a batch is sent (while the connection is being made:
    accepted). When the oldest is over it, the stream ends with `CallTimeout`. None waits for ever, and a
    storage node may well never answer.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        topic_id: TopicId,
        log_stream_id: LogStreamId,
        storage_node_id: StorageNodeId,
        *,
        pipeline: int,
        default_callback: Callback | None,
        call_timeout_s: float | None,
        on_end: Callable[[LogStreamAppender], None],
    ) -> None:
        self.topic_id = topic_id
        self.log_stream_id = log_stream_id
        self.storage_node_id = storage_node_id
        self.pipeline = max(1, min(pipeline, _MAX_PIPELINE))
        self.broken: AppendError | None = None
        self._ids = encode_ids(topic_id, log_stream_id)
        self._default_callback = default_callback or _ignore
        self._call_timeout_s = call_timeout_s
        self._on_end = on_end
        self._closed = False

        self._slots = Slots(self.pipeline)  # taken by what is in the next two
        self._queue: deque[_Batch] = deque()  # accepted, not sent
        self._sent: deque[_Batch] = deque()  # not answered
        self._outcomes: deque[_Outcome] = deque()  # not called back
        self._calling_back = False
        self._arrived = asyncio.Event()
        self._watch: asyncio.TimerHandle | None = None

        self._loop = asyncio.get_running_loop()
        self._call: _Call = channel.stream_stream(_APPEND)()
        name = f"varlog append {log_stream_id}"
        self._sender = self._loop.create_task(self._send_loop(), name=f"{name}: send")
        self._receiver = self._loop.create_task(self._receive_loop(), name=f"{name}: receive")

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"broken: {self.broken}" if self.broken else "open"
        return (
            f"<LogStreamAppender {self.topic_id}/{self.log_stream_id} on node {self.storage_node_id} "
            f"in_flight={self.in_flight}/{self.pipeline} {state}>"
        )

    @property
    def in_flight(self) -> int:
        """Slots in use: accepted and not answered."""
        return self._slots.taken

    @property
    def free_slots(self) -> int:
        """How many more batches `append_batch_nowait` takes now."""
        return self.pipeline - self._slots.taken

    async def append_batch(self, payloads: Sequence[Payload], callback: Callback | None = None) -> None:
        """Accepts a batch as soon as a slot is free, and returns; its answer comes to the callback.

        The payloads are copied. Cancelled while it waits, it has accepted nothing. Raises `ValueError` for
        an empty batch, `TypeError` for a payload that isn't one, `Closed` when the appender was closed
        before or while it waited. That the appender is broken is told to the callback.
        """
        self._check(payloads)
        request = encode_request(self._ids, payloads)
        await self._slots.wait()
        self._accept(request, len(payloads), callback)

    def append_batch_nowait(self, payloads: Sequence[Payload], callback: Callback | None = None) -> bool:
        """Like `append_batch`, but where that would wait this returns False and has accepted nothing."""
        self._check(payloads)
        if not self.free_slots:
            return False
        request = encode_request(self._ids, payloads)
        self._slots.take()
        self._accept(request, len(payloads), callback)
        return True

    async def close(self) -> None:
        """Ends the stream at once: it does not wait for answers.

        Sent batches get `AppenderClosed`, which leaves their fate unknown, unsent ones `AppendNotSent`. All
        callbacks have run when this returns (called from a callback: all but that one). Idempotent; when
        cancelled, the appender is closed nevertheless.
        """
        self._closed = True
        self._slots.close(Closed("the appender was closed"))
        self._end(AppenderClosed("the appender was closed", log_stream_id=self.log_stream_id))
        self._call_back()
        await asyncio.wait([self._sender, self._receiver])

    # Accepting and sending

    def _check(self, payloads: Sequence[Payload]) -> None:
        if self._closed:
            raise Closed("the appender was closed")
        if not payloads:
            raise ValueError("a batch has at least one entry")

    def _accept(self, request: bytes, entries: int, callback: Callback | None) -> None:
        batch = _Batch(request, entries, callback or self._default_callback, self._loop.time())
        if self.broken is not None:
            self._settle(batch, None, self._not_sent(self.broken))
            self._loop.call_soon(self._call_back)
            return
        self._queue.append(batch)
        self._arrived.set()
        if self._watch is None and self._call_timeout_s is not None:
            self._watch = self._loop.call_later(self._call_timeout_s, self._look_at_oldest)

    async def _send_loop(self) -> None:
        try:
            await self._call.wait_for_connection()
            while True:
                while self._queue:
                    await self._send(self._queue.popleft())
                self._arrived.clear()
                await self._arrived.wait()
        except (grpc.aio.AioRpcError, grpc.aio.InternalError, asyncio.InvalidStateError):
            return  # the stream ended; why, the receive loop is told
        except Exception:  # a bug of ours: the batches must not wait for ever
            self._call.cancel()
            raise

    async def _send(self, batch: _Batch) -> None:
        batch.since = self._loop.time()
        self._sent.append(batch)
        request, batch.request = batch.request, b""
        # Not `write()`: where the stream has just ended, that replaces the server's status by INTERNAL and
        # drops answers that had arrived, and "sealed" would be reported as unknown.
        await self._call._cython_call.send_serialized_message(request)  # type: ignore[attr-defined]  # noqa: SLF001

    # Answers

    async def _receive_loop(self) -> None:
        reason: AppendError = StreamBroken("the stream was dropped", log_stream_id=self.log_stream_id)
        try:
            while isinstance(response := await self._call.read(), bytes):
                self._answered(response)
            reason = StreamBroken("the storage node ended the stream", log_stream_id=self.log_stream_id)
        except grpc.aio.AioRpcError as error:
            reason = append_error(error, self.log_stream_id, self.storage_node_id)
        except ProtocolBroken as error:
            message = f"storage node {self.storage_node_id} answered with {error}"
            reason = AppendUnknown(message, log_stream_id=self.log_stream_id)
        finally:
            self._end(reason)

    def _answered(self, response: bytes) -> None:
        asked = self._sent[0].entries if self._sent else 0
        metas = decode_response(response, self.topic_id, self.log_stream_id, entries=asked)
        self._settle(self._sent.popleft(), metas, None)
        self._call_back()

    def _look_at_oldest(self) -> None:
        self._watch = None
        waiting = self._sent or self._queue
        if not waiting or self._call_timeout_s is None:
            return
        due = waiting[0].since + self._call_timeout_s
        if due <= self._loop.time():
            message = f"no answer within {self._call_timeout_s:g} s"
            self._end(CallTimeout(message, log_stream_id=self.log_stream_id))
        else:
            self._watch = self._loop.call_at(due, self._look_at_oldest)

    # Ends

    def _end(self, error: AppendError) -> None:
        if self.broken is not None:
            return
        self.broken = error
        self._call.cancel()
        self._sender.cancel()
        if self._watch is not None:
            self._watch.cancel()
        while self._sent:
            self._settle(self._sent.popleft(), None, error)
        while self._queue:
            self._settle(self._queue.popleft(), None, self._not_sent(error))
        self._on_end(self)
        self._call_back()

    def _not_sent(self, reason: AppendError) -> AppendNotSent:
        error = AppendNotSent(f"not sent, because of: {reason}", log_stream_id=self.log_stream_id)
        error.__cause__ = reason
        return error

    def _settle(self, batch: _Batch, metas: Sequence[EntryMeta] | None, error: AppendError | None) -> None:
        self._outcomes.append((batch.callback, metas, error))
        self._slots.free()

    def _call_back(self) -> None:
        if self._calling_back:
            return  # a callback led here; the loop below goes on when it returns
        self._calling_back = True
        try:
            while self._outcomes:
                callback, metas, error = self._outcomes.popleft()
                try:
                    callback(metas, error)
                except (Exception, asyncio.CancelledError):  # other people's code must not stop the stream
                    _log.exception("a callback of the appender to log stream %d failed", self.log_stream_id)
        finally:
            self._calling_back = False


class _Batch:
    __slots__ = ("callback", "entries", "request", "since")

    def __init__(self, request: bytes, entries: int, callback: Callback, since: float) -> None:
        self.request = request
        self.entries = entries
        self.callback = callback
        self.since = since


_Outcome: TypeAlias = tuple[Callback, Sequence[EntryMeta] | None, AppendError | None]
_Call: TypeAlias = grpc.aio.StreamStreamCall[bytes, bytes]


def _ignore(metas: Sequence[EntryMeta] | None, error: AppendError | None) -> None:
    del metas, error
