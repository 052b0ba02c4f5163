"""A log stream of a simulated Varlog: it may do what the real one was seen to do, and nothing else.

What it was seen to do: commit an append seconds after its client has gone; answer late, or never; discard on
a seal what isn't committed, and tell those streams "sealed" after the answers they are still due; lose on
a restart a tail of what was accepted and not committed, while every stream breaks; let a backup lag behind
the primary in what it says and in what it serves; be trimmed.

It never loses a committed entry, never commits a part of a batch, and keeps the order of acceptance.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from varlog_client import Callback
from varlog_client.errors import (
    AppenderClosed,
    AppendError,
    AppendNotSent,
    CallTimeout,
    Closed,
    Sealed,
    StreamBroken,
    Trimmed,
    Unavailable,
)
from varlog_client.types import (
    GLSN,
    LLSN,
    ClusterMetadata,
    EntryMeta,
    LogEntry,
    LogStream,
    LogStreamId,
    LogStreamState,
    LogStreamStatus,
    Replica,
    ReplicaState,
    SequenceNumber,
    StorageNodeId,
    TopicId,
)

TOPIC_ID = TopicId(1)
LOG_STREAM_ID = LogStreamId(1)
PRIMARY, BACKUP = 1, 2


@dataclass(eq=False)
class Request:
    """One append on its way: sent, perhaps accepted, perhaps committed, perhaps answered."""

    appender: SimulatedAppender
    payloads: list[bytes]
    callback: Callback
    answered: bool = False


@dataclass
class SimulatedLog:
    rng: random.Random
    entries: list[bytes] = field(default_factory=list)  # committed, also those that were trimmed
    first: int = 1
    sealed: bool = False
    stuck: bool = False  # accepts, commits nothing
    primary_up: bool = True
    lag: int = 0  # how many committed entries the backup hasn't heard of
    accepted: deque[Request] = field(default_factory=deque)
    open_appenders: list[SimulatedAppender] = field(default_factory=list)
    appenders: list[SimulatedAppender] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    # Faults, one at a time, by the scenario

    def break_streams(self) -> None:
        """Connections are cut. What was accepted may still be committed, what is on the wire may arrive."""
        for appender in list(self.open_appenders):
            appender.end(StreamBroken("connection lost", log_stream_id=LOG_STREAM_ID))

    def seal(self) -> None:
        """Discards everything that isn't committed; answers under way still arrive before the end."""
        self.sealed = True
        discarded, self.accepted = list(self.accepted), deque()
        for request in discarded:
            request.appender.end_soon(Sealed("sealed", log_stream_id=LOG_STREAM_ID))
        self._change()

    def unseal(self) -> None:
        self.sealed = False

    def restart(self) -> None:
        """The primary is killed: a tail of what it had accepted is lost, and the stream comes back sealed."""
        kept = self.rng.randint(0, len(self.accepted))
        while len(self.accepted) > kept:
            self.accepted.pop()
        self.break_streams()
        while self.accepted:
            self._commit()
        self.sealed = True

    def trim(self, first: int) -> None:
        self.first = max(self.first, first)

    def calm(self) -> None:
        """No more faults: everything that is due happens."""
        self.sealed = self.stuck = False
        self.primary_up, self.lag = True, 0
        self._change()

    # The cluster's own work

    async def delay(self, longest_s: float = 0.02) -> None:
        await asyncio.sleep(self.rng.random() ** 3 * longest_s)

    async def run(self) -> None:
        """Commits what was accepted, batch by batch, in order."""
        while True:
            while self.stuck or not self.accepted:
                await self._changed.wait()
            await self.delay(0.004)
            if self.accepted and not self.stuck:
                self._commit()

    def accept(self, request: Request) -> None:
        if self.sealed:
            request.appender.end_soon(Sealed("sealed", log_stream_id=LOG_STREAM_ID))
        else:
            self.accepted.append(request)
            self._change()

    def _commit(self) -> None:
        request = self.accepted.popleft()
        first = len(self.entries) + 1
        self.entries += request.payloads
        self._change()
        request.appender.answer_soon(request, first)

    def _change(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


class SimulatedClient:
    """`varlog_client.Log` as one node sees it; `frozen_until` stops what it hears, as SIGSTOP would."""

    def __init__(self, log: SimulatedLog) -> None:
        self.log = log
        self.frozen_until = 0.0
        replicas = tuple(
            Replica(storage_node_id=StorageNodeId(n), storage_node_path=f"/{n}") for n in (PRIMARY, BACKUP)
        )
        stream = LogStream(
            topic_id=TOPIC_ID,
            log_stream_id=LOG_STREAM_ID,
            status=LogStreamStatus.RUNNING,
            replicas=replicas,
        )
        self.metadata = ClusterMetadata(version=1, log_streams={LOG_STREAM_ID: stream})

    async def hear(self) -> None:
        """The time until the node notices what has happened."""
        await self.log.delay(0.005)
        while (rest := self.frozen_until - asyncio.get_running_loop().time()) > 0:
            await asyncio.sleep(rest)

    async def refresh(self) -> None:
        await self.hear()

    async def peek(self, topic_id: TopicId, log_stream_id: LogStreamId) -> LogStreamState:
        log = self.log
        await log.delay()
        committed = len(log.entries)
        heard = {BACKUP: max(0, committed - log.lag)} if log.rng.random() < 0.97 else {}
        if log.primary_up:
            heard[PRIMARY] = committed
        sealed, first = log.sealed, log.first
        await self.hear()
        if not heard:
            raise Unavailable("no replica answers")
        return _state(LogStreamStatus.SEALED if sealed else LogStreamStatus.RUNNING, first, heard)

    def subscribe_to(self, topic_id: TopicId, log_stream_id: LogStreamId, begin: int, end: int) -> Entries:
        return Entries(self, begin, end)

    def appender(
        self, topic_id: TopicId, log_stream_id: LogStreamId, *, pipeline: int, call_timeout_s: float
    ) -> SimulatedAppender:
        return SimulatedAppender(self, pipeline, call_timeout_s)


def _state(status: LogStreamStatus, first: int, heard: dict[int, int]) -> LogStreamState:
    def numbers(llsn: int, last: int) -> SequenceNumber:
        llsn = 0 if last < first else llsn
        return SequenceNumber(LLSN(llsn), GLSN(llsn))

    last = max(heard.values())
    replicas = tuple(
        ReplicaState(
            storage_node_id=StorageNodeId(node),
            status=status,
            version=known,
            global_high_watermark=GLSN(known),
            low_watermark=numbers(first, known),
            high_watermark=numbers(known, known),
        )
        for node, known in heard.items()
    )
    running = status is LogStreamStatus.RUNNING
    return LogStreamState(
        first=numbers(first, last),
        last=numbers(last, last),
        replicas=replicas,
        readable=True,
        appendable=running and PRIMARY in heard,
        sealed=not running and len(heard) == 2,
    )


class Entries:
    """Entries from a replica that may lag; it waits for what isn't there yet."""

    def __init__(self, client: SimulatedClient, begin: int, end: int) -> None:
        self._client, self._next, self._end = client, begin, end

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.sleep(0)

    async def __aiter__(self) -> AsyncIterator[LogEntry]:
        log = self._client.log
        await log.delay()
        while self._next < self._end:
            if log.rng.random() < 0.01:
                raise Unavailable("the replica went away")
            if self._next < log.first:
                raise Trimmed(TOPIC_ID, LOG_STREAM_ID, LLSN(self._next))
            if self._next > len(log.entries):
                await log._changed.wait()
                continue
            await self._client.hear()
            self._next += 1
            yield LogEntry(LLSN(self._next - 1), GLSN(0), log.entries[self._next - 2])


class SimulatedAppender:
    def __init__(self, client: SimulatedClient, pipeline: int, call_timeout_s: float) -> None:
        self._client = client
        self._log = client.log
        self._call_timeout_s = call_timeout_s
        self._unanswered: deque[Request] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._wire: asyncio.Queue[Request] = asyncio.Queue()
        self._news: asyncio.Queue[tuple[Request | None, int, AppendError | None]] = asyncio.Queue()
        self._watch: asyncio.TimerHandle | None = None
        self.pipeline = pipeline
        self.broken: AppendError | None = None
        self.closed = False
        self._log.open_appenders.append(self)
        self._log.appenders.append(self)
        self._start(self._deliver())
        self._start(self._hear())

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)

    @property
    def in_flight(self) -> int:
        return len(self._unanswered)

    @property
    def free_slots(self) -> int:
        return self.pipeline - self.in_flight

    async def append_batch(self, payloads: Sequence[bytes], callback: Callback) -> None:
        self.append_batch_nowait(payloads, callback)
        await asyncio.sleep(0)

    def append_batch_nowait(self, payloads: Sequence[bytes], callback: Callback) -> bool:
        if self.closed:
            raise Closed("closed")
        if not self.free_slots:
            return False
        request = Request(self, [bytes(p) for p in payloads], callback)
        self._unanswered.append(request)
        if self.broken is not None:
            error = AppendNotSent(str(self.broken), log_stream_id=LOG_STREAM_ID)
            asyncio.get_running_loop().call_soon(self._tell, request, None, error)
            return True
        self._wire.put_nowait(request)
        if self._watch is None:
            self._watch = asyncio.get_running_loop().call_later(self._call_timeout_s, self._timed_out)
        return True

    # On the way to the storage node; a cut leaves what is on the wire on its way for a moment

    async def _deliver(self) -> None:
        while True:
            request = await self._wire.get()
            await self._log.delay(0.003)
            if self.broken is None or self._log.rng.random() < 0.3:
                self._log.accept(request)

    # On the way back

    def answer_soon(self, request: Request, first: int) -> None:
        if self._log.rng.random() > 0.01:  # else the answer is lost: the stream hangs
            self._news.put_nowait((request, first, None))

    def end_soon(self, error: AppendError) -> None:
        self._news.put_nowait((None, 0, error))

    async def _hear(self) -> None:
        while True:
            request, first, error = await self._news.get()
            await self._client.hear()
            if error is not None:
                self.end(error)
            elif request is not None and not request.answered:
                if self._unanswered and self._unanswered[0] is not request:
                    continue  # answers come in order: behind a lost one none does
                metas = [
                    EntryMeta(TOPIC_ID, LOG_STREAM_ID, GLSN(llsn), LLSN(llsn))
                    for llsn in range(first, first + len(request.payloads))
                ]
                self._rewatch()
                self._tell(request, metas, None)

    def _tell(self, request: Request, metas: Sequence[EntryMeta] | None, error: AppendError | None) -> None:
        if request.answered:
            return
        request.answered = True
        self._unanswered.remove(request)
        request.callback(metas, error)

    def _rewatch(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if len(self._unanswered) > 1:
            self._watch = asyncio.get_running_loop().call_later(self._call_timeout_s, self._timed_out)

    def _timed_out(self) -> None:
        self._watch = None
        if self._unanswered:
            self.end(CallTimeout("no answer in time", log_stream_id=LOG_STREAM_ID))

    def end(self, error: AppendError) -> None:
        if self.broken is not None:
            return
        self.broken = error
        if self in self._log.open_appenders:
            self._log.open_appenders.remove(self)
        for request in list(self._unanswered):
            self._tell(request, None, error)

    async def close(self) -> None:
        self.closed = True
        self.end(AppenderClosed("closed", log_stream_id=LOG_STREAM_ID))
        if self._watch is not None:
            self._watch.cancel()
        # The delivering task goes on: what was written to the wire may arrive after the close.

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
