"""Appends to the catalog's log stream, on an appender that is made anew after an error."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from varlog_client import Log, LogStreamAppender
from varlog_client.errors import AppendError, NotFound
from varlog_client.types import LLSN, EntryMeta, LogStreamId, TopicId


class CatalogWriter:
    """Owned by the catalog; safe for several tasks of one loop."""

    def __init__(
        self, log: Log, topic_id: TopicId, log_stream_id: LogStreamId, *, call_timeout_s: float
    ) -> None:
        self._log = log
        self._topic_id = topic_id
        self._log_stream_id = log_stream_id
        self._call_timeout_s = call_timeout_s
        self._appender: LogStreamAppender | None = None

    async def append(self, payload: bytes) -> LLSN:
        """Where the entry lies. Raises AppendRefused, AppendUnknown, NotFound, Unavailable.

        Cancelling it leaves the entry in doubt, like AppendUnknown.
        """
        appender = await self._current()
        settled: asyncio.Future[LLSN] = asyncio.get_running_loop().create_future()

        def settle(metas: Sequence[EntryMeta] | None, error: AppendError | None) -> None:
            if settled.done():
                return
            if metas is not None:
                settled.set_result(metas[0].llsn)
            elif error is not None:
                settled.set_exception(error)

        await appender.append_batch([payload], settle)
        return await settled

    async def close(self) -> None:
        appender, self._appender = self._appender, None
        if appender is not None:
            await appender.close()

    async def _current(self) -> LogStreamAppender:
        if self._appender is not None and self._appender.broken is None:
            return self._appender
        await self.close()
        try:
            appender = self._make()
        except NotFound:  # the metadata at hand may be older than the log stream
            await self._log.refresh()
            appender = self._make()
        self._appender = appender
        return appender

    def _make(self) -> LogStreamAppender:
        return self._log.appender(self._topic_id, self._log_stream_id, call_timeout_s=self._call_timeout_s)
