"""LogStreamAppender: batches go out on one stream, several at a time; callbacks tell what became of them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeAlias

import grpc.aio

from varlog_client.batches import Batch, Payload, ProtocolBroken, decode_response, encode_ids, encode_request
from varlog_client.callbacks import Callback, Callbacks, ignore, settle
from varlog_client.errors import (
    AppenderClosed,
    AppendError,
    AppendNotSent,
    AppendUnknown,
    CallTimeout,
    Closed,
    NoRoom,
    StreamBroken,
    append_error,
)
from varlog_client.sending import sender
from varlog_client.slots import Slots
from varlog_client.types import EntryMeta, LogStreamId, StorageNodeId, TopicId
from varlog_client.watch import Watch

__all__ = ["Callback", "LogStreamAppender"]

_APPEND = "/varlog.snpb.LogIO/Append"
_MAX_PIPELINE = 8


class LogStreamAppender:
    """Appends batches to one log stream, up to `pipeline` of them at a time. Made by `Log.appender`.

    **Order.** The order in which batches are accepted is the order in which they are sent, get their LLSNs
    and are called back. Calls to `append_batch` that wait are served first come, first served.

    **Callbacks** are plain functions. They run one at a time on the event loop, exactly one call per accepted
    batch: with one `EntryMeta` per payload, LLSNs consecutive, or with an error. A batch's slot is free again
    before its callback runs, so a callback may append, also with a pipeline of 1 (unless somebody waits for
    that slot). What a callback raises is logged and stops nothing. `append` and `append_soon` give the same
    outcome to whoever awaits it.

    **Errors.** The type says what is certain: `AppendRefused` was not stored and won't be, `AppendUnknown`
    was sent and may be stored now, later or never. The first error ends the appender: `broken` names it, all
    sent batches get the same error, those not sent yet and all later ones get `AppendNotSent`. Nothing is
    sent twice, and no new stream is opened: close it, and ask the `Log` for another.

    **Time.** `call_timeout_s` counts from the moment a batch is sent (while the connection is being made:
    accepted). When the oldest is over it, the stream ends with `CallTimeout`; time in which the event loop
    stood still does not count. It also bounds the wait for a slot: `NoRoom`. None waits for ever, and a
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
        self._default_callback = default_callback or ignore
        self._call_timeout_s = call_timeout_s
        self._on_end = on_end
        self._closed = False

        self._slots = Slots(self.pipeline)  # taken by what is in the next two
        self._queue: deque[Batch] = deque()  # accepted, not sent
        self._sent: deque[Batch] = deque()  # not answered
        self._callbacks = Callbacks(log_stream_id)
        self._arrived = asyncio.Event()
        self._watch = Watch(call_timeout_s, self._oldest, self._time_out)

        self._loop = asyncio.get_running_loop()
        self._call: _Call = channel.stream_stream(_APPEND)()
        self._write = sender(self._call)
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
        before or while it waited, `NoRoom` when no slot became free within the call timeout: in each case
        nothing was accepted, and no callback runs. That the appender is broken is told to the callback.
        """
        self._check(payloads)
        request = encode_request(self._ids, payloads)
        if not self._slots.take():
            await self._wait_for_slot()
        self._accept(request, len(payloads), callback)

    async def append_soon(self, payloads: Sequence[Payload]) -> asyncio.Future[Sequence[EntryMeta]]:
        """Like `append_batch`, and returns a future of the batch's outcome: its metas, or its `AppendError`.

        Futures resolve in the order of acceptance. Cancelling one does not take the batch back.
        """
        answer: asyncio.Future[Sequence[EntryMeta]] = self._loop.create_future()
        await self.append_batch(payloads, settle(answer))
        return answer

    async def append(self, payloads: Sequence[Payload]) -> Sequence[EntryMeta]:
        """Appends a batch and waits for its outcome: one meta per payload, or its `AppendError` is raised.

        Raises what `append_batch` raises, too. Cancelled before there was a slot, nothing was sent;
        cancelled later, the batch goes on, and it may be stored.
        """
        return await (await self.append_soon(payloads))

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
        callbacks have run when this returns (called from a callback: all but that one), all futures are
        resolved, and whoever waited for a slot gets `Closed`. Idempotent; when cancelled, the appender is
        closed nevertheless.
        """
        self._closed = True
        self._slots.close(Closed("the appender was closed"))
        self._end(AppenderClosed("the appender was closed", log_stream_id=self.log_stream_id))
        self._callbacks.run()
        await asyncio.wait([self._sender, self._receiver])

    # Accepting and sending

    def _check(self, payloads: Sequence[Payload]) -> None:
        if self._closed:
            raise Closed("the appender was closed")
        if not payloads:
            raise ValueError("a batch has at least one entry")

    async def _wait_for_slot(self) -> None:
        try:
            async with asyncio.timeout(self._call_timeout_s):
                await self._slots.wait()
        except TimeoutError:
            message = f"log stream {self.log_stream_id}: no slot became free in {self._call_timeout_s:g} s"
            raise NoRoom(message) from None

    def _accept(self, request: bytes, entries: int, callback: Callback | None) -> None:
        batch = Batch(request, entries, callback or self._default_callback, self._loop.time())
        if self.broken is not None:
            self._settle(batch, None, self._not_sent(self.broken))
            self._loop.call_soon(self._callbacks.run)
            return
        self._queue.append(batch)
        self._arrived.set()
        self._watch.begin()

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

    async def _send(self, batch: Batch) -> None:
        batch.since = self._loop.time()
        self._sent.append(batch)
        request, batch.request = batch.request, b""
        await self._write(request)

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
        self._callbacks.run()

    # Ends

    def _oldest(self) -> float | None:
        waiting = self._sent or self._queue
        return waiting[0].since if waiting else None

    def _time_out(self) -> None:
        message = f"no answer within {self._call_timeout_s:g} s"
        self._end(CallTimeout(message, log_stream_id=self.log_stream_id))

    def _end(self, error: AppendError) -> None:
        if self.broken is not None:
            return
        self.broken = error
        self._call.cancel()
        self._sender.cancel()
        self._watch.stop()
        while self._sent:
            self._settle(self._sent.popleft(), None, error)
        while self._queue:
            self._settle(self._queue.popleft(), None, self._not_sent(error))
        self._on_end(self)
        self._callbacks.run()

    def _not_sent(self, reason: AppendError) -> AppendNotSent:
        error = AppendNotSent(f"not sent, because of: {reason}", log_stream_id=self.log_stream_id)
        error.__cause__ = reason
        return error

    def _settle(self, batch: Batch, metas: Sequence[EntryMeta] | None, error: AppendError | None) -> None:
        self._callbacks.add(batch.callback, metas, error)
        self._slots.free()


_Call: TypeAlias = grpc.aio.StreamStreamCall[bytes, bytes]
