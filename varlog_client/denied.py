"""Denied: log streams that should not be chosen for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from varlog_client.types import LogStreamId


class Denied:
    """Each is denied for `ttl_s` from its last `add`. `clock` gives seconds, in any case growing."""

    def __init__(self, ttl_s: float, clock: Callable[[], float]) -> None:
        self._ttl_s = ttl_s
        self._clock = clock
        self._since: dict[LogStreamId, float] = {}

    def __contains__(self, log_stream_id: LogStreamId) -> bool:
        since = self._since.get(log_stream_id)
        if since is None:
            return False
        if self._clock() - since < self._ttl_s:
            return True
        del self._since[log_stream_id]
        return False

    def add(self, log_stream_id: LogStreamId) -> None:
        self._since[log_stream_id] = self._clock()

    def discard(self, log_stream_id: LogStreamId) -> None:
        self._since.pop(log_stream_id, None)

    def longest_denied(self, log_streams: Iterable[LogStreamId]) -> LogStreamId | None:
        """The one that failed longest ago, of those or never; None of none."""
        return min(log_streams, key=lambda each: self._since.get(each, float("-inf")), default=None)
