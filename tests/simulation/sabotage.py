"""kov with one rule of the design taken out: what the simulation and the replays must find."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

import pytest

from kov.entries import ControlEntry
from kov.partition.fold import Fold
from kov.partition.identity import WriterStamp
from kov.partition.opening import Opening, Outcome, Owned
from kov.partition.writer import Stamped, Writer, appended
from tests.simulation.loop import PROCESS, Ids
from varlog_client import LogStreamAppender
from varlog_client.errors import AppendError
from varlog_client.types import LLSN, EntryMeta


def no_llsn_check(patch: pytest.MonkeyPatch) -> None:
    """Acknowledges whatever LLSN the answer names."""
    original = Writer._on_appended

    def trusting(self: Writer, metas: Sequence[EntryMeta] | None, error: AppendError | None) -> None:
        if metas and self._in_flight:
            expected = self._in_flight[0].first_llsn
            metas = [meta._replace(llsn=LLSN(llsn)) for llsn, meta in enumerate(metas, expected)]
        original(self, metas, error)

    patch.setattr(Writer, "_on_appended", trusting)


def no_fence(patch: pytest.MonkeyPatch) -> None:
    """Writes in the epoch it finds, and takes what it has read for all that there will be of it."""

    async def attempt(self: Opening, watch_s: float) -> Outcome:
        await self.history.look()
        if self.held_epoch is None:
            self.held_epoch = self.history.view.fold.position.epoch
        return self._deposed() or _own(self, one_id().bytes, watch_s)

    patch.setattr(Opening, "attempt", attempt)
    _believe_the_tail(patch)


def no_own_check(patch: pytest.MonkeyPatch) -> None:
    """Owns the epoch it asked for once its fence is stored, whoever raised it, and never looks whether its
    batches count."""
    asked: dict[str, int] = {}
    fence, init = Opening._fence, Writer.__init__

    async def careless(self: Opening, appender: LogStreamAppender, entry: ControlEntry) -> bool:
        await fence(self, appender, entry)
        asked[PROCESS.get()] = entry.epoch
        return True

    def begin(self: Writer, *args: object, **kwargs: object) -> None:
        init(self, *args, **kwargs)  # type: ignore[arg-type]
        self._epoch = asked[PROCESS.get()]

    def settle(self: Writer, llsn: int, stamped: Stamped) -> None:
        self._view.apply(llsn, stamped.entry, stamped.payload)
        if stamped.batch is not None:
            stamped.batch.succeed(appended(stamped.entry.header, 0))  # type: ignore[union-attr]
            self._settled(stamped.batch)

    patch.setattr(Opening, "_fence", careless)
    patch.setattr(Writer, "__init__", begin)
    patch.setattr(Writer, "_settle", settle)


def one_id_for_all_attempts(patch: pytest.MonkeyPatch) -> None:
    """Knows its own fence by its id when it reads it, and uses one id for all its fences."""
    original = Opening.attempt

    async def attempt(self: Opening, watch_s: float) -> Outcome:
        await self.history.look()
        own = one_id().bytes
        self.attempts.add(own)
        writer = self.history.view.fold.writer
        if writer is not None and writer.attempt_id == own:
            return _own(self, own, watch_s)
        return await original(self, watch_s)

    patch.setattr(Ids, "uuid4", staticmethod(one_id))
    patch.setattr(Opening, "attempt", attempt)
    _believe_the_tail(patch)


def one_id() -> uuid.UUID:
    """The same for everything in one process."""
    return uuid.uuid5(uuid.NAMESPACE_OID, PROCESS.get())


def _own(self: Opening, attempt_id: bytes, watch_s: float) -> Owned:
    appender = self.history.stream.appender(pipeline=self.limits.pipeline, call_timeout_s=watch_s)
    return Owned(WriterStamp(attempt_id=attempt_id, node=self.node), appender)


def _believe_the_tail(patch: pytest.MonkeyPatch) -> None:
    original = Fold.end_of

    def end_of(self: Fold, epoch: int) -> int | None:
        return self.position.next_offset if epoch == self.position.epoch else original(self, epoch)

    patch.setattr(Fold, "end_of", end_of)
