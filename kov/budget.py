"""How many bytes may be held, and who waits for some to come back. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

_SHARES: Final = 8
_NO_BOUND: Final = 2**63


class Budget:
    """`take` never refuses: who finds the budget `exhausted` stops reading and asks to be told.

    What is taken here is taken from `whole` too, the budget of which this one is a part. Many who have each
    received a part of something could wait for each other for ever; so past the limit one at a time may go on
    with what it has begun, and that takes `reserve`.
    """

    __slots__ = ("_begun", "_limit", "_reserve", "_used", "_waiting", "_whole")

    def __init__(self, limit: int, whole: Budget | None = None, *, reserve: int = _NO_BOUND) -> None:
        self._limit = limit
        self._reserve = reserve
        self._whole = whole
        self._used = 0
        self._waiting: dict[Callable[[], None], None] = {}
        self._begun: dict[Callable[[], None], None] = {}

    def __repr__(self) -> str:
        return f"<Budget {self._used}/{self._limit} waiting={len(self._waiting)}>"

    @property
    def used(self) -> int:
        return self._used

    @property
    def exhausted(self) -> bool:
        return self._used >= self._limit

    def share(self, wanted: int, least: int) -> int:
        """How much of `wanted` may be taken by one of many who want much at once, and `least` in any case."""
        return min(wanted, max((self._limit - self._used) // _SHARES, least))

    def take(self, count: int) -> None:
        self._used += count
        if self._whole is not None:
            self._whole.take(count)

    def give(self, count: int) -> None:
        """Gives back what was taken. If that leaves room, those who wait are told, in the order they came."""
        self._used -= count
        if self._whole is not None:
            self._whole.give(count)
        if self._waiting and not self.exhausted:
            waiting, self._waiting = self._waiting, {}
            for resume in waiting:
                resume()
        elif self._begun:
            self._tell_first()

    def tell(self, resume: Callable[[], None]) -> None:
        """Calls `resume` once, when there is room again. Asking twice counts once."""
        self._waiting[resume] = None

    def forget(self, resume: Callable[[], None]) -> None:
        self._waiting.pop(resume, None)

    def may_finish(self, resume: Callable[[], None]) -> bool:
        """Whether it is its turn to go on past the limit. If not, `resume` is called when it may be."""
        self._begun[resume] = None
        return self._is_first(resume) and self._used < self._limit + self._reserve

    def finished(self, resume: Callable[[], None]) -> None:
        """It is done with what it had begun, or has given it up: the next may finish."""
        if resume in self._begun:
            was_first = self._is_first(resume)
            del self._begun[resume]
            if was_first:
                self._tell_first()

    def _is_first(self, resume: Callable[[], None]) -> bool:
        return next(iter(self._begun)) == resume

    def _tell_first(self) -> None:
        if self._begun and self._used < self._limit + self._reserve:
            next(iter(self._begun))()
