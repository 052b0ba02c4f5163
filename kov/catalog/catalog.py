"""The catalog: topics made at run time, kept in one log stream, followed by every node."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from kov.catalog import messages
from kov.catalog.fold import CatalogFold, UnknownEntry
from kov.catalog.writer import CatalogWriter
from kov.topics import Topic
from varlog_client import Log
from varlog_client.errors import Closed, Corrupt, NotFound, Trimmed, Unavailable, VarlogError
from varlog_client.types import LLSN, LogEntry, LogStreamId, TopicId

_log = logging.getLogger(__name__)

OnChange = Callable[[Sequence[Topic]], None]

_APPEND_TIMEOUT_S = 10.0
_PAUSE_S = 1.0


class CatalogError(Exception):
    """The catalog can't be read or can't be trusted; the text says why and what to do."""


class Catalog:
    """Reads the log stream from its first entry and keeps following it.

    `on_change` gets all living topics whenever they have changed after `open`, before whoever waits for the
    change goes on; by then the metadata knows their log streams, if the cluster could be asked.
    """

    def __init__(
        self, log: Log, topic_id: TopicId, log_stream_id: LogStreamId, *, on_change: OnChange
    ) -> None:
        self.topic_id = topic_id
        self.log_stream_id = log_stream_id
        self.fold = CatalogFold()
        self.writer = CatalogWriter(log, topic_id, log_stream_id, call_timeout_s=_APPEND_TIMEOUT_S)
        self._log = log
        self._on_change = on_change
        self._opened = False
        self._failure: CatalogError | None = None
        self._applied: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._follower: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        state = "failed" if self._failure else "following" if self._follower else "closed"
        return f"<Catalog {self.topic_id}/{self.log_stream_id} {state} applied={self.fold.applied}>"

    async def open(self, *, timeout_s: float) -> None:
        """Read what is there now, then follow in the background. Raises CatalogError."""
        try:
            async with asyncio.timeout(timeout_s):
                state = await self._log.peek(self.topic_id, self.log_stream_id)
                if state.first.llsn > 1:
                    raise self._error(
                        f"its first {state.first.llsn - 1} entries were trimmed, and all are needed"
                    )
                self._follower = asyncio.create_task(self._follow(), name="catalog follower")
                await self.until_applied(state.last.llsn)
                await self._learn_log_streams()
        except NotFound:
            raise self._error("there is no such log stream; name an existing one or make it first") from None
        except VarlogError as error:
            raise self._error(str(error)) from error
        except TimeoutError:
            raise self._error(f"reading to its end took longer than {timeout_s:g} s") from None
        self._opened = True

    async def close(self) -> None:
        """Stop following and appending. Idempotent; who waits gets CatalogError."""
        follower, self._follower = self._follower, None
        if follower is not None:
            follower.cancel()
            await asyncio.wait([follower])
        self._fail(self._error("closed"))
        await self.writer.close()

    async def until_applied(self, llsn: LLSN) -> None:
        """Wait until the fold has taken in everything up to and with `llsn`. Raises CatalogError."""
        await self.until(lambda: self.fold.applied >= llsn)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the fold makes `condition` true. Raises CatalogError."""
        while not condition():
            if self._failure is not None:
                raise self._failure
            await asyncio.shield(self._applied)

    @property
    def topics(self) -> list[Topic]:
        """The living ones."""
        return [messages.as_topic(topic) for topic in self.fold.topics]

    def topic(self, name: str) -> Topic | None:
        known = self.fold.topic(name)
        return messages.as_topic(known) if known else None

    def owns(self, name: str, uuid: UUID) -> bool:
        """Whether the creation with this uuid is the one that made the living topic."""
        known = self.fold.topic(name)
        return known is not None and known.uuid == uuid

    async def _follow(self) -> None:
        while True:
            try:
                await self._read_on()
            except (Unavailable, NotFound) as error:
                _log.warning("the catalog can't be read just now, trying again: %s", error)
                await asyncio.sleep(_PAUSE_S)
            except UnknownEntry as error:
                return self._fail(self._error(f"{error}, written by a newer kov: update this one"))
            except (Trimmed, Corrupt, Closed) as error:
                return self._fail(self._error(str(error)))

    async def _read_on(self) -> None:
        begin = LLSN(self.fold.applied + 1)
        async with self._log.subscribe_to(self.topic_id, self.log_stream_id, begin) as subscriber:
            while entries := await subscriber.next_batch():
                await self._apply(entries)

    async def _apply(self, entries: Sequence[LogEntry]) -> None:
        effects = [self.fold.apply(entry.llsn, entry.data) for entry in entries]
        if any(effects) and self._opened:
            await self._learn_log_streams()
            self._on_change(self.topics)
        self._notify()

    async def _learn_log_streams(self) -> None:
        known: Mapping[LogStreamId, object] = self._log.metadata.log_streams
        if all(each in known for topic in self.fold.topics for each in topic.log_streams):
            return
        try:
            await self._log.refresh()
        except Unavailable as error:  # a partition that opens meanwhile reads the metadata itself
            _log.warning("the metadata of new log streams can't be read just now: %s", error)

    def _notify(self) -> None:
        applied, self._applied = self._applied, asyncio.get_running_loop().create_future()
        applied.set_result(None)

    def _fail(self, failure: CatalogError) -> None:
        if self._failure is None:
            self._failure = failure
            if self._follower is not None:
                _log.error("%s; topics can't be made or changed until kov is restarted", failure)
            self._notify()

    def _error(self, reason: str) -> CatalogError:
        return CatalogError(
            f"the catalog (log stream {self.log_stream_id} of Varlog topic {self.topic_id}): {reason}"
        )
