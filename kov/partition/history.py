"""A log stream as the history of one partition: bring the view up to the tail, or read older batches.

Older batches are found by going back along the control entries, each of which names the one before, to a
position at or before the offset, and folding forward from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from kov.entries import BatchEntry, ControlEntry, unpack
from kov.partition import control, recovery
from kov.partition.fold import Meaning, Position
from kov.partition.identity import PartitionIdentity
from kov.partition.stream import Stream
from kov.partition.view import View
from varlog_client.errors import Unavailable
from varlog_client.types import LogEntry, LogStreamState


@dataclass(frozen=True, slots=True)
class StoredBatch:
    base_offset: int
    max_timestamp: int
    payload: bytes


class History:
    def __init__(self, stream: Stream, partition: PartitionIdentity, view: View) -> None:
        self.stream = stream
        self.partition = partition
        self.view = view
        self._look_lock = asyncio.Lock()  # two loads at once would set the view back

    async def look(self) -> bool:
        """Folds up to the tail as it is now, from the newest control entry if nothing was folded yet.

        True: up to everything that was committed before the call. False: perhaps not, because the primary
        didn't answer, or because a writer of this process owns the view, which alone may feed it then.
        Raises `VarlogError` where storage can't answer, and `Unusable`.
        """
        async with self._look_lock:
            return await self._look()

    async def is_complete(self) -> bool:
        """Whether the view holds all that is committed: for a writer that may have been deposed unnoticed."""
        return self._holds_all_of(await self.stream.peek())

    def _holds_all_of(self, extent: LogStreamState) -> bool:
        return self.stream.primary_answered(extent) and extent.last.llsn <= self.view.fold.position.llsn

    async def find_start(self) -> None:
        """Looks where the stream begins now: somebody else may have trimmed it. Raises `VarlogError`."""
        async with self._look_lock:
            extent = await self.stream.peek()
            await self._find_start(extent.first.llsn or self.view.fold.position.llsn + 1)

    async def _look(self) -> bool:
        extent = await self.stream.peek()
        if not extent.readable:
            raise Unavailable(f"{self.stream}: every replica is sealing, its tail isn't known yet")
        if self.view.owned:
            return self._holds_all_of(extent)
        if not self.view.loaded or extent.first.llsn > self.view.fold.position.llsn + 1:
            await recovery.load(self.stream, self.partition, self.view, extent)
        await self.catch_up(extent.last.llsn)
        if extent.first.llsn > 1:
            await self._find_start(extent.first.llsn)
        return self._holds_all_of(extent)

    async def catch_up(self, last: int) -> None:
        """Folds forward to `last`, which is committed, or until a writer owns the view."""
        await self._take(self.stream.read(self.view.fold.position.llsn + 1, last + 1))

    async def follow(self) -> None:
        """Folds forward until a writer owns the view. Raises `VarlogError`, `Unusable`."""
        if not self.view.loaded:
            await self.look()
        await self._take(self.stream.read(self.view.fold.position.llsn + 1))

    async def _take(self, entries: AsyncGenerator[LogEntry]) -> None:
        """Applies entries as they come, but for those that somebody else has applied meanwhile."""
        view = self.view
        async with aclosing(entries):
            async for entry in entries:
                if view.owned:
                    return
                if entry.llsn > view.fold.position.llsn:
                    view.apply(entry.llsn, unpack(entry.data), entry.data)

    async def batches(self, offset: int) -> AsyncGenerator[StoredBatch]:
        """The valid batches that end above `offset`, in order, up to the view's end as it is now.

        Raises `Trimmed` where the offset can't be read any more. Close it when it isn't read to its end.
        """
        end = self.view.fold.position.llsn + 1
        position = await self._floor(offset)
        async with aclosing(self.stream.read(position.llsn + 1, end)) as entries:
            async for entry in entries:
                parsed = unpack(entry.data)
                base_offset = position.next_offset
                meaning = position.step(entry.llsn, parsed)
                self.view.index.passed(position, len(entry.data))
                if meaning is Meaning.BATCH and position.next_offset > offset:
                    assert isinstance(parsed, BatchEntry)
                    yield StoredBatch(base_offset, parsed.header.max_timestamp, entry.data)

    async def _floor(self, offset: int) -> Position:
        """The last marked position at or before `offset`, going back as far as it takes."""
        while (position := self.view.index.floor(offset)) is None:
            await self._step_back()
        return position

    async def _step_back(self) -> None:
        """Marks the position inside the newest control entry that lies before all marks.

        Where there is none the stream begins; below a trimmed part nothing is looked for.
        """
        at, self.view.oldest_control = self.view.oldest_control, 0
        async with aclosing(self.stream.read(at, at + 1 if at else 0)) as entries:
            async for entry in entries:
                parsed = unpack(entry.data)
                if isinstance(parsed, ControlEntry) and control.belongs_to(parsed, self.partition):
                    self.view.index.add(control.position_in(parsed))
                    self.view.oldest_control = control.previous(parsed)
                    return
        self.view.index.add(Position())

    async def _find_start(self, first_llsn: int) -> None:
        """After a trim the partition starts at the oldest position behind which all can still be read."""
        view = self.view
        while view.oldest_control >= first_llsn:
            await self._step_back()
        view.index.forget_before(first_llsn)
        if not len(view.index):
            view.index.add(view.fold.position.copy())
        if first_llsn > 1:
            view.start_offset = max(view.start_offset, view.index.first_offset)
