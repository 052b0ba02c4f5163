"""The one thread that writes: whatever waits goes into one transaction, synced before it is answered.

While a transaction is committed, new work gathers for the next one: group commit without a timer, so a
lone append waits for nobody and a busy server commits large groups, across log streams. Numbers are given
out here, in the order of submission, and count only once the transaction is on disk.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import TypeAlias

import lmdb

from varlog_lite import layout, status
from varlog_lite.room import Room
from varlog_lite.status import Refusal
from varlog_lite.store import Store
from varlog_lite.streams import LogStream, Placed, Session, Topic
from varlog_lite.wire import Run

MAX_GROUP_BYTES = 16 * 1024 * 1024
"""No more than this is gathered for one transaction, whose pages are in memory until it is committed."""

MAX_UNWRITTEN_BYTES = 32 * 1024 * 1024
"""Where this much waits for the disk, over all append streams, no more is read from the network."""

_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Append:
    """One request's entries, stored all or none, with consecutive LLSNs and GLSNs."""

    session: Session
    stream: LogStream
    runs: list[Run]
    count: int
    done: asyncio.Future[Placed]


@dataclass(slots=True, kw_only=True)
class Change:
    """Any other write; it takes its place among the appends. `apply` runs in the writer's thread."""

    apply: Callable[[lmdb.Transaction], None]
    done: asyncio.Future[None]


Work: TypeAlias = Append | Change


@dataclass(slots=True)
class _Group:
    """What one transaction holds. The counters become the streams' own when it is on disk."""

    work: list[Work]
    placed: list[Placed] = field(default_factory=list)
    llsns: dict[LogStream, int] = field(default_factory=dict)
    glsns: dict[Topic, int] = field(default_factory=dict)
    version: int = 0


