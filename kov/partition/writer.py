"""The writer of one partition under one fence: a queue, group commit, and a look at every LLSN.

Batches that arrive in one turn of the event loop go together. While the pipeline is full they queue, and the
next append carries all that waits, up to a bound: an idle partition has the latency of one append, a busy one
the throughput of large ones, without a timer.

A stamped offset assumes an LLSN, and the answer must name it. Any other answer or an error ends this writer:
it acknowledges nothing more, and the partition opens again to find out what was stored.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

from kov import records
from kov.entries import BatchEntry, ControlEntry, Entry, pack
from kov.partition import control
from kov.partition.fold import Meaning
from kov.partition.identity import WriterStamp
from kov.partition.limits import Limits
from kov.partition.pending import Appended, PendingBatch
from kov.partition.view import View
from kov.topics import TimestampType, TopicConfig
from varlog_client import LogStreamAppender
from varlog_client.errors import AppendError
from varlog_client.types import EntryMeta

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stamped:
    """One entry of a run: as it is sent, as the fold will take it, and for whom."""

    payload: bytes
    entry: Entry
    batch: PendingBatch | None


@dataclass(frozen=True, slots=True)
class Run:
    """What one append carries; its first entry is expected at `first_llsn`. `sent_at`: by `perf_counter`."""

    first_llsn: int
    entries: tuple[Stamped, ...]
    sent_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Doubtful:
    """A batch that was sent and not confirmed, under the stamp it was sent with."""

    header: records.BatchHeader
    batch: PendingBatch


class Writer:
    """Owns `view` and `appender` from the confirmed fence until `stop`.

    `settled(batch)` is called for every batch that left in-flight state confirmed, after it was answered;
    `unwanted(batch)` for one that nobody waited for any more when its turn came, and that wasn't sent;
    `doubt(reason)` once, when this writer ended by itself.
    """

    def __init__(
        self,
        view: View,
        appender: LogStreamAppender,
        stamp: WriterStamp,
        config: TopicConfig,
        limits: Limits,
        *,
        settled: Callable[[PendingBatch], None],
        unwanted: Callable[[PendingBatch], None],
        doubt: Callable[[str], None],
    ) -> None:
        self.appender = appender
        self.queue: deque[PendingBatch] = deque()
        self._view = view
        self._stamp = stamp
        self._config = config
        self._limits = limits
        self._settled = settled
        self._unwanted = unwanted
        self._doubt = doubt
        position = view.fold.position
        self._epoch = position.epoch
        self._next_offset = position.next_offset
        self._next_llsn = position.llsn + 1
        self._in_flight: deque[Run] = deque()
        self._entries_since_control = 0
        self._bytes_since_control = 0
        self._stopped = False
        self._pump_is_due = False
        self._loop = asyncio.get_running_loop()

    @property
    def in_flight(self) -> Sequence[Run]:
        return self._in_flight

    def configure(self, config: TopicConfig) -> None:
        """Holds for what is stamped from now on."""
        self._config = config

    def submit(self, batch: PendingBatch) -> None:
        """Queues a judged batch; it is sent with all that this turn of the event loop brings."""
        self.queue.append(batch)
        if not self._pump_is_due and len(self._in_flight) < self._limits.pipeline:
            self._pump_is_due = True
            self._loop.call_soon(self._pump_at_end_of_turn)

    def _pump_at_end_of_turn(self) -> None:
        self._pump_is_due = False
        self.pump()

    def pump(self) -> None:
        """Fills the pipeline from the queue."""
        while self.queue and not self._stopped and len(self._in_flight) < self._limits.pipeline:
            run = self._take()
            if run is None:
                return
            self._in_flight.append(run)
            taken = self.appender.append_batch_nowait([e.payload for e in run.entries], self._on_appended)
            assert taken, "the appender's pipeline is as deep as ours"

    def stop(self) -> tuple[list[Doubtful], list[PendingBatch]]:
        """Ends this writer: nothing is answered any more.

        Returns what was sent and not confirmed, and what waits in the queue, each in order. A batch whose
        refusal waited for a claim goes before the queue: it was never sent, and is judged anew.
        """
        self._stopped = True
        doubtful, waiting = [], []
        for stamped in (s for run in self._in_flight for s in run.entries):
            if stamped.batch is None:
                continue
            if isinstance(stamped.entry, BatchEntry):
                doubtful.append(Doubtful(stamped.entry.header, stamped.batch))
            else:
                waiting.append(stamped.batch)
        waiting += self.queue
        for batch in waiting:
            batch.refusal = None
        self._in_flight.clear()
        self.queue.clear()
        return doubtful, waiting

    def _take(self) -> Run | None:
        """Everything that waits, up to the bound, with offsets assigned; None if all of it was unwanted."""
        entries: list[Stamped] = []
        size = 0
        while self.queue and (not entries or size < self._limits.max_run_bytes):
            batch = self.queue.popleft()
            if not batch.wanted:
                self._unwanted(batch)
                continue
            stamped = self._stamp_batch(batch)
            entries.append(stamped)
            size += len(stamped.payload)
        if not entries:
            return None
        self._entries_since_control += len(entries)
        self._bytes_since_control += size
        if self._snapshot_is_due():
            snapshot = control.snapshot(self._view.fold, self._stamp, now_ms())
            entries.append(self._stamp_control(snapshot, None))
            self._entries_since_control = self._bytes_since_control = 0
        self._view.counts.append_sent(len(entries))
        run = Run(self._next_llsn, tuple(entries), perf_counter())
        self._next_llsn += len(entries)
        return run

    def _snapshot_is_due(self) -> bool:
        limits = self._limits
        return (
            self._entries_since_control >= limits.snapshot_entries
            or self._bytes_since_control >= limits.snapshot_bytes
        )

    def _stamp_batch(self, batch: PendingBatch) -> Stamped:
        if batch.refusal is not None:
            return self._stamp_control(control.claim(self._view.fold, self._stamp, now_ms()), batch)
        data, header = batch.records, batch.header
        if self._config.timestamp_type is TimestampType.LOG_APPEND_TIME:
            data = records.with_append_time(data, header, now_ms())
            header = records.read_header(data)
        header = header._replace(base_offset=self._next_offset, leader_epoch=self._epoch)
        payload = records.stamp(data, self._next_offset, self._epoch)
        self._next_offset += header.record_count
        self._view.counts.batch_taken(len(payload), header.record_count)
        return Stamped(payload, BatchEntry(header, len(payload)), batch)

    def _stamp_control(self, entry: ControlEntry, batch: PendingBatch | None) -> Stamped:
        return Stamped(pack(entry.kind, entry.epoch, entry.message), entry, batch)

    def _on_appended(self, metas: Sequence[EntryMeta] | None, error: AppendError | None) -> None:
        """The appender's callback: they come one at a time, in the order of the appends."""
        if self._stopped:
            return
        run = self._in_flight[0]
        if metas is None:
            self._stopped = True
            self._doubt(str(error))
            return
        if metas[0].llsn != run.first_llsn:
            self._stopped = True
            self._doubt(f"an append landed at {metas[0].llsn}, not at {run.first_llsn}: somebody else writes")
            return
        try:
            for llsn, stamped in enumerate(run.entries, run.first_llsn):
                self._settle(llsn, stamped)
        except Exception:  # a defect of ours must not leave the writer waiting for ever: the log knows
            _log.exception("settling the entries from %d on failed", run.first_llsn)
            self._stopped = True
            self._doubt(f"the entries from {run.first_llsn} on could not be settled")
            return
        self._in_flight.popleft()
        self._view.counts.append_confirmed(perf_counter() - run.sent_at)
        self.pump()

    def _settle(self, llsn: int, stamped: Stamped) -> None:
        meaning = self._view.apply(llsn, stamped.entry, stamped.payload)
        batch = stamped.batch
        if batch is None:
            return
        if batch.refusal is not None:
            batch.fail(batch.refusal)
        else:
            assert meaning is Meaning.BATCH, f"our own batch at {llsn} is {meaning}"
            assert isinstance(stamped.entry, BatchEntry)
            batch.succeed(appended(stamped.entry.header, self._view.start_offset))
        self._settled(batch)


def appended(header: records.BatchHeader, start_offset: int) -> Appended:
    """The answer for a stored batch."""
    stamped = header.attributes & records.LOG_APPEND_TIME_BIT
    return Appended(
        base_offset=header.base_offset,
        log_append_time_ms=header.max_timestamp if stamped else -1,
        log_start_offset=start_offset,
    )


def now_ms() -> int:
    return time.time_ns() // 1_000_000
