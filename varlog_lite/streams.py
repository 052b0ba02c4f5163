"""What the server knows of topics and log streams while it runs.

Two threads meet here, each with its own fields: the writer's thread gives out numbers (`next_llsn`,
`next_glsn`), the event loop's has everything else and learns of a commit through `committed`.
"""

from __future__ import annotations

import asyncio
from enum import IntEnum
from typing import NamedTuple

from varlog_lite import status
from varlog_lite.status import Refusal


class Status(IntEnum):
    """A log stream's state; the numbers are Varlog's."""

    RUNNING = 0
    SEALING = 1
    SEALED = 2


class Position(NamedTuple):
    llsn: int
    glsn: int


NOWHERE = Position(0, 0)


class Placed(NamedTuple):
    """Where an append lies: the numbers of its first entry."""

    glsn: int
    llsn: int


class Session:
    """One append stream, as the writer sees it: once it is broken, nothing more of it is stored."""

    __slots__ = ("broken",)

    def __init__(self) -> None:
        self.broken: Refusal | None = None


class Topic:
    """One sequence of GLSNs, over all log streams of the topic."""

    def __init__(self, topic_id: int, *, last_glsn: int = 0, log_streams: tuple[int, ...] = ()) -> None:
        self.topic_id = topic_id
        self.log_streams = log_streams
        """The ids ever registered, those since removed included."""
        self.last_glsn = last_glsn
        self.next_glsn = last_glsn + 1
        self._changed = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Topic {self.topic_id} last_glsn={self.last_glsn} log_streams={self.log_streams}>"

    @property
    def changed(self) -> asyncio.Event:
        """Set at the next commit to any of the topic's log streams; a new one from then on."""
        return self._changed

    def wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


class LogStream:
    """One log stream and its only replica: entries `first_llsn` to `last_llsn`, none if that is empty.

    After everything was trimmed the numbers go on where they were.
    """

    def __init__(
        self,
        topic: Topic,
        log_stream_id: int,
        *,
        status: Status,
        created_ns: int,
        first_llsn: int = 1,
        last: Position = NOWHERE,
        unregistered_at: int = 0,
        unregistered_s: int = 0,
    ) -> None:
        self.topic = topic
        self.log_stream_id = log_stream_id
        self.status = status
        self.created_ns = created_ns
        self.unregistered_at = unregistered_at
        """By the clock, which may be wrong: for people, and not 0 if it is unregistered."""
        self.unregistered_s = unregistered_s
        """For how long it has been served since, about: counted, not read from the clock."""
        self.first_llsn = first_llsn
        self.last_llsn, self.last_glsn = last
        self.next_llsn = self.last_llsn + 1
        self.trimmed_glsn = 0
        """The last trim since this process started: Varlog forgets it likewise."""
        self.version = 0
        self.last_commit_count = 0
        self.closed = False
        self._changed = asyncio.Event()
        self._hanging: set[asyncio.Future[Placed]] = set()

    def __repr__(self) -> str:
        return (
            f"<LogStream {self.topic.topic_id}/{self.log_stream_id} {self.status.name} "
            f"first={self.first_llsn} last={self.last_llsn} registered={self.registered}>"
        )

    @property
    def registered(self) -> bool:
        return not self.unregistered_at

    @property
    def empty(self) -> bool:
        return self.first_llsn > self.last_llsn

    @property
    def last(self) -> Position:
        """The high watermark: `NOWHERE` while no entry is held."""
        return NOWHERE if self.empty else Position(self.last_llsn, self.last_glsn)

    @property
    def changed(self) -> asyncio.Event:
        """Set at the next commit to this log stream, or when it is closed; a new one from then on."""
        return self._changed

    def committed(self, place: Placed, count: int, version: int) -> None:
        """`count` entries from `place` on are on disk. `wake` tells those who wait."""
        self.last_llsn = place.llsn + count - 1
        self.last_glsn = place.glsn + count - 1
        self.last_commit_count = count
        self.version = version
        self.topic.last_glsn = max(self.topic.last_glsn, self.last_glsn)

    def hang(self) -> asyncio.Future[Placed]:
        """An append nobody will commit, because the log stream is unregistered. Ends with `close`."""
        future: asyncio.Future[Placed] = asyncio.get_running_loop().create_future()
        self._hanging.add(future)
        future.add_done_callback(self._hanging.discard)
        return future

    def close(self, reason: Refusal | None = None) -> None:
        """The replica is removed, or the server ends: waiting readers and appenders learn of it."""
        self.closed = True
        for future in tuple(self._hanging):
            if not future.done():
                future.set_exception(reason or status.closed())
        self.wake()

    def wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        self.topic.wake()
