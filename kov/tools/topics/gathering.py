"""What there is to know of a partition, read from its log stream without writing anything."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kov.broker import rendezvous
from kov.partition.fold import Fold, Unusable
from kov.partition.history import History
from kov.partition.stream import Stream
from kov.partition.tail import TailBudget
from kov.partition.view import View
from kov.tools.opening import Cluster
from kov.topics import Topic
from varlog_client.errors import VarlogError
from varlog_client.types import LogStreamState, LogStreamStatus

_ASKED_AT_ONCE = 16
RUNNING = "running"
UNAVAILABLE = "unavailable"
UNUSABLE = "unusable"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionFacts:
    """`state` is the log stream's; `unavailable` where no storage node answers, `unusable` where the entries
    can't be this partition's, and `problem` says why. What isn't known then is None.

    `leader` is the node that clients are told, `writer` the one that opened the partition last; both None
    before the first opening where no mapping file lists the nodes. `size_bytes`: what one replica takes.
    """

    topic: Topic
    index: int
    state: str
    problem: str = ""
    leader: int | None = None
    writer: int | None = None
    epoch: int | None = None
    start_offset: int | None = None
    end_offset: int | None = None
    size_bytes: int | None = None

    @property
    def log_stream_id(self) -> int:
        return self.topic.log_streams[self.index]

    @property
    def records(self) -> int | None:
        if self.start_offset is None or self.end_offset is None:
            return None
        return self.end_offset - self.start_offset


async def gather(
    cluster: Cluster, topics: Sequence[Topic], advance: Callable[[], object]
) -> list[PartitionFacts]:
    """All partitions of `topics`, in order; `advance` is called after each. Raises no `VarlogError`."""
    turns = asyncio.Semaphore(_ASKED_AT_ONCE)

    async def look(topic: Topic, index: int) -> PartitionFacts:
        async with turns:
            facts = await _facts(cluster, topic, index)
        advance()
        return facts

    places = [(topic, index) for topic in topics for index in range(len(topic.log_streams))]
    return list(await asyncio.gather(*(look(*place) for place in places)))


async def _facts(cluster: Cluster, topic: Topic, index: int) -> PartitionFacts:
    stream, identity = cluster.partition(topic, index)
    planned = _planned_leader(cluster, topic, index)
    try:
        extent = await stream.peek()
    except VarlogError as error:
        return PartitionFacts(topic=topic, index=index, state=UNAVAILABLE, problem=str(error), leader=planned)
    size_bytes = max((replica.size_bytes for replica in extent.replicas), default=0)
    view = View(TailBudget(max_bytes=0))  # its tail is for fetches, which don't come here
    try:
        await History(stream, identity, view).look()
    except (Unusable, VarlogError) as error:
        state = UNUSABLE if isinstance(error, Unusable) else UNAVAILABLE
        return PartitionFacts(
            topic=topic, index=index, state=state, problem=str(error), leader=planned, size_bytes=size_bytes
        )
    writer = _writer(view.fold)
    return PartitionFacts(
        topic=topic,
        index=index,
        state=_state(stream, extent),
        leader=planned if planned is not None else writer,
        writer=writer,
        epoch=view.fold.position.epoch,
        start_offset=view.start_offset,
        end_offset=view.end_offset,
        size_bytes=size_bytes,
    )


def _planned_leader(cluster: Cluster, topic: Topic, index: int) -> int | None:
    nodes = [node.node_id for node in cluster.config.nodes]
    return rendezvous(cluster.cluster_id, topic.uuid, index, nodes) if nodes else None


def _writer(fold: Fold) -> int | None:
    """Nobody wrote where the newest fence is one of a deletion or a repair."""
    if fold.writer is None or fold.writer.node.node_id < 0:
        return None
    return fold.writer.node.node_id


def _state(stream: Stream, extent: LogStreamState) -> str:
    known = stream.log.metadata.log_streams.get(stream.log_stream_id)
    if known is not None and known.status is not LogStreamStatus.RUNNING:
        return known.status.name.lower()
    if extent.appendable:
        return RUNNING
    replica = next((each for each in extent.replicas if each.status is not LogStreamStatus.RUNNING), None)
    return replica.status.name.lower() if replica is not None else UNAVAILABLE
