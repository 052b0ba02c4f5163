"""Warnings that may come in floods: while many come, most are counted and not written."""

from __future__ import annotations

import logging
import time
from typing import Final

QUIET_S: Final = 5.0


class Complaints:
    """Of one kind. After one that was written others are counted for `QUIET_S`; the next says how many."""

    __slots__ = ("_log", "_said", "_unsaid")

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._said = float("-inf")
        self._unsaid = 0

    def say(self, text: str, *values: object) -> None:
        now = time.monotonic()
        if now - self._said < QUIET_S:
            self._unsaid += 1
            self._log.debug(text, *values)
            return
        more = f" ({self._unsaid} more like this)" if self._unsaid else ""
        self._log.warning(text + more, *values)
        self._said, self._unsaid = now, 0
