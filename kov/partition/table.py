"""Every partition of this process, made when it is first asked for."""

from __future__ import annotations

import asyncio

from kov.partition.identity import PartitionIdentity, WriterIdentity
from kov.partition.limits import Limits
from kov.partition.partition import Partition
from kov.partition.stream import Stream
from kov.partition.tail import TailBudget
from kov.partition.unsealing import Unsealer
from kov.topics import Topic
from varlog_client import Log


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
    ) -> None:
        self._log = log
        self._cluster_id = cluster_id
        self._writer = writer
        self._limits = limits or Limits()
        self._unsealer = unsealer
        self._budget = TailBudget()
        self._partitions: dict[tuple[bytes, int], Partition] = {}

    def __len__(self) -> int:
        return len(self._partitions)

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

    def _make(self, topic: Topic, index: int) -> Partition:
        stream = Stream(self._log, topic.topic_id, topic.log_streams[index])
        identity = PartitionIdentity(cluster_id=self._cluster_id, topic_uuid=topic.uuid, index=index)
        return Partition(
            topic, index, stream, identity, self._writer, self._budget, self._limits, self._unsealer
        )

    async def close(self, timeout_s: float) -> None:
        """Closes all of them at once; see `Partition.close`."""
        await asyncio.gather(*(partition.close(timeout_s) for partition in self._partitions.values()))
