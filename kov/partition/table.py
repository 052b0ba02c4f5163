"""Every partition of this process, made when it is first asked for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Final

from kio.schema.errors import ErrorCode

from kov.budget import Budget
from kov.counting import AppendCounts
from kov.errors import KafkaError, from_varlog
from kov.partition.cold_reads import ColdReads
from kov.partition.fencing import fence_off
from kov.partition.fold import Unusable
from kov.partition.identity import PartitionIdentity, WriterIdentity
from kov.partition.limits import Limits
from kov.partition.partition import Partition
from kov.partition.stream import Stream
from kov.partition.tail import TailBudget
from kov.partition.unsealing import Unsealer
from kov.topics import Origin, Topic
from varlog_client import Log
from varlog_client.errors import NotFound, VarlogError

_log: Final = logging.getLogger(__name__)
_FENCES_AT_ONCE: Final = 32
_DRAIN_S: Final = 10.0
_COLD_READS: Final = 16  # at once: each takes some MiB within gRPC, which no budget counts


class PartitionTable:
    """Partitions are told apart by the topic's uuid, so that a topic made anew never meets the old one's."""

    def __init__(
        self,
        log: Log,
        *,
        cluster_id: int,
        writer: WriterIdentity,
        limits: Limits | None = None,
        unsealer: Unsealer | None = None,
        repair: str = "kov repair FILE",
        memory: Budget | None = None,
    ) -> None:
        """`repair` is the command, but for the partition, that repairs one which was trimmed too far.

        Batches that wait or are in flight count in `memory`.
        """
        self._log = log
        self._cluster_id = cluster_id
        self._writer = writer
        self._limits = limits or Limits()
        self._unsealer = unsealer
        self._repair = repair
        self._memory = memory
        self._cold_reads = ColdReads(_COLD_READS)
        self._budget = TailBudget()
        self.totals = AppendCounts()
        self._partitions: dict[tuple[bytes, int], Partition] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._partitions)

    @property
    def tail_bytes(self) -> int:
        """What the recent tails of all partitions take in memory."""
        return self._budget.bytes

    def opened(self) -> list[Partition]:
        """Those that are opened for writing, or were, or that somebody tried to open, in no order."""
        return [each for each in self._partitions.values() if each.was_opened]

    def get(self, topic: Topic, index: int) -> Partition:
        """The partition, opening nothing. `index` must be one of the topic's."""
        key = (topic.uuid.bytes, index)
        found = self._partitions.get(key)
        if found is None:
            found = self._partitions[key] = self._make(topic, index)
        return found

    def known(self, topic: Topic, index: int) -> Partition | None:
        """The partition if it was asked for before."""
        return self._partitions.get((topic.uuid.bytes, index))

    def keep_up_with(self, topics: Iterable[Topic]) -> None:
        """`topics` are all there are now: settings take effect, and partitions that are gone are closed.

        Who waits on a partition of a deleted topic is answered 3. What the mapping file doesn't name any more
        still exists: what was taken for it is finished first, for 10 s at most. Returns at once.
        """
        living = {topic.uuid.bytes: topic for topic in topics}
        for (uuid, index), partition in list(self._partitions.items()):
            topic = living.get(uuid)
            if topic is not None and _same_log_stream(topic, partition.topic, index):
                partition.configure(topic)
            else:
                del self._partitions[uuid, index]
                self._close(partition)

    def _close(self, partition: Partition) -> None:
        mapped = partition.topic.origin is Origin.FILE
        why = (
            f"{partition} is not in the mapping file now"
            if mapped
            else f"topic {partition.topic.name} is deleted"
        )
        gone = KafkaError(ErrorCode.unknown_topic_or_partition, why)
        closing = asyncio.create_task(
            partition.close(_DRAIN_S if mapped else 0, gone), name=f"close {partition}"
        )
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def fence_off(self, topic: Topic) -> None:
        """Fences every partition of the topic for nobody; see `fencing.fence_off`. Raises `VarlogError`.

        A partition that nobody can write to as it is, or whose log stream doesn't exist, needs no fence.
        """
        at_once = asyncio.Semaphore(_FENCES_AT_ONCE)

        async def fence(index: int) -> None:
            async with at_once:
                stream, identity = self._place(topic, index)
                try:
                    await fence_off(stream, identity, self._limits)
                except (Unusable, NotFound) as error:
                    _log.warning("%s/%d needs no fence: %s", topic.name, index, error)

        await asyncio.gather(*(fence(index) for index in range(len(topic.log_streams))))

    async def size(self, topic: Topic, index: int) -> int:
        """What one replica of its log stream takes on disk, in bytes; 0 where Varlog doesn't say.

        Raises `KafkaError`.
        """
        stream, _ = self._place(topic, index)
        try:
            state = await stream.peek()
        except VarlogError as error:
            raise from_varlog(error) from error
        return max((replica.size_bytes for replica in state.replicas), default=0)

    def _place(self, topic: Topic, index: int) -> tuple[Stream, PartitionIdentity]:
        repair = f"{self._repair} {topic.name}/{index}"
        stream = Stream(self._log, topic.topic_id, topic.log_streams[index], repair)
        return stream, PartitionIdentity(cluster_id=self._cluster_id, topic_uuid=topic.uuid, index=index)

    def _make(self, topic: Topic, index: int) -> Partition:
        stream, identity = self._place(topic, index)
        return Partition(
            topic,
            index,
            stream,
            identity,
            self._writer,
            self._budget,
            self._limits,
            self._unsealer,
            self._memory,
            self._cold_reads,
            self.totals,
        )

    async def close(self, timeout_s: float) -> None:
        """Closes all of them at once; see `Partition.close`."""
        await asyncio.gather(
            *(partition.close(timeout_s) for partition in self._partitions.values()), *self._closing
        )


def _same_log_stream(now: Topic, before: Topic, index: int) -> bool:
    return index < len(now.log_streams) and now.log_streams[index] == before.log_streams[index]
