"""Where offsets lie: a sparse, sorted list of positions in the log stream. Pure.

A position is a state of the fold, so a read can begin behind it and still tell valid batches from void
ones; a guess in the middle of the stream could not.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

from kov.partition.fold import Position

SPACING_BYTES: Final = 256 * 1024
SPACING_ENTRIES: Final = 64
MAX_MARKS: Final = 4096


class Index:
    def __init__(self) -> None:
        self._marks: list[Position] = []
        self._offsets: list[int] = []
        self._bytes = 0
        self._entries = 0

    def __len__(self) -> int:
        return len(self._marks)

    def passed(self, position: Position, size: int) -> None:
        """An entry of `size` bytes was taken; `position` is the state behind it, marked now and then."""
        self._bytes += size
        self._entries += 1
        if self._bytes >= SPACING_BYTES or self._entries >= SPACING_ENTRIES or not self._marks:
            self._bytes = self._entries = 0
            self.add(position.copy())

    def add(self, position: Position) -> None:
        """Marks `position`, which may lie before all others; the list stays sorted and bounded."""
        at = bisect_right(self._offsets, position.next_offset)
        if at and self._marks[at - 1].next_offset == position.next_offset:
            if self._marks[at - 1].llsn < position.llsn:
                self._marks[at - 1] = position  # more void and control entries are behind it
            return
        self._marks.insert(at, position)
        self._offsets.insert(at, position.next_offset)
        if len(self._marks) > MAX_MARKS:
            del self._marks[1::2], self._offsets[1::2]

    def floor(self, offset: int) -> Position | None:
        """The last mark at or before `offset`: a copy, so that the reader may step it."""
        at = bisect_right(self._offsets, offset)
        return self._marks[at - 1].copy() if at else None

    def before(self, timestamp_ms: int) -> Position | None:
        """The last mark before which no batch is as late as `timestamp_ms`: a copy."""
        older = (mark for mark in reversed(self._marks) if mark.max_timestamp_ms < timestamp_ms)
        found = next(older, None)
        return found.copy() if found is not None else None

    @property
    def first_offset(self) -> int:
        """The offset of the first mark. There must be one."""
        return self._offsets[0]

    def forget_before(self, llsn: int) -> None:
        """Drops the marks from which the stream can't be read any more: `llsn` is its first entry."""
        self._marks = [mark for mark in self._marks if mark.llsn + 1 >= llsn]
        self._offsets = [mark.next_offset for mark in self._marks]
