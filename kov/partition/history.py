"""A log stream as the history of one partition: bring the view up to the tail, or read older batches.

Older batches are found by going back along the control entries, each of which names the one before, to a
position at or before the offset, and folding forward from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from kov.entries import BatchEntry, ControlEntry, unpack
from kov.partition import control, recovery
from kov.partition.fold import Meaning, Position
from kov.partition.identity import PartitionIdentity
from kov.partition.stream import Stream
from kov.partition.view import View
from kov.pb.control_pb2 import Fence
from varlog_client.errors import Trimmed, Unavailable
from varlog_client.types import LogEntry, LogStreamState

PROBE_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class StoredBatch:
    base_offset: int
    end_offset: int
    max_timestamp: int
    epoch: int
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

    async def refuse_if_all_was_trimmed(self) -> None:
        """Raises `NoStart` where the stream looks empty and wasn't always: its extent is the same either way.

        Takes a second where it was. Raises `VarlogError`.
        """
        try:
            async with asyncio.timeout(PROBE_S), aclosing(self.stream.read(1, 2)) as entries:
                async for _ in entries:
                    return
        except Trimmed:
            raise recovery.NoStart(self.stream, 0) from None
        except TimeoutError:  # the first entry is yet to come
            return

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

    def batches(self, offset: int) -> AsyncGenerator[StoredBatch]:
        """The valid batches that end above `offset`, in order, up to the view's end as it is now.

        Raises `Trimmed` where the offset can't be read any more. Close it when it isn't read to its end.
        """
        return self._batches_behind(lambda: self._floor(offset), offset)

    def batches_since(self, timestamp_ms: int) -> AsyncGenerator[StoredBatch]:
        """The valid batches from one before the first that is as late as `timestamp_ms`, like `batches`.

        What lies before is passed over by what control entries say of the times before them.
        """
        return self._batches_behind(lambda: self._floor_in_time(timestamp_ms), self.view.start_offset)

    async def _batches_behind(
        self, find: Callable[[], Awaitable[Position]], offset: int
    ) -> AsyncGenerator[StoredBatch]:
        end = self.view.fold.position.llsn + 1
        position = await find()
        async with aclosing(self.stream.read(position.llsn + 1, end)) as entries:
            async for entry in entries:
                parsed = unpack(entry.data)
                base_offset = position.next_offset
                meaning = position.step(entry.llsn, parsed)
                self.view.index.passed(position, len(entry.data))
                if meaning is Meaning.BATCH and position.next_offset > offset:
                    assert isinstance(parsed, BatchEntry)
                    header, end_offset = parsed.header, position.next_offset
                    yield StoredBatch(
                        base_offset, end_offset, header.max_timestamp, header.leader_epoch, entry.data
                    )

    async def _floor(self, offset: int) -> Position:
        """The last marked position at or before `offset`, going back as far as it takes."""
        while (position := self.view.index.floor(offset)) is None:
            await self._step_back()
        return position

    async def _floor_in_time(self, timestamp_ms: int) -> Position:
        """The last known position before which nothing is as late, going back as far as it takes."""
        view = self.view
        while (position := view.index.before(timestamp_ms)) is None:
            if view.index.first_offset <= view.start_offset:
                return await self._floor(view.start_offset)
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
                    for position in control.positions_in(parsed):
                        self.view.index.add(position)
                    self.view.oldest_control = control.previous(parsed)
                    return
        self.view.index.add(Position())

    async def know_epochs(self, since: int) -> None:
        """Reads fences, each of which names the one before, until the fold's epochs reach back to `since`.

        They end earlier where the stream was trimmed or repaired, or where it begins.
        """
        epochs = self.view.fold.epochs
        while epochs and epochs[0][0] > since:
            first = epochs[0]
            older = await self._fence_before(first[2])
            if older is None:
                return
            if epochs[0] == first:  # nobody else was quicker
                epochs.insert(0, older)

    async def _fence_before(self, llsn: int) -> tuple[int, int, int] | None:
        try:
            async with aclosing(self.stream.read(llsn, llsn + 1)) as entries:
                async for entry in entries:
                    parsed = unpack(entry.data)
                    if isinstance(parsed, ControlEntry) and isinstance(parsed.message, Fence):
                        state = parsed.message.state
                        return (
                            (state.epoch, state.epoch_start_offset, state.fence_llsn) if state.epoch else None
                        )
        except Trimmed:
            pass
        return None

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
