"""A Kafka partition over a Varlog log stream: the verbs append, read and offsets.

Everything a batch goes through before it is sent happens synchronously in `append`, so that the order of
arrival is the order of the log. What can't be judged yet waits; what is judged goes to the `Writer`; what was
sent and not confirmed is in doubt until an own fence, or another node's, has settled it. Whether this process
may write, and how it comes to that, is `Ownership`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import assert_never

from kio.schema.errors import ErrorCode

from kov import record_checks, records
from kov.budget import Budget
from kov.counting import AppendCounts, PartitionCounts
from kov.errors import KafkaError, Leader, NotLeader
from kov.partition.admission import Shared
from kov.partition.backlog import NEVER, Backlog
from kov.partition.cold_reads import ColdReads
from kov.partition.history import History
from kov.partition.identity import PartitionIdentity, WriterIdentity
from kov.partition.limits import Limits
from kov.partition.opening import Owned
from kov.partition.ownership import Ownership
from kov.partition.pending import Appended, PendingBatch, Waiter, not_stored
from kov.partition.producers import Accept, Duplicate, Producer, Reject
from kov.partition.reader import Fetched, Offset, Reader
from kov.partition.states import State
from kov.partition.status import PartitionStatus
from kov.partition.stream import Stream
from kov.partition.tail import TailBudget
from kov.partition.unsealing import Unsealer
from kov.partition.view import View
from kov.partition.writer import Writer, now_ms
from kov.topics import Topic

__all__ = ["Appended", "Fetched", "Offset", "Partition"]


class Partition:
    """One partition in this process. Any number of nodes may have one for the same log stream: safety
    is in the log. It opens for writing at the first append, and reading never opens it.
    """

    def __init__(
        self,
        topic: Topic,
        index: int,
        stream: Stream,
        identity: PartitionIdentity,
        node: WriterIdentity,
        budget: TailBudget,
        limits: Limits,
        unsealer: Unsealer | None = None,
        memory: Budget | None = None,
        cold_reads: ColdReads | None = None,
        totals: AppendCounts | None = None,
    ) -> None:
        """`memory`: what this and everything else in the process may hold together; `totals`: appended."""
        self.topic = topic
        self.index = index
        self._limits = limits
        self.counts = PartitionCounts(totals)
        self._view = View(budget, self.counts)
        history = History(stream, identity, self._view)
        self._reader = Reader(history, limits, cold_reads)
        self._room = Budget(limits.max_queued_bytes, memory)
        self._backlog = Backlog()
        self._ownership = Ownership(
            self, history, self._backlog, self._reader, node, limits, unsealer, serve=self._serve
        )
        self._writer: Writer | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closing: asyncio.Task[None] | None = None
        self._gone: KafkaError | None = None

    def __repr__(self) -> str:
        end = self._view.end_offset if self._view.loaded else "?"
        in_flight = len(self._writer.in_flight) if self._writer else 0
        queued = len(self._backlog.waiting) + (len(self._writer.queue) if self._writer else 0)
        return (
            f"<Partition {self.topic.name}/{self.index} {self.state.name} next={end} epoch={self.epoch} "
            f"in_flight={in_flight} queued={queued} doubtful={len(self._backlog.doubtful)}>"
        )

    def __str__(self) -> str:
        return f"partition {self.index} of {self.topic.name}"

    @property
    def log_fields(self) -> Mapping[str, object]:
        """What a line of the log about it is about."""
        return {"topic": self.topic.name, "partition": self.index}

    @property
    def state(self) -> State:
        return self._ownership.state

    @property
    def leader(self) -> Leader | None:
        """Who writes the partition, where that is known and isn't this node."""
        return self._ownership.leader

    @property
    def epoch(self) -> int:
        """The newest epoch this process has seen in the log; 0 before it looked."""
        return self._view.fold.position.epoch if self._view.loaded else 0

    @property
    def start_offset(self) -> int:
        """The first offset that can be read; -1 while this process hasn't looked into the log."""
        return self._view.start_offset if self._view.loaded else -1

    @property
    def was_opened(self) -> bool:
        """Whether anybody has asked to write here yet."""
        return self.counts.asked > 0

    @property
    def status(self) -> PartitionStatus:
        """What there is to see from outside."""
        writer, backlog, loaded = self._writer, self._backlog, self._view.loaded
        return PartitionStatus(
            state=self.state,
            epoch=self.epoch,
            start_offset=self.start_offset,
            end_offset=self._view.end_offset if loaded else -1,
            queued_batches=len(backlog.waiting) + (len(writer.queue) if writer else 0),
            in_doubt_batches=len(backlog.doubtful),
            in_flight_appends=len(writer.in_flight) if writer else 0,
            held_bytes=self._room.used,
            storage_node=int(writer.appender.storage_node_id) if writer else None,
            failure=self._ownership.failure if self.state is State.FAILED else "",
            waits_for=self._ownership.waits_for if self.state is State.OPENING else "",
        )

    def configure(self, topic: Topic) -> None:
        """The same topic with other settings, which hold for what is appended from now on."""
        self.topic = topic
        if self._writer is not None:
            self._writer.configure(topic.config)

    # Appending

    def append(self, data: bytes, *, source: object, timeout_s: float) -> asyncio.Future[Appended]:
        """Takes one record batch; its place in the order is taken when this returns. Never blocks.

        Raises `KafkaError` at once for what Kafka would refuse. The future is the caller's own; it ends
        with `Appended` or a `KafkaError` at about `timeout_s` at the latest. Cancelling it says that this
        caller waits no more: a batch that nobody waits for and that wasn't sent is dropped, and never one
        that was sent. `source` is the connection: batches without a producer id keep their order in it.
        """
        self._refuse_in_state(data)
        data, header = record_checks.check(data, records.parse(data), self.topic.config, now_ms())
        loop = asyncio.get_running_loop()
        waiter = Waiter(loop.create_future(), loop.time() + timeout_s)
        full = self._room.exhausted
        batch = PendingBatch(data, header, source, waiter, self._room)
        if full:
            self._backlog.turn_away(batch, loop.time())
        elif self._writer is not None:
            self._submit(self._writer, batch)
        else:
            self._backlog.waiting.append(batch)
            if self.state is State.IDLE:
                self._ownership.start_opening("a producer asks")
        self._arm_timer(waiter.deadline)
        return waiter.future

    def _refuse_in_state(self, data: bytes) -> None:
        match self.state:
            case State.DEPOSED:
                self._ownership.reconsider()
                if not self._ownership.holds:
                    raise self._ownership.not_leader()
            case State.FAILED:
                unjudged = records.parse(data).idempotent  # it may be the retry of a stored one
                code = ErrorCode.request_timed_out if unjudged else ErrorCode.kafka_storage_error
                raise KafkaError(code, self._ownership.failure)
            case State.CLOSED:
                raise self._gone or NotLeader("this node is shutting down", None)
            case State.IDLE | State.OPENING | State.ACTIVE:
                return
            case _:
                assert_never(self.state)

    def _submit(self, writer: Writer, batch: PendingBatch) -> None:
        """Judges a batch against the folded table and what is in flight, and acts on the verdict."""
        if not batch.header.idempotent:
            writer.submit(batch)
            return
        verdict = self._backlog.admission.judge(self._view.fold.producers, batch.header)
        match verdict:
            case Accept():
                self._backlog.admission.accept(batch)
                writer.submit(batch)
            case Shared(batch=original):
                original.join(batch)
            case Duplicate(original=stored):
                batch.succeed(
                    Appended(
                        base_offset=stored.base_offset,
                        log_append_time_ms=stored.timestamp_ms,
                        log_start_offset=self._view.start_offset,
                    )
                )
            case Reject(error=error, final=True):
                # A node that was deposed and doesn't know would say this wrongly: a claim proves first.
                batch.refusal = error
                writer.submit(batch)
            case Reject(error=error):
                batch.fail(error)
            case _:
                assert_never(verdict)

    def _on_settled(self, batch: PendingBatch) -> None:
        self._backlog.admission.settle(batch)
        self._ownership.confirmed()

    # Deadlines

    def _arm_timer(self, deadline: float) -> None:
        if self._timer is not None and self._timer.when() > deadline:
            self._timer.cancel()
            self._timer = None
        if self._timer is None and deadline != NEVER:
            self._timer = asyncio.get_running_loop().call_at(deadline + 0.01, self._expire)

    def _expire(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        self._arm_timer(self._backlog.expire(now, self._writer))

    def _on_unwanted(self, batch: PendingBatch) -> None:
        self._backlog.drop(batch, asyncio.get_running_loop().time(), self._writer)

    # Writing

    def _on_doubt(self, reason: str) -> None:
        """The writer ended: what it sent is in doubt, what waits is judged anew after the next fold."""
        self.counts.doubts += 1
        writer, self._writer = self._writer, None
        assert writer is not None
        self._view.owned = False
        self._backlog.take_over(writer)
        self._ownership.doubt(reason, writer.appender)

    def _serve(self, owned: Owned) -> None:
        """An own fence is the newest: what it settles is answered, the rest is judged and sent, in order."""
        self._backlog.settle(self._view.fold, self._view.start_offset, asyncio.get_running_loop().time())
        self._view.owned = True
        self._writer = writer = Writer(
            self._view,
            owned.appender,
            owned.stamp,
            self.topic.config,
            self._limits,
            settled=self._on_settled,
            unwanted=self._on_unwanted,
            doubt=self._on_doubt,
        )
        while self._backlog.waiting:
            batch = self._backlog.waiting.popleft()
            if batch.wanted:
                self._submit(writer, batch)
            else:
                self._on_unwanted(batch)

    # Reading

    async def read(self, offset: int, *, max_bytes: int, min_one: bool = True) -> Fetched:
        """Whole batches from the one that holds `offset`; none where `offset` is the end.

        At least one if `min_one`, even a larger one than `max_bytes`. Raises `KafkaError`: 1 below the
        start or above the end, a retriable code while storage can't be read.
        """
        return await self._reader.read(offset, max_bytes, min_one=min_one, current=self._writer is not None)

    def advanced(self, offset: int) -> asyncio.Future[None]:
        """Done as soon as the end lies above `offset`. Cancel it when nobody waits any more."""
        if self._writer is None and self.state is not State.OPENING:
            self._reader.follow()
        return self._view.advanced(offset)

    async def offsets(self, timestamp_ms: int) -> Offset:
        """The answer of ListOffsets: -1 the end, -2 the start, -3 the largest timestamp, else the first
        batch with that or a later timestamp (offset -1: none)."""
        return await self._reader.offsets(timestamp_ms, current=self._writer is not None)

    async def epoch_end(self, epoch: int) -> tuple[int, int]:
        """The largest epoch up to `epoch`, and the offset at which the next larger one begins.

        The end for the newest epoch; -1 and -1 for one that nobody has had yet.
        """
        return await self._reader.epoch_end(epoch, current=self._writer is not None)

    async def producers(self) -> dict[int, Producer]:
        """The idempotent producers that the partition remembers, by their ids."""
        return await self._reader.producers(current=self._writer is not None)

    # Closing

    async def close(self, timeout_s: float, gone: KafkaError | None = None) -> None:
        """Takes nothing more, waits up to `timeout_s` for what is under way, and answers the rest.

        What was sent and is not confirmed by then is answered 7, what wasn't sent 56 (or 7, if it may be the
        retry of a stored batch), or `gone` where the topic is deleted: that is said to whoever comes later
        too. Idempotent.
        """
        if self._closing is None:
            self._gone = gone
            self._closing = asyncio.create_task(self._close(timeout_s))
        await asyncio.shield(self._closing)

    async def _close(self, timeout_s: float) -> None:
        batches = self._backlog.unanswered(self._writer)
        futures = [waiter.future for batch in batches for waiter in batch.waiters]
        if futures:
            await asyncio.wait(futures, timeout=timeout_s)
        self._ownership.become(State.CLOSED, "closed")
        if self._timer is not None:
            self._timer.cancel()
        writer, self._writer = self._writer, None
        if writer is not None:
            self._backlog.take_over(writer)
        self._backlog.refuse(self._gone or not_stored("this node is shutting down"))
        if self._gone is not None:
            self._view.wake_all()
        await self._ownership.stop()
        await self._reader.close()
        if writer is not None:
            await writer.appender.close()
