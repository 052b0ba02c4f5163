"""One TCP connection: requests in, answers out in the same order, and never more held than allowed.

From the socket to the handler nothing awaits, so order is the order of arrival. Answers leave in that order
because the queue is a queue: one writer takes the next reply, awaits it, writes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, cast

from kov.budget import Budget
from kov.errors import ProtocolError
from kov.wire.client import Client, Reply
from kov.wire.endings import Ending
from kov.wire.frames import Frame, FrameBuffer
from kov.wire.idleness import Idleness
from kov.wire.limits import Limits
from kov.wire.sockets import address_of, tune

_FLUSH_BYTES: Final = 64 * 1024


class Connection(asyncio.BufferedProtocol):
    """Reads requests until the peer goes, breaks the protocol, or `finish` is called.

    When the peer goes, the reply that is being awaited is cancelled and the others are closed; what they
    stand for (an append) goes on without them.
    """

    def __init__(self, client: Client, limits: Limits, budget: Budget) -> None:
        self.host, self.remote = "", "?"
        self.ending: Ending | None = None
        self._client = client
        self._limits = limits
        self._budget = budget
        self._frames = FrameBuffer(limits.max_request_bytes)
        self._replies: asyncio.Queue[tuple[Reply, int] | None] = asyncio.Queue()
        self._held_bytes = 0
        self._held_requests = 0
        self._begun_bytes = 0  # of a large request that isn't complete; counted in the budget alone
        self._reading = True  # the socket is being read
        self._finishing = False  # no further request is taken
        self._writable = asyncio.Event()
        self._writable.set()
        self._lost = asyncio.Event()
        self._outgoing: list[bytes] = []
        self._outgoing_bytes = 0
        self._linger: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        state = "finishing" if self._finishing else "reading" if self._reading else "paused"
        return f"<Connection {self.remote} {state} requests={self._held_requests} bytes={self._held_bytes}>"

    @property
    def held(self) -> tuple[int, int]:
        """The requests in progress, and the bytes that are held for it."""
        return self._held_requests, self._held_bytes + self._begun_bytes

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)
        self._loop = asyncio.get_running_loop()
        self._idleness = Idleness(self._loop.time())
        self.host, self.remote = address_of(transport.get_extra_info("peername"))
        tune(transport.get_extra_info("socket"))
        self._writer = self._loop.create_task(self._write_replies(), name=f"replies to {self.remote}")
        self._client.opened(self)

    def get_buffer(self, _sizehint: int) -> memoryview:
        return self._frames.room(tight=self._no_room())

    def buffer_updated(self, nbytes: int) -> None:
        if self._finishing:
            return
        try:
            for frame in self._frames.received(nbytes):
                self._take(frame)
        except ProtocolError as error:
            self._client.broke(error)
            self.finish(Ending.PROTOCOL)
        else:
            self._idleness.received(nbytes, self._loop.time())
            self._count_begun()
            self._pause_if_full()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ends(Ending.CLIENT if exc is None else Ending.RESET)
        self._finishing = True
        self._lost.set()
        self._writer.cancel()
        if self._linger is not None:
            self._linger.cancel()
        self._forget_begun()
        self._budget.forget(self._read_on_if_room)
        self._budget.give(self._held_bytes)
        self._held_bytes = 0
        self._outgoing = []
        self._client.lost()

    # Requests.

    def _take(self, frame: Frame) -> None:
        size = len(frame)
        reply = self._client.answer(frame)
        self._held_bytes += size
        self._held_requests += 1
        self._budget.take(size)
        self._replies.put_nowait((reply, size))

    def _count_begun(self) -> None:
        """What has come of a request counts as it grows, so that many slow ones can't take all memory."""
        before, self._begun_bytes = self._begun_bytes, self._frames.held_bytes
        if self._begun_bytes > before:
            self._budget.take(self._begun_bytes - before)
            if not before:
                self._idleness.ends(self._loop.time())
        elif self._begun_bytes < before:
            self._budget.finished(self._read_on_if_room)
            self._budget.give(before - self._begun_bytes)

    def _forget_begun(self) -> None:
        self._frames.clear()
        self._count_begun()

    def _own_bounds_reached(self) -> bool:
        limits = self._limits
        return (
            self._held_bytes >= limits.max_connection_bytes
            or self._held_requests >= limits.max_connection_requests
        )

    def _pause_if_full(self) -> None:
        if self._reading and (self._own_bounds_reached() or self._no_room()):
            self._reading = False
            self._transport.pause_reading()
            self._read_on_if_room()

    def _no_room(self) -> bool:
        """Whether memory is short, and it isn't this one's turn to finish nevertheless what it has begun."""
        if not self._budget.exhausted:
            return False
        return not self._begun_bytes or not self._budget.may_finish(self._read_on_if_room)

    def _read_on_if_room(self) -> None:
        """Reads on after a pause, as soon as the bounds allow; called whenever one may have changed."""
        if self._reading or self._finishing or self._own_bounds_reached() or self._transport.is_closing():
            return
        if self._no_room():
            self._budget.tell(self._read_on_if_room)
        else:
            self._reading = True
            self._idleness.ends(self._loop.time())  # what it sent meanwhile lay unread
            self._transport.resume_reading()

    # Answers.

    async def _write_replies(self) -> None:
        try:
            while (entry := await self._replies.get()) is not None:
                await self._write_reply(*entry)
                entry = None  # an idle connection holds on to no request
        except ProtocolError as error:
            self.ends(Ending.PROTOCOL)
            self._client.broke(error)
        except asyncio.CancelledError:
            # Only `connection_lost` cancels it. A task that ends by this keeps it, and with it, in a circle,
            # this connection and the answer that was being written.
            pass
        finally:
            self._end()

    async def _write_reply(self, reply: Reply, size: int) -> None:
        answer = await reply
        if answer is not None:
            length = sum(map(len, answer))
            size += self._hold_answer(length)
            await self._write(answer, length)
        self._release(size)

    def _hold_answer(self, size: int) -> int:
        """A large answer is held until the socket takes it; a small one isn't worth the counting."""
        if size < _FLUSH_BYTES:
            return 0
        self._held_bytes += size
        self._budget.take(size)
        return size

    async def _write(self, pieces: Sequence[bytes], length: int) -> None:
        """Hands an answer to the socket, together with those that are ready in the same turn of the loop.

        What a group commit settles at once thus costs one system call, not one for each request.
        """
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing += pieces
        self._outgoing_bytes += length
        if self._outgoing_bytes >= _FLUSH_BYTES:
            self._flush()
        await self._writable.wait()

    def _flush(self) -> None:
        outgoing, self._outgoing, self._outgoing_bytes = self._outgoing, [], 0
        if outgoing and not self._transport.is_closing():
            self._transport.writelines(outgoing)

    def _release(self, size: int) -> None:
        if not self._lost.is_set():
            self._held_bytes -= size
            self._held_requests -= 1
            self._idleness.ends(self._loop.time())
            self._read_on_if_room()
            self._budget.give(size)

    def _end(self) -> None:
        """The writer's last act: hang up, and close the replies that nobody will await."""
        self._finishing = True
        while not self._replies.empty():
            entry = self._replies.get_nowait()
            if entry is not None:
                entry[0].close()
        if not self._lost.is_set():
            self._flush()
            self._transport.close()
            self._start_lingering()

    # The end.

    def end_if_idle(self) -> bool:
        """Ends it if its peer has been getting nowhere for too long (`Limits.max_idle_s`), and says so.

        For a sweep over all connections: there is no timer for each.
        """
        if self._finishing:
            return False  # it has its own bound
        now = self._loop.time()
        if not self._writable.is_set():
            return self._end_if_unread(now)
        bound_s = self._patience_s()
        if not self._reading or bound_s is None or not self._idleness.reached(bound_s, now):
            return False
        if self._frames.unfinished:
            self._client.broke(ProtocolError("a request has begun and doesn't arrive"))
            self.ends(Ending.STALLED)
        self.finish(Ending.IDLE)
        return True

    def _patience_s(self) -> float | None:
        """How long it may send nothing whole; None: as long as it likes, for its answers are under way."""
        if self._begun_bytes and self._budget.exhausted:
            return min(self._limits.stalled_s, self._limits.max_idle_s)
        return None if self._held_requests else self._limits.max_idle_s

    def _end_if_unread(self, now: float) -> bool:
        limits = self._limits
        bound_s = min(limits.stalled_s, limits.max_idle_s) if self._budget.exhausted else limits.max_idle_s
        self._idleness.unread(self._transport.get_write_buffer_size(), now)
        if not self._idleness.reached(bound_s, now):
            return False
        self.ends(Ending.UNREAD)
        self._client.broke(ProtocolError("its answers are not being read"))
        self.abort()
        return True

    def ends(self, why: Ending) -> None:
        """What is said first counts."""
        self.ending = self.ending or why

    def finish(self, why: Ending = Ending.STOPPING) -> None:
        """Takes no further request, answers those that were taken, then hangs up. Idempotent.

        What a peer sends that broke the protocol is read on and dropped: were it not, nobody would notice
        that it has gone, while a Fetch before its mistake may wait for weeks.
        """
        if not self._finishing:
            self.ends(why)
            self._finishing = True
            self._forget_begun()
            self._replies.put_nowait(None)
            # Closing, uvloop's refuses to be paused.
            if why is not Ending.PROTOCOL and not self._transport.is_closing():
                self._transport.pause_reading()
            self._start_lingering()

    def _start_lingering(self) -> None:
        if self._linger is not None:
            self._linger.cancel()
        self._linger = self._loop.call_later(self._limits.linger_s, self._cut_if_stuck)

    def _cut_if_stuck(self) -> None:
        """A peer that is to go and doesn't take what it asked for is not waited for."""
        if self._transport.is_closing() or not self._writable.is_set():
            self._transport.abort()
        else:
            self._start_lingering()

    def abort(self) -> None:
        """Hangs up at once; replies under way are cancelled."""
        self._transport.abort()

    async def wait_closed(self) -> None:
        """Until the connection is gone and its writer has ended. May be cancelled."""
        await self._lost.wait()
        await asyncio.wait([self._writer])
