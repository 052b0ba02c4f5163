"""Whether this process may write a partition: its states, and the ways between them.

One road leads to writing, whatever made it necessary: `Opening`, tried again until it ends owned, deposed, or
can't succeed. A deposed node doesn't fight, and a partition that can't be opened is tried again when asked.
It refuses what it is asked to append, with the other node's address. Where the other writer has this node's
own id and addresses, as after a restart, producers would come straight back: then it holds what they send for
a while, and opens again when the other one has fallen silent.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Final, assert_never

from kov.errors import Leader, NotLeader
from kov.partition.backlog import Backlog
from kov.partition.fold import Unusable
from kov.partition.history import History
from kov.partition.identity import NOBODY, WriterIdentity, WriterStamp
from kov.partition.limits import Limits
from kov.partition.opening import Deposed, Opening, Outcome, Owned, Void
from kov.partition.pending import not_stored
from kov.partition.reader import Reader
from kov.partition.states import MOVES, State
from kov.partition.unsealing import Unsealer
from varlog_client import LogStreamAppender
from varlog_client.errors import CallTimeout, Sealed, VarlogError

log = logging.getLogger(__name__)

SAY_AGAIN_S: Final = 10.0
_HOLD: Final = 5  # pauses in which a namesake writes: one that is ending has less to write


class Ownership:
    """Changes `state` through `become` alone. `serve(owned)` is called when the state has become ACTIVE.

    `whom` is the partition: its `str` names it, its `repr` shows the state in the log lines.
    """

    def __init__(
        self,
        whom: object,
        history: History,
        backlog: Backlog,
        reader: Reader,
        node: WriterIdentity,
        limits: Limits,
        unsealer: Unsealer | None,
        *,
        serve: Callable[[Owned], None],
    ) -> None:
        self.state = State.IDLE
        self.leader: Leader | None = None
        self.failure = ""
        self.waits_for = ""
        self._whom = whom
        self._history = history
        self._view = history.view
        self._backlog = backlog
        self._reader = reader
        self._node = node
        self._limits = limits
        self._unsealer = unsealer
        self._serve = serve
        self._held_epoch: int | None = None
        self._doubts_in_a_row = 0
        self._task: asyncio.Task[None] | None = None
        self._said: tuple[type[VarlogError] | None, float] = None, 0.0
        self._hold = 0

    def become(self, state: State, why: str) -> None:
        assert state in MOVES[self.state], f"{self.state} -> {state}"
        level = logging.WARNING
        if state is State.CLOSED and self.state is State.IDLE:
            level = logging.DEBUG  # thousands were never opened
        elif state in {State.ACTIVE, State.IDLE, State.CLOSED} or self.state is State.IDLE:
            level = logging.INFO
        self.state = state
        self._view.counts.became(state.value)
        log.log(level, "%r: %s", self._whom, why)

    def confirmed(self) -> None:
        """A batch was confirmed: the next doubt is the first one."""
        self._doubts_in_a_row = 0

    def doubt(self, reason: str, replaced: LogStreamAppender) -> None:
        """The writer ended; `replaced` is its appender, closed before anything else happens."""
        self._doubts_in_a_row += 1
        self.start_opening(reason, replaced)

    def start_opening(self, why: str, replaced: LogStreamAppender | None = None) -> None:
        self.become(State.OPENING, why)
        self._task = asyncio.create_task(self._open(replaced), name=f"open {self._whom}")

    async def _open(self, replaced: LogStreamAppender | None) -> None:
        """Tries until the partition is owned, deposed, or can't be opened."""
        if replaced is not None:
            await replaced.close()
        await self._reader.stop_following()
        opening = Opening(self._history, self._node, self._limits, self._held_epoch)
        doubts = self._doubts_in_a_row
        watch_s = _doubled(self._limits.watch_s, doubts, at_most=self._limits.max_watch_s)
        pause_s = _doubled(self._limits.retry_s, doubts - 1, at_most=self._limits.max_retry_s)
        if doubts > 1:  # what takes fences and no batches would be filled with fences
            await _rest(pause_s)
        while True:
            match await self._attempt(opening, watch_s):
                case Owned() as owned:
                    self._own(owned)
                    return
                case Deposed(by=writer):
                    self._step_down(writer)
                    return
                case Void():
                    await _rest(pause_s)
                    pause_s = _doubled(pause_s, 1, at_most=self._limits.max_retry_s)
                case None:
                    return
                case outcome:
                    assert_never(outcome)

    async def _attempt(self, opening: Opening, watch_s: float) -> Outcome | None:
        """None: it was given up."""
        try:
            return await opening.attempt(watch_s)
        except Unusable as error:
            self._give_up(str(error))
            return None
        except VarlogError as error:
            await self._mend(error)
            return Void()
        except Exception as error:  # a defect of ours must not leave it opening for ever: fold anew, later
            log.exception("%r: opening failed", self._whom)
            self._view.forget()
            self._give_up(f"opening failed unexpectedly: {error}")
            return None

    async def _mend(self, error: VarlogError) -> None:
        """Says what `error` means, and does about it what the mapping file allows."""
        stream = self._history.stream
        stuck = isinstance(error, CallTimeout) and await stream.runs()
        self._say_it_waits(error, stuck=stuck)
        if self._unsealer is not None:
            await (self._unsealer.seal(stream) if stuck else self._unsealer.consider(stream))

    def _say_it_waits(self, error: VarlogError, *, stuck: bool) -> None:
        """Attempts are many: says at once what is new, and the same now and then."""
        now = asyncio.get_running_loop().time()
        kind, again = self._said
        if kind is type(error) and now < again:
            log.debug("%r: still can't be opened: %s", self._whom, error)
            return
        self._said = type(error), now + SAY_AGAIN_S
        if isinstance(error, Sealed):
            how = "unseals it when that is safe" if self._unsealer else "waits until it is unsealed"
            self.waits_for = f"{self._history.stream} is sealed; kov {how}"
        elif stuck:
            how = "a slow disk, or it is stuck; seal and unseal it if this lasts"
            if self._unsealer:
                how = "a slow disk, or it is stuck; kov seals and unseals it"
            self.waits_for = f"{self._history.stream} runs and answers no append: {how}"
        else:
            self.waits_for = f"can't be opened now: {error}"
        log.warning("%r: %s", self._whom, self.waits_for)

    def _own(self, owned: Owned) -> None:
        self._said = None, 0.0
        self.waits_for = ""
        self._held_epoch = self._view.fold.position.epoch
        self.leader = None
        self.become(State.ACTIVE, f"opened for writing by {owned.stamp.attempt_id.hex()[:8]}")
        self._serve(owned)

    def _step_down(self, by: WriterStamp) -> None:
        """A newer fence: answers what was stored before it, and holds or refuses the rest."""
        self._name_leader(by)
        now = asyncio.get_running_loop().time()
        self._backlog.settle(self._view.fold, self._view.start_offset, now)
        self.become(
            State.DEPOSED, f"{self._other()} writes this partition now" if self.leader else "it was fenced"
        )
        if by.node == self._node:
            self._hold = _HOLD
            self._reconsider_if_asked()
        else:
            self._hold = 0
            self._backlog.refuse(self.not_leader())

    @property
    def holds(self) -> bool:
        """Deposed by a namesake that wasn't seen to go on writing: what is appended waits in the backlog."""
        return self._hold > 0

    def _name_leader(self, writer: WriterStamp) -> None:
        node, epoch = writer.node, self._view.fold.position.epoch
        known = node.node_id != NOBODY.node_id
        self.leader = Leader(node_id=node.node_id, epoch=epoch, addresses=node.addresses) if known else None

    def not_leader(self) -> NotLeader:
        return NotLeader(f"{self._other()} writes {self._whom}", self.leader)

    def _other(self) -> str:
        if self.leader is None:
            return "another node"
        own = self.leader.node_id == self._node.node_id
        return (
            f"another process with this one's node id {self.leader.node_id}"
            if own
            else f"node {self.leader.node_id}"
        )

    def _give_up(self, reason: str) -> None:
        """Can't be opened as it is: what is in doubt stays unknown, everything else isn't stored."""
        self.failure = reason
        self._backlog.refuse(not_stored(reason))
        self.become(State.FAILED, reason)
        self._task = asyncio.create_task(self._free_after(self._limits.max_retry_s * 5))

    def reconsider(self) -> None:
        """A producer asks a deposed node: it may open again if the other writer stays silent for a while."""
        if self._task is None or self._task.done() or self._task is asyncio.current_task():
            self._task = asyncio.create_task(self._wait_for_silence())

    def _reconsider_if_asked(self) -> None:
        if self._backlog.waiting:
            self.reconsider()

    async def _wait_for_silence(self) -> None:
        """One pause, and further ones while batches are held."""
        while not await self._is_silent():
            if not self.holds:
                self._backlog.refuse(self.not_leader())
            if not self._backlog.waiting:
                return
        self._held_epoch = None
        self.become(State.IDLE, "the other writer has written nothing: free to be opened")
        if self._backlog.waiting:
            self.start_opening("producers waited")

    async def _is_silent(self) -> bool:
        """Whether nobody writes for a pause."""
        before = self._view.fold.position.copy()
        await asyncio.sleep(self._limits.deposed_s * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
        try:
            await self._history.look()
        except (VarlogError, Unusable) as error:
            log.warning("%r: can't see whether the other writer is alive: %s", self._whom, error)
            return False
        fold = self._view.fold
        if (fold.position.epoch, fold.position.next_offset) == (before.epoch, before.next_offset):
            return True
        if fold.writer is not None:
            self._name_leader(fold.writer)
            self._hold = self._hold - 1 if fold.writer.node == self._node else 0
        return False

    async def _free_after(self, pause_s: float) -> None:
        await asyncio.sleep(pause_s)
        self._held_epoch = None
        self.become(State.IDLE, "may be tried again")

    async def stop(self) -> None:
        """Ends what is under way."""
        task, self._task = self._task, None
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait([task])


def _doubled(first_s: float, times: int, *, at_most: float) -> float:
    """No power is ever too large for a float, however long the storage takes nothing."""
    return min(first_s * 2.0 ** max(0, min(times, 64)), at_most)


async def _rest(pause_s: float) -> None:
    await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
