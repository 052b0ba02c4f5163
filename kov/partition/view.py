"""What this process knows of a partition: the fold, the index, the recent tail, and who waits for more.

The writer feeds it as its appends are confirmed, a follower as it reads, an opening as it catches up; at any
time just one of them does.
"""

from __future__ import annotations

import asyncio

from kov.counting import PartitionCounts
from kov.entries import Entry
from kov.partition.fold import Fold, Meaning
from kov.partition.index import Index
from kov.partition.tail import Tail, TailBudget


class View:
    def __init__(self, budget: TailBudget, counts: PartitionCounts | None = None) -> None:
        self.counts = counts or PartitionCounts()
        self._fold: Fold | None = None
        self._tail = Tail(budget)
        self._waiters: dict[asyncio.Future[None], int] = {}
        self.index = Index()
        self.oldest_control = 0
        """The newest control entry that lies before every mark of the index; 0: none, or not loaded."""
        self.start_offset = 0
        self.owned = False
        """A writer of this process feeds the view: nobody else may, even with entries it reads."""

    @property
    def loaded(self) -> bool:
        return self._fold is not None

    @property
    def fold(self) -> Fold:
        """The state. Asserts that it was loaded."""
        assert self._fold is not None, "the partition wasn't folded yet"
        return self._fold

    @property
    def tail(self) -> Tail:
        return self._tail

    @property
    def end_offset(self) -> int:
        """The next offset: the end of what is committed and valid."""
        return self.fold.position.next_offset

    def load(self, fold: Fold) -> None:
        """Begins, or begins anew, with `fold`, a restored or an empty one."""
        self._fold = fold
        self._tail.clear()
        self.index = Index()
        self.oldest_control = fold.last_control_llsn
        self.index.add(fold.position.copy())
        self._wake(self.end_offset)

    def forget(self) -> None:
        """Knows nothing any more: whoever needs the state folds the log anew."""
        self._fold = None

    def apply(self, llsn: int, entry: Entry, payload: bytes) -> Meaning:
        """Takes the next entry; raises what `Fold.apply` raises. Wakes who waits for the end to grow."""
        fold = self.fold
        base_offset = fold.position.next_offset
        meaning = fold.apply(llsn, entry)
        if meaning is Meaning.BATCH:
            self._tail.add(base_offset, fold.position.next_offset, payload)
            if self._waiters:
                self._wake(fold.position.next_offset)
        if meaning is Meaning.REPAIR:
            self.load(fold)  # offsets may have jumped, also back
        self.index.passed(fold.position, len(payload))
        return meaning

    def advanced(self, offset: int) -> asyncio.Future[None]:
        """Done as soon as the end lies above `offset`. Cancel it when nobody waits any more."""
        waiter = asyncio.get_running_loop().create_future()
        if self.loaded and self.end_offset > offset:
            waiter.set_result(None)
        else:
            self._waiters[waiter] = offset
            waiter.add_done_callback(self._forget)
        return waiter

    def wake_all(self) -> None:
        """Whoever waits for the end to grow waits in vain: there will be nothing more."""
        for waiter in self._waiters:
            _wake(waiter)

    def _wake(self, end_offset: int) -> None:
        for waiter, offset in self._waiters.items():
            if offset < end_offset:
                _wake(waiter)

    def _forget(self, waiter: asyncio.Future[None]) -> None:
        self._waiters.pop(waiter, None)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
