"""Reading a partition without writing to it: the recent tail from memory, older batches from Varlog.

Stored batches are handed out as they lie; void and control entries are left out. A partition that another
node writes, or nobody, is followed by a subscription while it is read.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass

from kio.schema.errors import ErrorCode

from kov import record_contents
from kov.errors import KafkaError, from_varlog
from kov.partition.cold_reads import ColdReads
from kov.partition.fold import Unusable
from kov.partition.history import History
from kov.partition.limits import Limits
from kov.partition.producers import Producer
from varlog_client.errors import Trimmed, VarlogError

log = logging.getLogger(__name__)

LATEST = -1
EARLIEST = -2
MAX_TIMESTAMP = -3


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """`records`: whole stored batches in order, to be joined. The first may begin before the offset."""

    records: tuple[bytes, ...]
    high_watermark: int
    log_start_offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Offset:
    """An answer of ListOffsets; -1 stands for none."""

    offset: int
    timestamp_ms: int
    leader_epoch: int


class Reader:
    """`current=True` in the calls below: a writer of this process keeps the view, which is exact then."""

    def __init__(self, history: History, limits: Limits, cold_reads: ColdReads | None = None) -> None:
        """`cold_reads` are shared by all partitions of a node."""
        self._history = history
        self._cold_reads = cold_reads or ColdReads(1)
        self._view = history.view
        self._limits = limits
        self._follower: asyncio.Task[None] | None = None
        self._last_asked = 0.0

    async def read(self, offset: int, max_bytes: int, *, min_one: bool, current: bool) -> Fetched:
        """See `Partition.read`."""
        with _answers():
            await self._ready(offset, current=current)
            try:
                found = await self._find(offset, max_bytes)
            except Trimmed:  # by somebody, just now or long ago
                await self._history.find_start()
                found = await self._find(offset, max_bytes)
            if found and len(found[0]) > max_bytes and not min_one:
                found = []
            return Fetched(
                records=tuple(found),
                high_watermark=self._view.end_offset,
                log_start_offset=self._view.start_offset,
            )

    async def _find(self, offset: int, max_bytes: int) -> list[bytes]:
        view = self._view
        if not view.start_offset <= offset <= view.end_offset:
            text = f"offset {offset} is not between {view.start_offset} and {view.end_offset}"
            raise KafkaError(ErrorCode.offset_out_of_range, text)
        if offset == view.end_offset:
            return []
        found = view.tail.read(offset, max_bytes)
        from_tail = bool(found)
        if not found:
            found = await self._cold_reads.read(self._history, offset, max_bytes)
        view.counts.read(sum(map(len, found)), from_tail=from_tail)
        return found

    async def offsets(self, timestamp_ms: int, *, current: bool) -> Offset:
        """See `Partition.offsets`."""
        with _answers():
            await self._ready(None, current=current)
            epoch = self._view.fold.position.epoch
            if timestamp_ms == LATEST:
                return Offset(offset=self._view.end_offset, timestamp_ms=-1, leader_epoch=epoch)
            if timestamp_ms == EARLIEST:
                return Offset(offset=self._view.start_offset, timestamp_ms=-1, leader_epoch=epoch)
            newest = self._view.fold.max_timestamp_ms
            return await self._first_since(newest if timestamp_ms == MAX_TIMESTAMP else timestamp_ms)

    async def _first_since(self, timestamp_ms: int) -> Offset:
        if 0 <= timestamp_ms <= self._view.fold.max_timestamp_ms:
            async with aclosing(self._history.batches_since(timestamp_ms)) as batches:
                async for batch in batches:
                    if batch.max_timestamp >= timestamp_ms:
                        position, found_ms = record_contents.first_since(batch.payload, timestamp_ms)
                        return Offset(
                            offset=batch.base_offset + position,
                            timestamp_ms=found_ms,
                            leader_epoch=batch.epoch,
                        )
        return Offset(offset=-1, timestamp_ms=-1, leader_epoch=-1)

    async def epoch_end(self, epoch: int, *, current: bool) -> tuple[int, int]:
        """See `Partition.epoch_end`."""
        with _answers():
            await self._ready(None, current=current)
            await self._history.know_epochs(epoch)
            epochs = [(known, begin) for known, begin, _ in self._view.fold.epochs]
            newest = self._view.fold.position.epoch
            if epoch == newest or not epochs:
                return (epoch, self._view.end_offset) if epoch == newest else (-1, -1)
            ends = [begin for known, begin in epochs if known > epoch]
            if epoch < 0 or not ends:
                return -1, -1
            return max((known for known, _ in epochs if known <= epoch), default=epoch), ends[0]

    async def producers(self, *, current: bool) -> dict[int, Producer]:
        """See `Partition.producers`."""
        with _answers():
            await self._ready(None, current=current)
            return dict(self._view.fold.producers)

    async def _ready(self, offset: int | None, *, current: bool) -> None:
        """Sees to it that the view is as new as this question needs it."""
        beyond = offset is not None and self._view.loaded and offset > self._view.end_offset
        if current and not beyond:
            return
        following = self._follower is not None and not self._follower.done()
        if following and self._view.loaded and offset is not None and not beyond:
            return
        # Before "out of range" is said, the tail is read anew: it makes consumers begin somewhere else, and a
        # backup may lag, a writer may have been deposed without knowing.
        look = self._history.is_complete if current else self._history.look
        certain = await look()
        if offset is None or offset <= self._view.end_offset:
            return
        if certain:  # that may be the word of one that was the primary once
            await self._history.stream.refresh()
            certain = await look()
            if offset <= self._view.end_offset:
                return
        if not self._view.fold.position.llsn:
            await self._history.refuse_if_all_was_trimmed()
        if not certain:
            text = f"offset {offset} isn't known here yet, and whether it exists can't be found out now"
            raise KafkaError(ErrorCode.kafka_storage_error, text)

    def follow(self) -> None:
        """Keeps the view at the tail until `stop_following`, or until nobody has asked for a while."""
        self._last_asked = asyncio.get_running_loop().time()
        if self._follower is None or self._follower.done():
            self._follower = asyncio.create_task(self._follow(), name=f"follow {self._history.stream}")

    async def close(self) -> None:
        await self.stop_following()
        await self._cold_reads.forget(self._history)

    async def stop_following(self) -> None:
        task, self._follower = self._follower, None
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait([task])

    async def _follow(self) -> None:
        clock = asyncio.get_running_loop().time
        stream = self._history.stream
        while clock() < self._last_asked + self._limits.follow_s:
            try:
                async with asyncio.timeout_at(self._last_asked + self._limits.follow_s):
                    await self._history.follow()
            except TimeoutError:
                continue
            except VarlogError as error:
                log.warning("%s can't be followed now: %s", stream, error)
                await asyncio.sleep(self._limits.max_retry_s)
            except Unusable as error:
                log.error("%s can't be read: %s", stream, error)  # noqa: TRY400 - the text says it all
                return


@contextmanager
def _answers() -> Iterator[None]:
    """Turns what storage and the fold raise into Kafka's answers."""
    try:
        yield
    except VarlogError as error:
        raise from_varlog(error) from error
    except Unusable as error:
        raise KafkaError(ErrorCode.kafka_storage_error, str(error)) from error
