"""A Kafka partition over a Varlog log stream: its states, and the verbs append, read and offsets.

Everything a batch goes through before it is sent happens synchronously in `append`, so that the order of
arrival is the order of the log. What can't be judged yet waits; what is judged goes to the `Writer`; what was
sent and not confirmed is in doubt until an own fence, or another node's, has settled it.
"""

from __future__ import annotations

import asyncio
import logging
import random
from typing import assert_never

from kio.schema.errors import ErrorCode

from kov import records
from kov.errors import KafkaError, Leader, NotLeader
from kov.partition.admission import Shared
from kov.partition.backlog import NEVER, Backlog
from kov.partition.fold import Unusable
from kov.partition.history import History
from kov.partition.identity import PartitionIdentity, WriterIdentity
from kov.partition.limits import Limits
from kov.partition.opening import Deposed, Opening, Owned, Void
from kov.partition.pending import Appended, PendingBatch, Waiter, not_stored
from kov.partition.producers import Accept, Duplicate, Reject
from kov.partition.reader import Fetched, Offset, Reader
from kov.partition.states import MOVES, State
from kov.partition.stream import Stream
from kov.partition.tail import TailBudget
from kov.partition.unsealing import Unsealer
from kov.partition.view import View
from kov.partition.writer import Writer
from kov.topics import Topic
from varlog_client import LogStreamAppender
from varlog_client.errors import VarlogError

