"""How many bytes may be held, and who waits for some to come back. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

_SHARES: Final = 8


class Budget:
    """`take` never refuses: who finds the budget `exhausted` stops reading and asks to be told.

    What is taken here is taken from `whole` too, the budget of which this one is a part.
    """

    __slots__ = ("_limit", "_used", "_waiting", "_whole")

    def __init__(self, limit: int, whole: Budget | None = None) -> None:
        self._limit = limit
        self._whole = whole
        self._used = 0
        self._waiting: dict[Callable[[], None], None] = {}

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

    def tell(self, resume: Callable[[], None]) -> None:
        """Calls `resume` once, when there is room again. Asking twice counts once."""
        self._waiting[resume] = None

    def forget(self, resume: Callable[[], None]) -> None:
        self._waiting.pop(resume, None)
