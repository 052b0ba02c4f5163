"""Outcomes on their way to whoever appended: callbacks one at a time, or a future."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeAlias

from varlog_client.errors import AppendError
from varlog_client.types import EntryMeta, LogStreamId

_log = logging.getLogger(__name__)

Callback: TypeAlias = Callable[[Sequence[EntryMeta] | None, AppendError | None], None]
"""Exactly one of the two is not None: where the entries of the batch lie, or why that isn't known."""


class Callbacks:
    """What was settled and not told yet: told in the order of `add`, one at a time."""

    def __init__(self, log_stream_id: LogStreamId) -> None:
        self._log_stream_id = log_stream_id
        self._waiting: deque[tuple[Callback, Sequence[EntryMeta] | None, AppendError | None]] = deque()
        self._running = False

    def add(self, callback: Callback, metas: Sequence[EntryMeta] | None, error: AppendError | None) -> None:
        self._waiting.append((callback, metas, error))

    def run(self) -> None:
        """Tells all that wait. Called by a callback it does nothing: the loop goes on after that one."""
        if self._running:
            return
        self._running = True
        try:
            while self._waiting:
                callback, metas, error = self._waiting.popleft()
                try:
                    callback(metas, error)
                except (Exception, asyncio.CancelledError):  # other people's code must not stop the stream
                    _log.exception("a callback of the appender to log stream %d failed", self._log_stream_id)
        finally:
            self._running = False


def settle(answer: asyncio.Future[Sequence[EntryMeta]]) -> Callback:
    """A callback that passes the outcome on to `answer`, unless that was cancelled."""

    def tell(metas: Sequence[EntryMeta] | None, error: AppendError | None) -> None:
        if answer.done():
            return
        if metas is not None:
            answer.set_result(metas)
        elif error is not None:
            answer.set_exception(error)

    return tell


def ignore(metas: Sequence[EntryMeta] | None, error: AppendError | None) -> None:
    """For batches whose outcome nobody asked for."""
    del metas, error