class Writer:
    """Started by `start`, ended by `close`; everything else is called from the event loop's thread.

    `failed` gets the error that makes the store unusable until the process is restarted; a full disk is
    none: the work at hand is refused, and later work is tried again.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._room = Room(store)
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[Work | None] = SimpleQueue()
        self._closing = False
        self._short = False
        self._thread = threading.Thread(target=self._run, name="varlog-lite-writer", daemon=True)
        self.failed: asyncio.Future[str] = self._loop.create_future()
        self.commits = 0
        self._unwritten = 0
        self._has_room = asyncio.Event()
        self._has_room.set()

    def start(self) -> None:
        self._thread.start()

    def append(
        self, session: Session, stream: LogStream, runs: list[Run], count: int
    ) -> asyncio.Future[Placed]:
        """The future ends with the place of the entries once they are on disk, or with a `Refusal`.

        Cancelling the future doesn't take the append back.
        """
        done: asyncio.Future[Placed] = self._loop.create_future()
        append = Append(session=session, stream=stream, runs=runs, count=count, done=done)
        self._unwritten += _size(append)
        if self._unwritten >= MAX_UNWRITTEN_BYTES:
            self._has_room.clear()
        self._queue.put(append)
        return done

    async def room(self) -> None:
        """Waits while `MAX_UNWRITTEN_BYTES` wait for the disk; `append` itself refuses nothing."""
        await self._has_room.wait()

    def change(self, apply: Callable[[lmdb.Transaction], None]) -> asyncio.Future[None]:
        """Like `append`, for a change of anything else; committed after what was submitted before it."""
        done: asyncio.Future[None] = self._loop.create_future()
        self._queue.put(Change(apply=apply, done=done))
        return done

    async def close(self) -> None:
        """Waits until everything submitted before is committed and told. Nothing may be submitted later."""
        if not self._closing:
            self._closing = True
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        # What the thread told last was scheduled before it ended; one turn of the loop runs it.
        await asyncio.sleep(0)

    def _run(self) -> None:
        while True:
            work, last = self._gather()
            if work:
                self._write(_Group(work))
            if last:
                return

    def _gather(self) -> tuple[list[Work], bool]:
        """Waits for work, then takes all that is there; true behind the last."""
        first = self._queue.get()
        work: list[Work] = []
        room = MAX_GROUP_BYTES
        while first is not None:
            work.append(first)
            if isinstance(first, Append):
                room -= _size(first)
            if room <= 0:
                return work, False
            try:
                first = self._queue.get_nowait()
            except Empty:
                return work, False
        return work, True

    def _write(self, group: _Group) -> None:
        try:
            self._commit(group)
        except Exception as error:  # a writer that dies in silence would leave every append hanging
            refusal = _explain(error)
            for work in group.work:
                if isinstance(work, Append):
                    work.session.broken = refusal
            _log.error("a commit failed: %s", error, exc_info=not isinstance(error, lmdb.Error))
            self._loop.call_soon_threadsafe(self._tell_refused, group, refusal, _is_fatal(error))
            return
        for stream, llsn in group.llsns.items():
            stream.next_llsn = llsn
        for topic, glsn in group.glsns.items():
            topic.next_glsn = glsn
        self.commits += 1
        self._loop.call_soon_threadsafe(self._tell_committed, group)

    def _commit(self, group: _Group) -> None:
        with self._store.env.begin(self._store.entries, write=True) as txn:
            group.version = txn.id()
            self._refuse_without_room(group, txn)
            for work in group.work:
                if isinstance(work, Change):
                    work.apply(txn)
                elif work.session.broken is None:
                    group.placed.append(_place(txn, group, work))
                else:
                    group.placed.append(_NOWHERE)

    def _refuse_without_room(self, group: _Group, txn: lmdb.Transaction) -> None:
        appends = [work for work in group.work if isinstance(work, Append)]
        shortage = self._room.shortage(txn, sum(map(_size, appends))) if appends else None
        if shortage is not None:
            if not self._short:
                _log.warning("appends are refused for want of room: %s", shortage)
            for append in appends:
                append.session.broken = status.no_room(shortage)
        if appends:
            self._short = shortage is not None

    def _make_room(self, group: _Group) -> None:
        self._unwritten -= sum(_size(work) for work in group.work if isinstance(work, Append))
        if self._unwritten < MAX_UNWRITTEN_BYTES:
            self._has_room.set()

    def _tell_committed(self, group: _Group) -> None:
        self._make_room(group)
        places = iter(group.placed)
        advanced: set[LogStream] = set()
        for work in group.work:
            if isinstance(work, Change):
                _settle(work.done, None)
                continue
            place = next(places)
            if place is _NOWHERE:
                _fail(work.done, work.session.broken or status.closed())
                continue
            work.stream.committed(place, work.count, group.version)
            advanced.add(work.stream)
            _settle(work.done, place)
        for stream in advanced:
            stream.wake()

    def _tell_refused(self, group: _Group, refusal: Refusal, fatal: bool) -> None:
        self._make_room(group)
        for work in group.work:
            _fail(work.done, refusal)
        if fatal and not self.failed.done():
            self.failed.set_result(refusal.text)


_NOWHERE = Placed(0, 0)


def _size(append: Append) -> int:
    return sum(len(run.body) for run in append.runs)


def _place(txn: lmdb.Transaction, group: _Group, append: Append) -> Placed:
    stream, topic = append.stream, append.stream.topic
    llsn = group.llsns.get(stream, stream.next_llsn)
    glsn = group.glsns.get(topic, topic.next_glsn)
    place = Placed(glsn, llsn)
    for run in append.runs:
        key = layout.record_key(stream.log_stream_id, llsn, glsn, run.entry_count, run.body)
        if not txn.put(key, run.body, overwrite=False):
            raise lmdb.KeyExistsError(f"log stream {stream.log_stream_id}, LLSN {llsn} is there already")
        llsn += run.entry_count
        glsn += run.entry_count
    group.llsns[stream] = llsn
    group.glsns[topic] = glsn
    return place


def _explain(error: Exception) -> Refusal:
    if isinstance(error, lmdb.MapFullError | lmdb.DiskError):
        return status.no_room(str(error))
    return status.storage_failed(str(error))


def _is_fatal(error: Exception) -> bool:
    """Whether a later commit can't do better; a full disk or a failed write leaves the store as it was."""
    hopeless = lmdb.PanicError | lmdb.CorruptedError | lmdb.KeyExistsError
    return isinstance(error, hopeless) or not isinstance(error, lmdb.Error)


def _settle(future: asyncio.Future[Placed] | asyncio.Future[None], value: Placed | None) -> None:
    if not future.done():
        future.set_result(value)  # type: ignore[arg-type]


def _fail(future: asyncio.Future[Placed] | asyncio.Future[None], refusal: Refusal) -> None:
    if not future.done():
        future.set_exception(refusal)
