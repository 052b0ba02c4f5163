"""What several tests of partitions look at."""

from __future__ import annotations

import pytest

from tests.kov.partition.scripted import Entries


class Reads:
    """How many reads of Varlog are open, were at most, and were begun."""

    def __init__(self) -> None:
        self.open = self.most = self.begun = 0


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    counted = Reads()
    enter, leave = Entries.__aenter__, Entries.__aexit__

    async def entered(self: Entries) -> Entries:
        counted.open += 1
        counted.begun += 1
        counted.most = max(counted.most, counted.open)
        return await enter(self)

    async def left(self: Entries, *error: object) -> None:
        counted.open -= 1
        await leave(self, None, None, None)

    monkeypatch.setattr(Entries, "__aenter__", entered)
    monkeypatch.setattr(Entries, "__aexit__", left)
    return counted
