"""Reading several partitions under one byte limit and one wait."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID

from kio.schema.errors import ErrorCode

from kov.errors import KafkaError, NotLeader
from kov.handlers.base import Context
from kov.handlers.lookup import check_epoch, check_index, find_partition, find_topic, this_leader
from kov.records import read_header

if TYPE_CHECKING:
    from kov.partition.partition import Partition

_log: Final = logging.getLogger(__name__)
_UNKNOWN: Final = {ErrorCode.unknown_topic_or_partition, ErrorCode.unknown_topic_id}
_LEAST_BYTES: Final = 1024 * 1024  # what a partition may be read for however little memory is left


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One partition of a fetch. `leader_epoch` is -1 where the client doesn't know one."""

    name: str
    topic_id: UUID | None
    index: int
    offset: int
    max_bytes: int
    leader_epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a read of one partition gave: whole batches, or an error.

    `limit`: how many bytes it was read for; `cut_short`: there is more, for which there is no memory now.
    """

    records: tuple[bytes, ...] = ()
    size: int = 0
    limit: int = 0
    cut_short: bool = False
    high_watermark: int = -1
    log_start_offset: int = -1
    error: KafkaError | None = None

    @property
    def unknown(self) -> bool:
        return self.error is not None and self.error.code in _UNKNOWN

    def readable(self, offset: int) -> int:
        """How many bytes count as there, from `offset` on: where there are more, the whole limit."""
        if self.records:
            last = read_header(self.records[-1])
            offset = last.base_offset + last.record_count
        return self.size if offset >= self.high_watermark else max(self.size, self.limit)


class Reading:
    """One fetch: `read` it once. A `follower` is refused whatever it asks for.

    What it finds counts in the memory of the context until `read` returns, as does what it may find while it
    reads; the less there is, the less each fetch gets.
    """

    def __init__(
        self, context: Context, asked: Sequence[Asked], *, max_bytes: int, follower: bool = False
    ) -> None:
        self._context = context
        self._asked = asked
        self._max_bytes = max_bytes
        self._follower = follower
        self._held_bytes = 0
        self._found = [Found() for _ in asked]
        self._partitions: dict[int, Partition] = {}
        self._advanced: dict[asyncio.Future[None], int] = {}
        self._woken: asyncio.Future[None] | None = None
        self._is_over = False

    @property
    def errors(self) -> list[KafkaError]:
        return [found.error for found in self._found if found.error is not None]

    async def read(self, min_bytes: int, max_wait_s: float) -> list[Found]:
        """One `Found` per partition asked for, in order, when enough is there or the wait is over."""
        deadline = asyncio.get_running_loop().time() + max_wait_s
        stale: Sequence[int] = range(len(self._asked))
        self._is_over = max_wait_s <= 0
        try:
            while True:
                for position in stale:
                    self._found[position] = await self._read_one(position)
                if self._is_over or self._enough(min_bytes):
                    return self._found
                stale = await self._wait(deadline)
        finally:
            self._hold(0)
            self._context.deadlines.forget(deadline, self._end)
            for future in self._advanced:
                future.cancel()

    def _hold(self, size: int) -> None:
        """From now on so many bytes, in place of those held before."""
        memory, before = self._context.memory, self._held_bytes
        self._held_bytes = size
        if size > before:
            memory.take(size - before)
        elif size < before:
            memory.give(before - size)

    def _size(self) -> int:
        return sum(found.size for found in self._found)

    def _enough(self, min_bytes: int) -> bool:
        """What is unknown ends no wait for the others, as in Kafka; any other error does."""
        if self._size() >= min_bytes:
            return True
        pairs = zip(self._asked, self._found, strict=True)
        known = [(asked.offset, found) for asked, found in pairs if not found.unknown]
        return (
            not known
            or any(found.error is not None or found.cut_short for _, found in known)
            or sum(found.readable(offset) for offset, found in known) >= min_bytes
        )

    async def _wait(self, deadline: float) -> list[int]:
        """Until any partition has more than was seen of it, or the time is over; says which have."""
        woken = self._woken = asyncio.get_running_loop().create_future()
        self._context.deadlines.add(deadline, self._end)
        waiting = set(self._advanced.values())
        for position, found in enumerate(self._found):
            if position not in waiting and not found.unknown:
                future = self._partitions[position].advanced(found.high_watermark)
                future.add_done_callback(self._wake)
                self._advanced[future] = position
        await woken
        done = [future for future in self._advanced if future.done()]
        return sorted(self._advanced.pop(future) for future in done)

    def _end(self) -> None:
        self._is_over = True
        self._wake(None)

    def _wake(self, _grown: asyncio.Future[None] | None) -> None:
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)

    async def _read_one(self, position: int) -> Found:
        asked = self._asked[position]
        others = self._size() - self._found[position].size
        try:
            partition = self._partitions[position] = self._partition(asked)
            left = self._max_bytes - others
            wanted = min(asked.max_bytes, left if position == 0 else max(0, left))
            max_bytes = self._context.memory.share(max(0, wanted), _LEAST_BYTES)
            self._hold(others + max_bytes)
            fetched = await partition.read(asked.offset, max_bytes=max_bytes, min_one=others == 0)
            size = sum(map(len, fetched.records))
            self._hold(others + size)
            if size and wanted < 0:
                raise KafkaError(ErrorCode.unknown_server_error, f"{wanted} bytes are none")
        except KafkaError as error:
            return Found(error=error.bare())
        except Exception:  # A defect of ours in one partition must not take the answers of the others along.
            _log.exception(
                "fetching from partition %d of %s failed", asked.index, asked.name or asked.topic_id
            )
            return Found(error=KafkaError(ErrorCode.unknown_server_error, "an unexpected error"))
        return Found(
            records=fetched.records,
            size=size,
            limit=max(0, wanted),
            cut_short=size > 0 and max_bytes < wanted,
            high_watermark=fetched.high_watermark,
            log_start_offset=fetched.log_start_offset,
        )

    def _partition(self, asked: Asked) -> Partition:
        """Raises `KafkaError` where it can't be read from here, or not with that epoch, or by a follower."""
        context = self._context
        partition = find_partition(context, find_topic(context, asked.name, asked.topic_id), asked.index)
        check_epoch(context, partition, asked.leader_epoch)
        if self._follower:
            text = "there are no followers here"
            if asked.leader_epoch >= 0:
                raise KafkaError(ErrorCode.unknown_leader_epoch, text)
            raise NotLeader(text, this_leader(context, partition))
        return partition


def is_known(context: Context, asked: Asked) -> bool:
    """Whether there is such a partition, whoever leads it."""
    try:
        check_index(find_topic(context, asked.name, asked.topic_id), asked.index)
    except KafkaError:
        return False
    return True
