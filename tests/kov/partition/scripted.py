"""A log stream in memory whose faults the test makes by hand.

It stores what Varlog would store and answers when the test says so: `hold`, then `complete`, `lose`
(refused, certainly not stored), `strand` (stored, but the answer is lost) or `hang_up` (neither told nor
stored). It stands in for `varlog_client.Log` where a fault can't be made with a real server at a chosen
step; everything else runs against one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self, cast
from uuid import UUID

from kov.budget import Budget
from kov.partition.identity import PartitionIdentity, WriterIdentity
from kov.partition.limits import Limits
from kov.partition.partition import Partition
from kov.partition.stream import Stream
from kov.partition.tail import TailBudget
from kov.partition.unsealing import Unsealer
from kov.topics import Origin, Topic, TopicConfig
from varlog_client import Callback, Log
from varlog_client.errors import (
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
IDENTITY = PartitionIdentity(cluster_id=1, topic_uuid=UUID(int=5), index=0)


@dataclass
class Sent:
    """An append that isn't answered."""

    appender: ScriptedAppender
    payloads: list[bytes]
    callback: Callback


class ScriptedLog:
    def __init__(self) -> None:
        self.entries: list[bytes] = []  # also those that were trimmed
        self.first = 1
        self.read = 0
        self.lag = 0  # how many entries the backup hasn't heard of
        self.primary_answers = True
        self.primary_is_sealing = False  # it was restarted, and has forgotten as much as the backup lags
        self.sent: deque[Sent] = deque()
        self.holding: Callable[[bytes], bool] | None = None
        self.sealed = False
        self.unreachable = False
        self.appenders = 0
        self.watches_s: list[float] = []  # one for each appender
        self._grown = asyncio.Event()
        replicas = tuple(Replica(storage_node_id=StorageNodeId(n), storage_node_path=f"/{n}") for n in (1, 2))
        stream = LogStream(
            topic_id=TOPIC_ID,
            log_stream_id=LOG_STREAM_ID,
            status=LogStreamStatus.RUNNING,
            replicas=replicas,
        )
        self.metadata = ClusterMetadata(version=1, log_streams={LOG_STREAM_ID: stream})

    # What the test does

    def hold(self, which: Callable[[bytes], bool] = lambda payload: payload[0] < 0x80) -> None:
        """From now on appends that begin with such an entry wait for the test; by default data only."""
        self.holding = which

    def release(self) -> None:
        """Answers everything that waits, and from now on at once."""
        self.holding = None
        while self.sent:
            self.complete()

    def complete(self) -> None:
        """Stores the oldest append that waits, and answers it."""
        sent = self.sent.popleft()
        self._answer(sent, self.store(sent.payloads), None)

    def strand(self, *, stored: int | None = None) -> None:
        """Breaks the stream of the oldest append: of what waits the first `stored` appends are kept."""
        waiting = list(self.sent)
        keep = len(waiting) if stored is None else stored
        for sent in waiting[:keep]:
            self.store(sent.payloads)
        self._end(StreamBroken("cut by the test", log_stream_id=LOG_STREAM_ID))

    def lose(self) -> None:
        """Seals and unseals: what waits is certainly not stored."""
        self._end(Sealed("sealed", log_stream_id=LOG_STREAM_ID))

    def time_out(self) -> None:
        """Ends what waits as the client's own watch does: nobody has answered, nothing is stored."""
        self._end(CallTimeout("no answer in time", log_stream_id=LOG_STREAM_ID))

    def store(self, payloads: Sequence[bytes]) -> int:
        """Puts entries at the end, as any writer may; the LLSN of the first."""
        first = len(self.entries) + 1
        self.entries += payloads
        self._grown.set()
        self._grown = asyncio.Event()
        return first

    def trim(self, last: int) -> None:
        """Drops everything up to and including `last`."""
        self.first = last + 1

    def take(self) -> list[Sent]:
        """Ends the streams of what waits and returns it: only the test can still store it."""
        waiting = list(self.sent)
        self._end(StreamBroken("cut by the test", log_stream_id=LOG_STREAM_ID))
        return waiting

    def _end(self, error: AppendError) -> None:
        waiting, self.sent = list(self.sent), deque()
        for sent in waiting:
            sent.appender.broken = error
            self._answer(sent, None, error)

    def _answer(self, sent: Sent, first: int | None, error: AppendError | None) -> None:
        metas = None
        if first is not None:
            metas = [
                EntryMeta(TOPIC_ID, LOG_STREAM_ID, GLSN(llsn), LLSN(llsn))
                for llsn in range(first, first + len(sent.payloads))
            ]
        sent.appender.in_flight -= 1
        sent.callback(metas, error)

    # What the partition does

    async def refresh(self) -> ClusterMetadata:
        await asyncio.sleep(0)
        return self.metadata

    async def peek(self, topic_id: TopicId, log_stream_id: LogStreamId) -> LogStreamState:
        await asyncio.sleep(0)
        if self.unreachable:
            raise Unavailable("no replica answers")
        heard = {2: len(self.entries) - self.lag}
        if self.primary_answers:
            heard[1] = len(self.entries) - (self.lag if self.primary_is_sealing else 0)
        replicas = tuple(self._replica(node, last) for node, last in heard.items())
        return LogStreamState(
            first=max(replica.low_watermark for replica in replicas),
            last=max(replica.high_watermark for replica in replicas),
            replicas=replicas,
            readable=True,
            appendable=not self.sealed,
            sealed=self.sealed,
        )

    def _replica(self, node: int, last: int) -> ReplicaState:
        first, end = (self.first, last) if last >= self.first else (0, 0)
        status = LogStreamStatus.SEALED if self.sealed else LogStreamStatus.RUNNING
        return ReplicaState(
            storage_node_id=StorageNodeId(node),
            status=LogStreamStatus.SEALING if node == 1 and self.primary_is_sealing else status,
            version=last,
            global_high_watermark=GLSN(last),
            low_watermark=SequenceNumber(LLSN(first), GLSN(first)),
            high_watermark=SequenceNumber(LLSN(end), GLSN(end)),
        )

    def subscribe_to(self, topic_id: TopicId, log_stream_id: LogStreamId, begin: int, end: int) -> Entries:
        return Entries(self, begin, end)

    def appender(
        self, topic_id: TopicId, log_stream_id: LogStreamId, *, pipeline: int, call_timeout_s: float
    ) -> ScriptedAppender:
        self.appenders += 1
        self.watches_s.append(call_timeout_s)
        return ScriptedAppender(self, pipeline)

    async def grown(self) -> None:
        await self._grown.wait()


