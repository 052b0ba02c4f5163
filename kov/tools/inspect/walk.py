"""The entries of a log stream, each with what it means to the partition and, where it is void, why."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from kov.entries import ControlEntry, Entry, ForeignEntry, Kind, UnknownControl, unpack
from kov.partition import control
from kov.partition.fold import Fold, Meaning, Position, Unusable
from kov.partition.identity import PartitionIdentity
from kov.partition.stream import Stream

_FIRST_WINDOW: Final = 64
_GROWTH: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One entry. `meaning` is None where nothing that is left tells it, or the fold stopped at it.

    `first_offset` is that of a valid batch. `why` says why it is void, or not to be judged.
    """

    llsn: int
    size: int
    entry: Entry
    meaning: Meaning | None
    first_offset: int | None = None
    why: str = ""


async def anchor(stream: Stream, identity: PartitionIdentity, first: int, wanted: int, last: int) -> Fold:
    """A fold from which the entries from `wanted` on can be judged: as of an entry before it.

    `first` is the stream's first entry that is left. Where that was trimmed away, the earliest fold that
    can still be had, as of an entry behind `wanted` perhaps; as of `last` where there is none.
    """
    begin, window = wanted, _FIRST_WINDOW
    while begin > first:
        begin = max(first, begin - window)
        window *= _GROWTH
        if (fold := await _newest_before(stream, identity, begin, wanted)) is not None:
            return fold
    if first <= 1:
        return Fold(identity)
    return await _earliest(stream, identity, first, last) or Fold(identity, Position(last))


async def walk(stream: Stream, fold: Fold, first: int, last: int) -> AsyncGenerator[Seen]:
    """The entries of [`first`, `last`], while `fold` takes them in; ends early where it can't go on.

    Close it when it isn't read to its end. Raises `VarlogError`.
    """
    begin = min(first, fold.position.llsn + 1)
    async with aclosing(stream.read(begin, last + 1)) as entries:
        async for each in entries:
            seen = _judged(fold, each.llsn, unpack(each.data), len(each.data))
            if each.llsn >= first:
                yield seen
            if seen.meaning is None and each.llsn > fold.position.llsn:
                return


def _judged(fold: Fold, llsn: int, entry: Entry, size: int) -> Seen:
    if llsn <= fold.position.llsn:
        why = "not to be judged: what was trimmed decided it"
        return Seen(llsn=llsn, size=size, entry=entry, meaning=None, why=why)
    before = fold.position.copy()
    try:
        meaning = fold.apply(llsn, entry)
    except Unusable as error:
        return Seen(llsn=llsn, size=size, entry=entry, meaning=None, why=f"the fold stops here: {error}")
    first_offset = before.next_offset if meaning is Meaning.BATCH else None
    why = _void(before, entry) if meaning is Meaning.VOID else ""
    return Seen(llsn=llsn, size=size, entry=entry, meaning=meaning, first_offset=first_offset, why=why)


def _void(before: Position, entry: Entry) -> str:
    if isinstance(entry, ForeignEntry | UnknownControl):
        return "another program's, or damaged"
    if isinstance(entry, ControlEntry):
        if entry.kind is Kind.CATALOG:
            return "an entry of a catalog"
        if entry.kind is Kind.FENCE:
            return f"epoch {entry.epoch} was not above epoch {before.epoch}"
        return f"of epoch {entry.epoch}, in force was {before.epoch}"
    if entry.header.leader_epoch != before.epoch or not before.epoch:
        return f"of epoch {entry.header.leader_epoch}, in force was {before.epoch or 'none'}"
    return f"begins at offset {entry.header.base_offset}, next was {before.next_offset}"


class _States:
    """Which of the entries from `begin` on, given in order, tell a state that a fold can begin with."""

    def __init__(self, identity: PartitionIdentity, begin: int) -> None:
        self._identity = identity
        self._begin = begin
        self._fences: list[tuple[int, int]] = []

    def usable(self, llsn: int, entry: Entry) -> ControlEntry | None:
        """The entry if it does: all behind its state is there, and a repair is in force."""
        if not isinstance(entry, ControlEntry) or not control.belongs_to(entry, self._identity):
            return None
        if entry.kind is Kind.FENCE:
            self._fences.append((llsn, entry.epoch))
        known = control.as_of(entry)
        if known is None or known + 1 < self._begin:
            return None
        overtaken = any(at > known and epoch > entry.epoch for at, epoch in self._fences)
        return None if entry.kind is Kind.REPAIR and overtaken else entry


async def _newest_before(stream: Stream, identity: PartitionIdentity, begin: int, wanted: int) -> Fold | None:
    """The fold of the newest usable control entry in [`begin`, `wanted`)."""
    found, states = None, _States(identity, begin)
    async with aclosing(stream.read(begin, wanted)) as entries:
        async for each in entries:
            found = states.usable(each.llsn, unpack(each.data)) or found
    return control.restore(found, identity) if found is not None else None


async def _earliest(stream: Stream, identity: PartitionIdentity, first: int, last: int) -> Fold | None:
    """The fold of the first usable control entry; what a repair kept is judged from where that begins."""
    states = _States(identity, first)
    async with aclosing(stream.read(first, last + 1)) as entries:
        async for each in entries:
            if (entry := states.usable(each.llsn, unpack(each.data))) is not None:
                if entry.kind is Kind.REPAIR:
                    return Fold(identity, control.positions_in(entry)[-1])
                return control.restore(entry, identity)
    return None
