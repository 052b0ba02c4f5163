"""Frees the space of what was trimmed or removed, a little at a time, so that appends hardly wait for it."""

from __future__ import annotations

import asyncio
import logging
import time

import lmdb

from varlog_lite import layout, ledger
from varlog_lite.cluster import Cluster
from varlog_lite.status import Refusal

UNREGISTERED_KEPT_S = 24 * 3600
"""How long the entries of an unregistered log stream stay readable, as in Varlog; the time during which
no server runs doesn't count, for only the clock could tell, and that may jump."""

_AGE_STEP_S = 600

_RECORDS_AT_ONCE = 256
_ROUND_S = 3600.0
_ALL = 1 << 64

_log = logging.getLogger(__name__)


class Sweeper:
    """One task. What a crash leaves undone is found again by the next start."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._counted_until = time.monotonic()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="varlog-lite-sweeper")

    async def close(self) -> None:
        """Waits for a transaction under way."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None

    async def _run(self) -> None:
        while True:
            self._cluster.to_sweep.clear()
            try:
                await self._sweep()
            except Refusal as refusal:
                _log.warning("space could not be freed now: %s", refusal)
            try:
                await asyncio.wait_for(self._cluster.to_sweep.wait(), _ROUND_S)
            except TimeoutError:
                continue

    async def _sweep(self) -> None:
        await self._remove_outdated()
        for stream in tuple(self._cluster.log_streams.values()):
            await self._delete(stream.log_stream_id, stream.first_llsn)
        for log_stream_id in tuple(self._cluster.dropped):
            await self._delete(log_stream_id, _ALL)
            await self._forget(log_stream_id)

    async def _remove_outdated(self) -> None:
        elapsed = int(time.monotonic() - self._counted_until)
        if elapsed >= _AGE_STEP_S:
            self._counted_until += elapsed
        for stream in tuple(self._cluster.log_streams.values()):
            if stream.registered:
                continue
            if elapsed >= _AGE_STEP_S:
                await self._cluster.age(stream, elapsed)
            if stream.unregistered_s > UNREGISTERED_KEPT_S:
                await self._cluster.remove_replica(stream.topic.topic_id, stream.log_stream_id)

    async def _delete(self, log_stream_id: int, below: int) -> None:
        """Deletes the records whose entries all lie below `below`."""
        store, deleted = self._cluster.store, _RECORDS_AT_ONCE

        def apply(txn: lmdb.Transaction) -> None:
            nonlocal deleted
            with txn.cursor(store.entries) as cursor:
                deleted = delete_some(cursor, log_stream_id, below)

        head = await asyncio.to_thread(store.record_at, log_stream_id, 0)
        while head is not None and head.last_llsn < below and deleted == _RECORDS_AT_ONCE:
            await self._cluster.writer.change(apply)

    async def _forget(self, log_stream_id: int) -> None:
        store, key = self._cluster.store, ledger.log_stream_key(log_stream_id)

        def apply(txn: lmdb.Transaction) -> None:
            txn.delete(key, db=store.meta)

        await self._cluster.writer.change(apply)
        self._cluster.dropped.discard(log_stream_id)


def delete_some(cursor: lmdb.Cursor, log_stream_id: int, below: int) -> int:
    """Deletes the first of the records whose entries all lie below `below`; how many."""
    found = cursor.set_range(layout.position(log_stream_id, 0))
    for deleted in range(_RECORDS_AT_ONCE):
        head = layout.parse_key(cursor.key()) if found else None
        if head is None or head.log_stream_id != log_stream_id or head.last_llsn >= below:
            return deleted
        cursor.delete()
        found = bool(cursor.key())
    return _RECORDS_AT_ONCE
