"""Callbacks that write down what they are told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from varlog_client import AppendError, EntryMeta

BOUND_S = 20.0


class Answers:
    """`answers.callback("a")` is a callback that notes its outcome as "a"; `order` keeps the names."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self._outcomes: dict[str, Sequence[EntryMeta] | AppendError] = {}
        self._changed = asyncio.Event()

    def callback(self, name: str) -> Callable[[Sequence[EntryMeta] | None, AppendError | None], None]:
        def note(metas: Sequence[EntryMeta] | None, error: AppendError | None) -> None:
            assert (metas is None) != (error is None), "exactly one of the two"
            assert name not in self._outcomes, f"{name} was called back twice"
            outcome = metas if metas is not None else error
            assert outcome is not None
            self.order.append(name)
            self._outcomes[name] = outcome
            self._changed.set()

        return note

    async def wait(self, *names: str) -> None:
        async with asyncio.timeout(BOUND_S):
            while not set(names) <= self._outcomes.keys():
                self._changed.clear()
                await self._changed.wait()

    def outcome(self, name: str) -> Sequence[EntryMeta] | AppendError:
        return self._outcomes[name]

    def error(self, name: str) -> AppendError:
        outcome = self._outcomes[name]
        assert isinstance(outcome, AppendError), f"{name} succeeded: {outcome}"
        return outcome

    def errors(self, *names: str) -> list[type[AppendError]]:
        return [type(self.error(name)) for name in names]

    def metas(self, name: str) -> Sequence[EntryMeta]:
        outcome = self._outcomes[name]
        assert not isinstance(outcome, AppendError), f"{name} failed: {outcome!r}"
        return outcome

    def llsns(self, name: str) -> list[int]:
        return [meta.llsn for meta in self.metas(name)]
