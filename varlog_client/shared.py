"""SharedAppenders: one appender per log stream, for all who ask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from varlog_client.appender import LogStreamAppender
from varlog_client.types import LogStreamId, TopicId


class SharedAppenders:
    def __init__(self, make: Callable[[TopicId, LogStreamId], LogStreamAppender]) -> None:
        self._make = make
        self._appenders: dict[tuple[TopicId, LogStreamId], LogStreamAppender] = {}

    def __len__(self) -> int:
        return sum(appender.broken is None for appender in self._appenders.values())

    def get(self, topic_id: TopicId, log_stream_id: LogStreamId) -> LogStreamAppender:
        """The one there is, or a new one where it is broken or closed. Raises what `make` raises."""
        key = topic_id, log_stream_id
        appender = self._appenders.get(key)
        if appender is None or appender.broken is not None:
            appender = self._appenders[key] = self._make(*key)
        return appender

    async def clear(self) -> None:
        """Closes all of them."""
        appenders, self._appenders = self._appenders, {}
        await asyncio.gather(*(appender.close() for appender in appenders.values()))
