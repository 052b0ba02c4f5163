"""Clients ask again and again; the log needs to hear it once in a while."""

from __future__ import annotations

import time
from typing import Final

_MAX_KEYS: Final = 1000


class Seldom:
    """Says whether it is time to write about a key again: once per `every_s`. Bounded in memory."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._said: dict[object, float] = {}

    def due(self, key: object) -> bool:
        now = time.monotonic()
        if now - self._said.get(key, float("-inf")) < self._every_s:
            return False
        self._said.pop(key, None)
        if len(self._said) >= _MAX_KEYS:
            del self._said[next(iter(self._said))]
        self._said[key] = now
        return True
