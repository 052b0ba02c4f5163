"""From the log alone to the state of a partition: find where to begin, then fold forward.

Opening for writing, reading and the tools all come this way.
"""

from __future__ import annotations

from typing import Final

from kov.entries import ControlEntry, Entry, Kind, unpack
from kov.partition import control
from kov.partition.fold import Fold, Unusable
from kov.partition.identity import PartitionIdentity
from kov.partition.stream import Stream
from kov.partition.view import View
from varlog_client.errors import Unavailable
from varlog_client.types import LogStreamState

FIRST_WINDOW: Final = 64
GROWTH: Final = 4


class NoStart(Unusable):
    """The stream was trimmed, and what is left holds no control entry to begin with: `first` is 0 where
    nothing is left."""

    def __init__(self, stream: Stream, first: int) -> None:
        trimmed = f"up to {first - 1}" if first else "to its end"
        super().__init__(
            f"{stream} was trimmed {trimmed}, and nothing behind that tells which offset comes next; "
            f"to see what is lost, and to declare it lost, run: {stream.repair}"
        )


async def load(stream: Stream, partition: PartitionIdentity, view: View, extent: LogStreamState) -> None:
    """Fills an empty `view` from the newest usable control entry and everything behind it.

    Reads back from the tail in growing steps. Raises `Unusable`, `Unavailable` where that may be a backup's
    ignorance, and what reading raises; `view` is unchanged then.
    """
    last = extent.last.llsn
    first = extent.first.llsn or last + 1
    entries: list[Entry] = []  # of [begin, last]
    begin, window = last + 1, FIRST_WINDOW
    while True:
        fold = _restore(entries, begin, partition)
        if fold is None and begin <= first:
            if first > 1:
                raise await _no_start(stream, first, extent)
            fold = Fold(partition)
        if fold is not None:
            break
        wanted = max(first, _wanted(entries, begin, partition) or begin - window)
        entries = await _read(stream, wanted, begin) + entries
        begin, window = wanted, window * GROWTH
    for llsn in range(fold.position.llsn + 1, last + 1):
        fold.apply(llsn, entries[llsn - begin])
    view.load(fold)


async def _no_start(stream: Stream, first: int, extent: LogStreamState) -> Exception:
    """The control entry that the trim relied on may be newer than all that a lagging backup has heard of."""
    await stream.refresh()  # the primary may have moved
    if stream.primary_answered(extent):
        return NoStart(stream, first)
    return Unavailable(
        f"{stream}: its primary storage node doesn't answer or is SEALING, and the entries that a backup "
        f"knows of, from {first} on, are no beginning"
    )


async def _read(stream: Stream, begin: int, end: int) -> list[Entry]:
    return [unpack(entry.data) async for entry in stream.read(begin, end)]


def _restore(entries: list[Entry], begin: int, partition: PartitionIdentity) -> Fold | None:
    """The fold of the newest control entry behind whose state everything is in `entries`."""
    for at, entry in reversed(list(enumerate(entries))):
        if isinstance(entry, ControlEntry) and control.belongs_to(entry, partition):
            known = control.as_of(entry)
            if known is not None and known + 1 >= begin and _holds(entry, entries[known + 1 - begin : at]):
                return control.restore(entry, partition)
    return None


def _holds(entry: ControlEntry, since: list[Entry]) -> bool:
    """What a fence or snapshot says of the past is right even where it is void; a repair must be in force."""
    return entry.kind is not Kind.REPAIR or not any(
        isinstance(each, ControlEntry) and each.kind is Kind.FENCE and each.epoch > entry.epoch
        for each in since
    )


def _wanted(entries: list[Entry], begin: int, partition: PartitionIdentity) -> int | None:
    """Where the newest control entry of `entries` would have us begin, if that lies before `begin`."""
    for entry in reversed(entries):
        if isinstance(entry, ControlEntry) and control.belongs_to(entry, partition):
            known = control.as_of(entry)
            if known is not None and known + 1 < begin:
                return known + 1
    return None
