"""The cluster of one: which topics and log streams there are, and every change to them.

A change is decided and written under one lock, in one transaction with the new `applied_index`, and
counts once it is on disk. Whatever fails leaves everything as it was. Refusals are the admin server's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import lmdb

from varlog_lite import ledger, status
from varlog_lite.ledger import ClusterRecord, Loaded
from varlog_lite.store import MetaValue, Store, encode_meta
from varlog_lite.streams import NOWHERE, LogStream, Position, Status, Topic
from varlog_lite.writer import Writer

_P = ParamSpec("_P")
_T = TypeVar("_T")


def _finished(
    verb: Callable[Concatenate[Cluster, _P], Coroutine[Any, Any, _T]],
) -> Callable[Concatenate[Cluster, _P], Coroutine[Any, Any, _T]]:
    """What was begun is finished, whether the caller still waits or not: memory must follow the disk."""

    @wraps(verb)
    async def call(cluster: Cluster, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        task = asyncio.create_task(verb(cluster, *args, **kwargs))
        cluster.under_way.add(task)
        task.add_done_callback(cluster.under_way.discard)
        return await asyncio.shield(task)

    return call


class Cluster:
    """`topics` are the registered ones; `log_streams` are the replicas held, registered or not."""

    def __init__(self, store: Store, writer: Writer, loaded: Loaded) -> None:
        self.store = store
        self.writer = writer
        self.record = loaded.cluster
        self.topics = loaded.topics
        self.log_streams = loaded.log_streams
        self.under_way: set[asyncio.Task[Any]] = set()
        self.to_sweep = asyncio.Event()
        self.dropped = set(loaded.dropped)
        self._lock = asyncio.Lock()

    @property
    def version(self) -> int:
        """Of the last commit of entries anywhere; 0 if there was none."""
        return max((stream.version for stream in self.log_streams.values()), default=0)

    def registered(self, topic_id: int | None = None) -> list[LogStream]:
        """Sorted by id: clients search the list by halves."""
        found = [
            stream
            for stream in self.log_streams.values()
            if stream.registered and topic_id in (None, stream.topic.topic_id)
        ]
        return sorted(found, key=lambda stream: stream.log_stream_id)

    def held(self) -> list[LogStream]:
        """All replicas, sorted by id."""
        return [stream for _, stream in sorted(self.log_streams.items())]

    def find(self, topic_id: int, log_stream_id: int) -> LogStream | None:
        """The replica, whether the log stream is still registered or not."""
        stream = self.log_streams.get(log_stream_id)
        return stream if stream is not None and stream.topic.topic_id == topic_id else None

    def find_registered(self, topic_id: int, log_stream_id: int) -> LogStream | None:
        stream = self.find(topic_id, log_stream_id)
        return stream if stream is not None and stream.registered else None

    def first(self, stream: LogStream) -> Position:
        """The low watermark: `NOWHERE` while no entry is held. Reads from disk."""
        if stream.empty:
            return NOWHERE
        llsn = stream.first_llsn
        head = self.store.record_at(stream.log_stream_id, llsn)
        return Position(llsn, head.glsn + llsn - head.llsn) if head else NOWHERE

    async def settled(self) -> None:
        """Waits for the changes under way."""
        await asyncio.gather(*self.under_way, return_exceptions=True)

    async def start(self, *, fresh: bool, auto_unseal: bool) -> None:
        """A restart leaves log streams sealed, as a storage node's does, unless they are to be unsealed."""
        wanted = Status.RUNNING if auto_unseal else Status.SEALED
        changing = [stream for stream in self.registered() if stream.status is not wanted]
        for stream in self.log_streams.values():
            stream.status = wanted if stream.registered else Status.SEALED
        if changing or fresh:
            record = self.record if fresh else self.record.changed()
            edits = {_key(stream): ledger.log_stream_value(stream) for stream in changing}
            await self._commit(edits, record)

    @_finished
    async def add_topic(self) -> Topic:
        async with self._lock:
            topic = Topic(self.record.next_topic)
            record = replace(self.record.changed(), next_topic=topic.topic_id + 1)
            await self._commit({ledger.topic_key(topic.topic_id): ledger.topic_value(topic)}, record)
            self.topics[topic.topic_id] = topic
            return topic

    @_finished
    async def add_log_stream(self, topic_id: int) -> LogStream:
        """It is RUNNING when this returns."""
        async with self._lock:
            topic = self.topics.get(topic_id)
            if topic is None:
                raise status.add_topic_unknown(topic_id)
            number = self.record.next_log_stream
            stream = LogStream(topic, number, status=Status.RUNNING, created_ns=time.time_ns())
            ids = (*topic.log_streams, number)
            edits = {
                ledger.topic_key(topic_id): ledger.topic_value(topic, log_streams=ids),
                _key(stream): ledger.log_stream_value(stream),
            }
            await self._commit(edits, replace(self.record.changed(), next_log_stream=number + 1))
            topic.log_streams = ids
            self.log_streams[number] = stream
            return stream

    @_finished
    async def unregister_topic(self, topic_id: int) -> None:
        """Its log streams go with it, RUNNING or not; appends to those then hang, as in Varlog."""
        async with self._lock:
            if topic_id not in self.topics:
                raise status.unregister_topic_unknown()
            streams, now = self.registered(topic_id), _now_s()
            edits: dict[bytes, MetaValue | None] = {ledger.topic_key(topic_id): None}
            for stream in streams:
                edits[_key(stream)] = ledger.log_stream_value(stream, unregistered_at=now)
            await self._commit(edits, self.record.changed())
            del self.topics[topic_id]
            for stream in streams:
                stream.unregistered_at = now

    @_finished
    async def unregister_log_stream(self, topic_id: int, log_stream_id: int) -> None:
        """The replica stays, sealed and readable, until it is removed or a day has passed."""
        async with self._lock:
            stream = self.find_registered(topic_id, log_stream_id)
            if stream is None:
                raise status.log_stream_not_exist()
            if stream.status is not Status.SEALED:
                raise status.unregister_running_log_stream()
            now = _now_s()
            edits = {_key(stream): ledger.log_stream_value(stream, unregistered_at=now)}
            await self._commit(edits, self.record.changed())
            stream.unregistered_at = now

    @_finished
    async def remove_replica(self, topic_id: int, log_stream_id: int) -> None:
        """Forgets an unregistered log stream; its entries are deleted in the background."""
        async with self._lock:
            stream = self.find(topic_id, log_stream_id)
            if stream is None:
                raise status.remove_replica_unknown()
            if stream.registered:
                raise status.remove_current_replica()
            edits: dict[bytes, MetaValue | None] = {
                _key(stream): ledger.log_stream_value(stream, dropped=True)
            }
            if stream.topic.topic_id in self.topics:
                edits[ledger.topic_key(topic_id)] = ledger.topic_value(stream.topic)
            await self._commit(edits)
            del self.log_streams[log_stream_id]
            self.dropped.add(log_stream_id)
            stream.close()
            self.to_sweep.set()

    @_finished
    async def age(self, stream: LogStream, seconds: int) -> None:
        """The unregistered log stream has been served for so much longer."""
        async with self._lock:
            served = stream.unregistered_s + seconds
            if self.log_streams.get(stream.log_stream_id) is stream:
                await self._commit({_key(stream): ledger.log_stream_value(stream, unregistered_s=served)})
                stream.unregistered_s = served

    @_finished
    async def seal(self, topic_id: int, log_stream_id: int) -> LogStream:
        """Appends accepted before are committed, later ones refused. Sealing twice is fine."""
        async with self._lock:
            stream = self.find_registered(topic_id, log_stream_id)
            if stream is None:
                raise status.log_stream_unknown(log_stream_id)
            if stream.status is Status.RUNNING:
                with _taking_no_appends(stream):
                    await self._set_status(stream, Status.SEALED)
            return stream

    @_finished
    async def unseal(self, topic_id: int, log_stream_id: int) -> LogStream:
        """An append stream that has ended stays ended. Unsealing twice is fine."""
        async with self._lock:
            stream = self.log_streams.get(log_stream_id)
            if stream is None or not stream.registered:
                raise status.log_stream_not_exist()
            if stream.topic.topic_id != topic_id:
                raise status.unseal_wrong_topic()
            if stream.status is not Status.RUNNING:
                await self._set_status(stream, Status.RUNNING)
            return stream

    @_finished
    async def trim(self, topic_id: int, glsn: int) -> dict[int, str]:
        """Drops the topic's entries up to and including `glsn`: error text per log stream, "" if none.

        They are gone for readers when this returns; their space is freed in the background.
        """
        async with self._lock:
            held = [stream for stream in self.log_streams.values() if stream.topic.topic_id == topic_id]
            return {stream.log_stream_id: await self._trim(stream, glsn) for stream in held}

    async def _trim(self, stream: LogStream, glsn: int) -> str:
        if stream.status is not Status.RUNNING:
            return status.sealed().text
        if glsn > stream.topic.last_glsn:
            return status.trim_beyond(glsn, stream.topic.last_glsn)
        number, first, last = stream.log_stream_id, stream.first_llsn, stream.last_llsn
        # Whatever is committed from here on lies above `glsn`.
        llsn, _ = await asyncio.to_thread(self.store.first_from_glsn, number, first, last, glsn + 1)
        if llsn > first:
            edits: dict[bytes, MetaValue | None] = {
                _key(stream): ledger.log_stream_value(stream, first_llsn=llsn)
            }
            if stream.topic.topic_id in self.topics:
                edits[ledger.topic_key(stream.topic.topic_id)] = ledger.topic_value(stream.topic)
            await self._commit(edits)
            stream.first_llsn = llsn
            self.to_sweep.set()
        stream.trimmed_glsn = max(stream.trimmed_glsn, glsn)
        return ""

    async def _set_status(self, stream: LogStream, new: Status) -> None:
        edits = {_key(stream): ledger.log_stream_value(stream, status=new)}
        await self._commit(edits, self.record.changed())
        stream.status = new

    async def _commit(
        self, edits: Mapping[bytes, MetaValue | None], record: ClusterRecord | None = None
    ) -> None:
        """Writes all of it or nothing; with `record`, as a change of the metadata."""
        values = {**edits, ledger.cluster_key(): record.stored()} if record else edits

        def apply(txn: lmdb.Transaction) -> None:
            for key, value in values.items():
                if value is None:
                    txn.delete(key, db=self.store.meta)
                else:
                    txn.put(key, encode_meta(value), db=self.store.meta)

        await self.writer.change(apply)
        if record is not None:
            self.record = record


def _now_s() -> int:
    """Never 0, which means "not yet", wherever the clock stands."""
    return max(int(time.time()), 1)


def _key(stream: LogStream) -> bytes:
    return ledger.log_stream_key(stream.log_stream_id)


@contextmanager
def _taking_no_appends(stream: LogStream) -> Iterator[None]:
    before, stream.status = stream.status, Status.SEALING
    try:
        yield
    except BaseException:
        stream.status = before
        raise
