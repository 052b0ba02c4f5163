"""Declaring lost what was trimmed from a partition's log stream, so that it can be opened again.

Two entries do it. A fence with an epoch that nobody can have reached ends whoever still writes; what lies
before it is final then, and is looked at once more. A repair behind it declares the state, and is in force
only if no other fence came between: of repairs at the same time one takes effect, and the others see it.
"""

from __future__ import annotations

import asyncio
import uuid
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final

from kov.entries import ControlEntry, Entry, Kind, pack, unpack
from kov.partition import control, recovery
from kov.partition.fold import Fold
from kov.partition.identity import NOBODY, PartitionIdentity, ProducerBounds, WriterStamp
from kov.partition.opening import append_one
from kov.partition.salvage import Salvage, nothing_left, salvage
from kov.partition.stream import Stream
from kov.partition.tail import TailBudget
from kov.partition.view import View
from varlog_client.errors import Trimmed, Unavailable
from varlog_client.types import LLSN, LogStreamState, SequenceNumber

_WATCH_S: Final = 10.0
_LOOK_S: Final = 1.0


class NothingWrong(Exception):
    """The partition can be opened as it is; `next_offset` is its end."""

    def __init__(self, stream: Stream, next_offset: int) -> None:
        super().__init__(f"{stream} can be used as it is: its records go on at offset {next_offset}")
        self.next_offset = next_offset


class Overtaken(Exception):
    """Somebody else wrote to the stream meanwhile, so that nothing was declared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """`fence_llsn` and `repair_llsn` are the two entries that were written."""

    salvage: Salvage
    next_offset: int
    epoch: int
    fence_llsn: int
    repair_llsn: int


async def examine(stream: Stream, partition: PartitionIdentity) -> Salvage:
    """What is left of the partition; reads only.

    Raises `NothingWrong`, `Unusable` where it isn't the trimming that stops it, and `VarlogError`, also where
    the primary storage node doesn't answer, or doesn't know its own end: a backup may not have all of it.
    """
    extent = await stream.peek()
    if not extent.readable or not stream.primary_answered(extent):
        raise Unavailable(f"{stream}: its primary storage node must answer and must not be SEALING")
    if not extent.last.llsn and await _was_trimmed(stream):
        return nothing_left(partition)
    return await _salvage(stream, partition, extent)


async def _salvage(stream: Stream, partition: PartitionIdentity, extent: LogStreamState) -> Salvage:
    view = View(TailBudget(0))
    try:
        await recovery.load(stream, partition, view, extent)
    except recovery.NoStart:
        begin, end = extent.first.llsn, extent.last.llsn + 1
        entries: list[Entry] = [unpack(entry.data) async for entry in stream.read(begin, end)]
        return salvage(partition, begin, entries)
    raise NothingWrong(stream, view.end_offset)


async def _was_trimmed(stream: Stream) -> bool:
    """Tells a stream that lost all its entries from one that never had any: that waits for its first."""
    try:
        async with asyncio.timeout(_LOOK_S), aclosing(stream.read(1, 2)) as entries:
            await anext(entries)
    except Trimmed:
        return True
    except TimeoutError:
        return False
    return False


async def repair(
    stream: Stream,
    partition: PartitionIdentity,
    *,
    seen: Salvage,
    next_offset: int | None,
    bounds: ProducerBounds,
    now_ms: int,
) -> Repaired:
    """Writes both entries. `seen` is what `examine` has found; without `next_offset` the partition goes on
    behind the last offset that what is final shows.

    Raises `Overtaken`, what `examine` raises, and `AppendError`: then the repair may take effect or not, and
    examining again tells. Cancelled between the two, it leaves a fence, which does no harm.
    """
    writer = WriterStamp(attempt_id=uuid.uuid4().bytes, node=NOBODY)
    # Epochs count openings, so none has reached the number of minutes since 1970, also where nothing is
    # left that tells the newest one.
    epoch = max(seen.highest_epoch + 1, now_ms // 60_000)
    appender = stream.appender(pipeline=1, call_timeout_s=_WATCH_S)
    try:
        fence = control.fence(Fold(partition), writer, bounds, now_ms)
        fence_llsn = await append_one(appender, pack(fence.kind, epoch, fence.message))
        final = await _up_to_fence(stream, partition, fence_llsn)
        final.fold.position.next_offset = _chosen(final, next_offset)
        entry = control.repair(final.fold, writer, final.kept, now_ms)
        repair_llsn = await append_one(appender, pack(entry.kind, entry.epoch, entry.message))
    finally:
        await appender.close()
    await _check_in_force(stream, fence_llsn, repair_llsn, epoch)
    return Repaired(
        salvage=final,
        next_offset=final.fold.position.next_offset,
        epoch=epoch,
        fence_llsn=fence_llsn,
        repair_llsn=repair_llsn,
    )


async def _up_to_fence(stream: Stream, partition: PartitionIdentity, fence_llsn: int) -> Salvage:
    """What is left before our fence, and the fence: nothing valid can come to lie before it any more."""
    extent = await stream.peek()
    last = SequenceNumber(LLSN(fence_llsn), extent.last.glsn)
    try:
        found = await _salvage(stream, partition, replace(extent, last=last))
    except NothingWrong as error:
        raise Overtaken(f"somebody else wrote what was missing: {error}") from None
    if found.fold.fence_llsn != fence_llsn:
        raise Overtaken(f"somebody else repairs or opens {stream}: a newer fence lies before ours")
    return found


def _chosen(final: Salvage, next_offset: int | None) -> int:
    if next_offset is None:
        if final.kept is None:
            raise Overtaken("what told the next offset was trimmed meanwhile")
        return final.least_offset
    if next_offset < final.lowest_choice:
        raise Overtaken(f"more was written meanwhile: the next offset is {final.lowest_choice} at least")
    return next_offset


async def _check_in_force(stream: Stream, fence_llsn: int, repair_llsn: int, epoch: int) -> None:
    async with aclosing(stream.read(fence_llsn + 1, repair_llsn)) as entries:
        async for each in entries:
            entry = unpack(each.data)
            if isinstance(entry, ControlEntry) and entry.kind is Kind.FENCE and entry.epoch > epoch:
                raise Overtaken(f"entry {each.llsn}, somebody else's fence, came before entry {repair_llsn}")
