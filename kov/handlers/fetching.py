"""Reading several partitions under one byte limit and one wait."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID

from kio.schema.errors import ErrorCode

from kov.errors import KafkaError
from kov.handlers.base import Context
from kov.handlers.lookup import check_epoch, find_partition, find_topic

if TYPE_CHECKING:
    from kov.partition.partition import Partition

_log: Final = logging.getLogger(__name__)
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
    """What a read of one partition gave: whole batches, or an error."""

    records: tuple[bytes, ...] = ()
    size: int = 0
    high_watermark: int = -1
    log_start_offset: int = -1
    error: KafkaError | None = None


class Reading:
    """One fetch: `read` it once.

    What it finds counts in the memory of the context until `read` returns, as does what it may find while it
    reads; the less there is, the less each fetch gets.
    """

    def __init__(self, context: Context, asked: Sequence[Asked], *, max_bytes: int) -> None:
        self._context = context
        self._asked = asked
        self._max_bytes = max_bytes
        self._held_bytes = 0
        self._found = [Found() for _ in asked]
        self._partitions: dict[int, Partition] = {}
        self._advanced: dict[asyncio.Future[None], int] = {}

    @property
    def errors(self) -> list[KafkaError]:
        return [found.error for found in self._found if found.error is not None]

    async def read(self, min_bytes: int, max_wait_s: float) -> list[Found]:
        """One `Found` per partition asked for, in order, when enough is there or the wait is over."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + max_wait_s
        stale: Sequence[int] = range(len(self._asked))
        try:
            while True:
                for position in stale:
                    self._found[position] = await self._read_one(position)
                if self._enough(min_bytes) or loop.time() >= deadline:
                    return self._found
                stale = await self._wait(deadline - loop.time())
        finally:
            self._hold(0)
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
        return self._size() >= min_bytes or not self._asked or bool(self.errors)

    async def _wait(self, timeout_s: float) -> list[int]:
        """Until any partition has more than was seen of it, or the time is over; says which have."""
        waiting = set(self._advanced.values())
        for position, found in enumerate(self._found):
            if position not in waiting:
                future = self._partitions[position].advanced(found.high_watermark)
                self._advanced[future] = position
        done, _ = await asyncio.wait(self._advanced, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        return sorted(self._advanced.pop(future) for future in done)

    async def _read_one(self, position: int) -> Found:
        asked = self._asked[position]
        others = self._size() - self._found[position].size
        try:
            topic = find_topic(self._context, asked.name, asked.topic_id)
            partition = find_partition(self._context, topic, asked.index)
            self._partitions[position] = partition
            check_epoch(partition, asked.leader_epoch)
            wanted = max(0, min(asked.max_bytes, self._max_bytes - others))
            max_bytes = self._context.memory.share(wanted, _LEAST_BYTES)
            self._hold(others + max_bytes)
            fetched = await partition.read(asked.offset, max_bytes=max_bytes, min_one=others == 0)
            self._hold(others + sum(map(len, fetched.records)))
        except KafkaError as error:
            return Found(error=error)
        except Exception:  # A defect of ours in one partition must not take the answers of the others along.
            _log.exception(
                "fetching from partition %d of %s failed", asked.index, asked.name or asked.topic_id
            )
            return Found(error=KafkaError(ErrorCode.unknown_server_error, "an unexpected error"))
        return Found(
            records=fetched.records,
            size=sum(map(len, fetched.records)),
            high_watermark=fetched.high_watermark,
            log_start_offset=fetched.log_start_offset,
        )
