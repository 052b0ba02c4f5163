"""One attempt to own a partition for writing: find the tail, fold, fence, read on to the fence.

Fence before trusting the tail: an append of an old stream may still land after the tail was read, and lands
void behind the fence. An attempt ends owning the epoch, deposed by somebody else's fence, or in doubt about
its own; the caller then begins again.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

from kov.entries import ControlEntry, pack
from kov.partition import control
from kov.partition.history import History
from kov.partition.identity import WriterIdentity, WriterStamp
from kov.partition.limits import Limits
from kov.partition.writer import now_ms
from varlog_client import LogStreamAppender
from varlog_client.errors import AppendError
from varlog_client.types import EntryMeta


@dataclass(frozen=True, slots=True)
class Owned:
    """This process owns the epoch of its fence; `appender` has just confirmed it and is handed over."""

    stamp: WriterStamp
    appender: LogStreamAppender


@dataclass(frozen=True, slots=True)
class Deposed:
    """Somebody else fenced since this node last owned, or looked at, the partition."""

    by: WriterStamp


@dataclass(frozen=True, slots=True)
class Void:
    """Our fence was overtaken by another one, or can't be found: begin again."""


Outcome = Owned | Deposed | Void


@dataclass(slots=True)
class Opening:
    """All attempts of one opening. `held_epoch` is the epoch this node owned a moment ago.

    Without one, the epoch found by the first attempt takes its place: two nodes that open at the same time
    must end with one writer, so whoever meets the other's newer fence gives way.
    """

    history: History
    node: WriterIdentity
    limits: Limits
    held_epoch: int | None
    attempts: set[bytes] = field(default_factory=set)

    async def attempt(self, watch_s: float) -> Outcome:
        """Raises `VarlogError` when storage can't answer now, `Unusable` when trying again can't help.

        Cancelling it closes the appender; the fence may be stored all the same, which does no harm.
        """
        await self.history.look()
        fold = self.history.view.fold
        if self.held_epoch is None:
            self.held_epoch = fold.position.epoch
        deposed = self._deposed()
        if deposed is not None:
            return deposed
        stamp = WriterStamp(attempt_id=uuid.uuid4().bytes, node=self.node)
        self.attempts.add(stamp.attempt_id)
        self.history.view.counts.fences += 1
        entry = control.fence(fold, stamp, self.limits.producers, now_ms())
        appender = self.history.stream.appender(pipeline=self.limits.pipeline, call_timeout_s=watch_s)
        owned = False
        try:
            owned = await self._fence(appender, entry)
        finally:
            if not owned:
                await appender.close()
        return Owned(stamp, appender) if owned else Void()

    def _deposed(self) -> Deposed | None:
        fold = self.history.view.fold
        newer = self.held_epoch is not None and fold.position.epoch > self.held_epoch
        if newer and fold.writer is not None and fold.writer.attempt_id not in self.attempts:
            return Deposed(fold.writer)
        return None

    async def _fence(self, appender: LogStreamAppender, entry: ControlEntry) -> bool:
        """Appends the fence and reads on to it: whether it is the entry that raised the epoch."""
        payload = pack(entry.kind, entry.epoch, entry.message)
        llsn = await append_one(appender, payload)
        fold = self.history.view.fold
        if llsn == fold.position.llsn + 1:
            self.history.view.apply(llsn, entry, payload)  # nothing lies between: no need to read it back
        else:
            await self.history.catch_up(llsn)
        return fold.fence_llsn == llsn and fold.position.llsn == llsn


async def append_one(appender: LogStreamAppender, payload: bytes) -> int:
    """Appends one entry and waits for its LLSN. Raises the `AppendError` it ended with."""
    done: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def on_appended(metas: Sequence[EntryMeta] | None, error: AppendError | None) -> None:
        if done.done():
            return
        if metas is None:
            assert error is not None
            done.set_exception(error)
        else:
            done.set_result(metas[0].llsn)

    await appender.append_batch([payload], on_appended)
    return await done