class Entries:
    def __init__(self, log: ScriptedLog, begin: int, end: int) -> None:
        self._log, self._next, self._end = log, begin, end

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.sleep(0)

    async def __aiter__(self) -> AsyncIterator[LogEntry]:
        while self._next < self._end:
            await asyncio.sleep(0)
            if self._next < self._log.first:
                raise Trimmed(TOPIC_ID, LOG_STREAM_ID, LLSN(self._next))
            if self._next > len(self._log.entries):
                await self._log.grown()
                continue
            self._next += 1
            self._log.read += 1
            yield LogEntry(LLSN(self._next - 1), GLSN(0), self._log.entries[self._next - 2])


class ScriptedAppender:
    def __init__(self, log: ScriptedLog, pipeline: int) -> None:
        self._log = log
        self.storage_node_id = StorageNodeId(1)
        self.pipeline = pipeline
        self.in_flight = 0
        self.broken: AppendError | None = None
        self.closed = False

    @property
    def free_slots(self) -> int:
        return self.pipeline - self.in_flight

    async def append_batch(self, payloads: Sequence[bytes], callback: Callback) -> None:
        await asyncio.sleep(0)
        self.append_batch_nowait(payloads, callback)

    def append_batch_nowait(self, payloads: Sequence[bytes], callback: Callback) -> bool:
        if self.closed:
            raise Closed("closed")
        if not self.free_slots:
            return False
        self.in_flight += 1
        self._log.sent.append(Sent(self, [bytes(p) for p in payloads], callback))
        asyncio.get_running_loop().call_soon(self._arrive)
        return True

    def _arrive(self) -> None:
        """The server looks at what has come, in order, unless the test holds it."""
        log = self._log
        for sent in [sent for sent in log.sent if sent.appender is self]:
            refusal: AppendError | None = None
            if self.broken is not None:
                refusal = AppendNotSent(str(self.broken), log_stream_id=LOG_STREAM_ID)
            elif log.sealed:
                refusal = self.broken = Sealed("sealed", log_stream_id=LOG_STREAM_ID)
            elif log.holding is not None and log.holding(sent.payloads[0]):
                return
            log.sent.remove(sent)
            first = None if refusal else log.store(sent.payloads)
            log._answer(sent, first, refusal)

    async def close(self) -> None:
        self.closed = True
        await asyncio.sleep(0)


def stream_on(log: ScriptedLog) -> Stream:
    return Stream(cast("Log", log), TOPIC_ID, LOG_STREAM_ID, "kov repair m.yaml orders/0")


def partition_on(
    log: ScriptedLog,
    *,
    node_id: int = 1,
    limits: Limits | None = None,
    config: TopicConfig | None = None,
    memory: Budget | None = None,
    unsealer: Unsealer | None = None,
) -> Partition:
    topic = Topic(
        name="orders",
        uuid=IDENTITY.topic_uuid,
        topic_id=TOPIC_ID,
        log_streams=(LOG_STREAM_ID,),
        origin=Origin.FILE,
        config=config or TopicConfig(),
    )
    node = WriterIdentity(node_id=node_id, addresses={"internal": f"node-{node_id}:9092"})
    return Partition(
        topic,
        0,
        stream_on(log),
        IDENTITY,
        node,
        TailBudget(),
        limits or Limits(retry_s=0.001, max_retry_s=0.01, deposed_s=0.05),
        unsealer=unsealer,
        memory=memory,
    )
