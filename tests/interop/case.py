"""One scenario of the list: a row of the table, one or several cases in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.interop.bench import Bench

Play = Callable[[Bench], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`needs`: features without which a client isn't asked. `everyday`: also played in CI."""

    row: str
    name: str = ""
    play: Play
    needs: frozenset[str] = frozenset()
    everyday: bool = True

    def __str__(self) -> str:
        return f"{self.row}: {self.name}" if self.name else self.row