log = logging.getLogger(__name__)

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
    ) -> None:
        self.topic = topic
        self.index = index
        self.state = State.IDLE
        self.leader: Leader | None = None
        self._node = node
        self._limits = limits
        self._unsealer = unsealer
        self._view = View(budget)
        self._history = History(stream, identity, self._view)
        self._reader = Reader(self._history, limits)
        self._backlog = Backlog()
        self._writer: Writer | None = None
        self._held_epoch: int | None = None
        self._doubts_in_a_row = 0
        self._failure = ""
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closing: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        end = self._view.end_offset if self._view.loaded else "?"
        in_flight = len(self._writer.in_flight) if self._writer else 0
        queued = len(self._backlog.waiting) + (len(self._writer.queue) if self._writer else 0)
        return (
            f"<Partition {self.topic.name}/{self.index} {self.state.name} next={end} epoch={self.epoch} "
            f"in_flight={in_flight} queued={queued} doubtful={len(self._backlog.doubtful)}>"
        )

    @property
    def epoch(self) -> int:
        """The newest epoch this process has seen in the log; 0 before it looked."""
        return self._view.fold.position.epoch if self._view.loaded else 0

    # Appending

    def append(self, data: bytes, *, source: object, timeout_s: float) -> asyncio.Future[Appended]:
        """Takes one record batch; its place in the order is taken when this returns. Never blocks.

        Raises `KafkaError` at once for what Kafka would refuse. The future is the caller's own; it ends
        with `Appended` or a `KafkaError` at about `timeout_s` at the latest. Cancelling it says that this
        caller waits no more: a batch that nobody waits for and that wasn't sent is dropped, and never one
        that was sent. `source` is the connection: batches without a producer id keep their order in it.
        """
        header = records.parse(data)
        records.check(data, header, self.topic.config.max_message_bytes)
        self._refuse_in_state()
        loop = asyncio.get_running_loop()
        waiter = Waiter(loop.create_future(), loop.time() + timeout_s)
        batch = PendingBatch(data, header, source, waiter)
        if self._writer is not None:
            self._submit(self._writer, batch)
        else:
            self._backlog.waiting.append(batch)
            if self.state is State.IDLE:
                self._start_opening("a producer asks")
        self._arm_timer(waiter.deadline)
        return waiter.future

    def _refuse_in_state(self) -> None:
        match self.state:
            case State.DEPOSED:
                self._reconsider()
                raise self._not_leader()
            case State.FAILED:
                raise KafkaError(ErrorCode.kafka_storage_error, self._failure)
            case State.CLOSED:
                raise NotLeader("this node is shutting down", None)
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
                        log_append_time_ms=stored.log_append_time_ms,
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
        self._doubts_in_a_row = 0

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

    # Opening

    def _become(self, state: State, why: str) -> None:
        assert state in MOVES[self.state], f"{self.state} -> {state}"
        level = logging.WARNING
        if state is State.CLOSED and self.state is State.IDLE:
            level = logging.DEBUG  # thousands were never opened
        elif state in {State.ACTIVE, State.IDLE, State.CLOSED} or self.state is State.IDLE:
            level = logging.INFO
        self.state = state
        log.log(level, "%r: %s", self, why)

    def _start_opening(self, why: str, replaced: LogStreamAppender | None = None) -> None:
        self._become(State.OPENING, why)
        self._task = asyncio.create_task(self._open(replaced), name=f"open {self.topic.name}/{self.index}")

    def _on_doubt(self, reason: str) -> None:
        """The writer ended: what it sent is in doubt, what waits is judged anew after the next fold."""
        writer, self._writer = self._writer, None
        assert writer is not None
        self._view.owned = False
        self._backlog.take_over(writer)
        self._doubts_in_a_row += 1
        self._start_opening(reason, writer.appender)

    async def _open(self, replaced: LogStreamAppender | None) -> None:
        """Tries until the partition is owned, deposed, or can't be opened."""
        if replaced is not None:
            await replaced.close()
        await self._reader.stop_following()
        opening = Opening(self._history, self._node, self._limits, self._held_epoch)
        watch_s = min(self._limits.watch_s * 2**self._doubts_in_a_row, self._limits.max_watch_s)
        pause_s = self._limits.retry_s
        while True:
            try:
                outcome = await opening.attempt(watch_s)
            except Unusable as error:
                self._give_up(str(error))
                return
            except Exception as error:
                if not isinstance(error, VarlogError):
                    # A defect of ours must not leave the partition opening for ever: fold anew, later.
                    log.exception("%r: opening failed", self)
                    self._view.forget()
                    self._give_up(f"opening failed unexpectedly: {error}")
                    return
                log.warning("%r: can't be opened now: %s", self, error)
                if self._unsealer is not None:
                    await self._unsealer.consider(self._history.stream)
                outcome = Void()
            match outcome:
                case Owned():
                    self._serve(outcome)
                    return
                case Deposed():
                    self._step_down(outcome)
                    return
                case Void():
                    await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
                    pause_s = min(pause_s * 2, self._limits.max_retry_s)
                case _:
                    assert_never(outcome)

    def _serve(self, owned: Owned) -> None:
        """An own fence is the newest: what it settles is answered, the rest is judged and sent, in order."""
        self._held_epoch = self.epoch
        self.leader = None
        self._become(State.ACTIVE, f"opened for writing by {owned.stamp.attempt_id.hex()[:8]}")
        self._backlog.settle(self._view.fold, self._view.start_offset)
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

    def _step_down(self, deposed: Deposed) -> None:
        """A newer fence of somebody else: answers what was stored before it, and 6 for everything else."""
        writer = deposed.by.node
        self.leader = Leader(node_id=writer.node_id, epoch=self.epoch, addresses=writer.addresses)
        self._backlog.settle(self._view.fold, self._view.start_offset)
        self._become(State.DEPOSED, f"node {writer.node_id} writes this partition now")
        self._backlog.refuse(self._not_leader())

    def _not_leader(self) -> NotLeader:
        node = f"node {self.leader.node_id}" if self.leader else "another node"
        return NotLeader(f"{node} writes partition {self.index} of {self.topic.name}", self.leader)

    def _give_up(self, reason: str) -> None:
        """Can't be opened as it is: what is in doubt stays unknown, everything else isn't stored."""
        self._failure = reason
        self._backlog.refuse(not_stored(reason))
        self._become(State.FAILED, reason)
        self._task = asyncio.create_task(self._free_after(self._limits.max_retry_s * 5))

    def _reconsider(self) -> None:
        """A producer asks a deposed node: it may open again if the other writer stays silent for a while."""
        if self._task is None or self._task.done():
            pause_s = self._limits.deposed_s * random.uniform(0.5, 1.5)  # noqa: S311 - jitter
            self._task = asyncio.create_task(self._free_if_silent(pause_s))

    async def _free_if_silent(self, pause_s: float) -> None:
        before = self._view.fold.position.copy()
        await asyncio.sleep(pause_s)
        try:
            await self._history.look()
        except (VarlogError, Unusable) as error:
            log.warning("%r: can't see whether the other writer is alive: %s", self, error)
            return
        fold = self._view.fold
        if (fold.position.epoch, fold.position.next_offset) == (before.epoch, before.next_offset):
            self._held_epoch = None
            self._become(State.IDLE, "the other writer has written nothing: free to be opened")
        elif fold.writer is not None:
            node = fold.writer.node
            self.leader = Leader(node_id=node.node_id, epoch=self.epoch, addresses=node.addresses)

    async def _free_after(self, pause_s: float) -> None:
        await asyncio.sleep(pause_s)
        self._held_epoch = None
        self._become(State.IDLE, "may be tried again")

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

    # Closing

    async def close(self, timeout_s: float) -> None:
        """Takes nothing more, waits up to `timeout_s` for what is under way, and answers the rest.

        What was sent and is not confirmed by then is answered 7, what wasn't sent 56. Idempotent.
        """
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(timeout_s))
        await asyncio.shield(self._closing)

    async def _close(self, timeout_s: float) -> None:
        batches = self._backlog.unanswered(self._writer)
        futures = [waiter.future for batch in batches for waiter in batch.waiters]
        if futures:
            await asyncio.wait(futures, timeout=timeout_s)
        self._become(State.CLOSED, "closed")
        if self._timer is not None:
            self._timer.cancel()
        writer, self._writer = self._writer, None
        if writer is not None:
            self._backlog.take_over(writer)
        self._backlog.refuse(not_stored("this node is shutting down"))
        await self._cancel_task()
        await self._reader.stop_following()
        if writer is not None:
            await writer.appender.close()

    async def _cancel_task(self) -> None:
        task, self._task = self._task, None
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait([task])
