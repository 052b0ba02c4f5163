"""AppenderManager: one shared appender per log stream."""

from __future__ import annotations

import random
from collections.abc import Collection

from varlog_client.appender import LogStreamAppender
from varlog_client.callbacks import Callback
from varlog_client.errors import Unavailable
from varlog_client.log import Log
from varlog_client.shared import SharedAppenders
from varlog_client.types import LogStreamId, TopicId


class AppenderManager:
    """Appenders of one `Log`, shared by everybody who asks this manager for the same log stream.

    They are made with the manager's options when first asked for. One that broke or was closed is replaced
    at the next request; who holds the old one keeps a broken one. To close one is to close it for all.
    """

    def __init__(
        self,
        log: Log,
        *,
        pipeline: int = 2,
        default_callback: Callback | None = None,
        call_timeout_s: float | None = None,
    ) -> None:
        self._log = log
        self._shared = SharedAppenders(
            lambda topic_id, log_stream_id: log.appender(
                topic_id,
                log_stream_id,
                pipeline=pipeline,
                default_callback=default_callback,
                call_timeout_s=call_timeout_s,
            )
        )

    def __repr__(self) -> str:
        return f"<AppenderManager appenders={len(self._shared)}>"

    def get(self, topic_id: TopicId, log_stream_id: LogStreamId) -> LogStreamAppender:
        """The appender of this log stream. Raises `NotFound` and `Closed` like `Log.appender`."""
        return self._shared.get(topic_id, log_stream_id)

    def any(self, topic_id: TopicId, allowlist: Collection[LogStreamId] | None = None) -> LogStreamAppender:
        """The appender of a random appendable log stream of the topic, of those in `allowlist` if given.

        See `Log.appendable_log_streams`. Raises `Unavailable` when there is none, and `Closed`.
        """
        streams = self._log.appendable_log_streams(topic_id)
        if allowlist is not None:
            streams &= frozenset(allowlist)
        if not streams:
            raise Unavailable(f"topic {topic_id} has no appendable log stream")
        return self.get(topic_id, random.choice(sorted(streams)))  # noqa: S311 no secret

    async def clear(self) -> None:
        """Closes all appenders, as `LogStreamAppender.close` does. The manager stays usable."""
        await self._shared.clear()
