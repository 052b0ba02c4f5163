"""How long a peer has been getting nowhere. Pure: time, in seconds, is an argument."""

from __future__ import annotations

from typing import Final

PROGRESS_BYTES: Final = 16 * 1024
"""So much of an unfinished request counts as progress. Less doesn't, or a byte a minute would hold a
connection for ever."""


class Idleness:
    """Of one connection, since it was opened, asked for something whole, or took something of an answer."""

    __slots__ = ("_since", "_unfinished_bytes", "_unread_bytes")

    def __init__(self, now: float) -> None:
        self._since = now
        self._unfinished_bytes = 0
        self._unread_bytes = 0

    def ends(self, now: float) -> None:
        """A request came, an answer went, or nothing could be expected of the peer until now."""
        self._since = now
        self._unfinished_bytes = 0

    def received(self, count: int, now: float) -> None:
        """That many bytes came which complete no request."""
        self._unfinished_bytes += count
        if self._unfinished_bytes >= PROGRESS_BYTES:
            self.ends(now)

    def unread(self, count: int, now: float) -> None:
        """So many bytes of answers are left for the peer to take; it is idle while they stay the same."""
        if count != self._unread_bytes:
            self._unread_bytes = count
            self.ends(now)

    def reached(self, bound_s: float, now: float) -> bool:
        return now - self._since >= bound_s
