"""kov nodes in the simulation: one partition each, the real one, in a process that can be frozen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from contextvars import Context
from dataclasses import dataclass
from typing import Any, TypeVar, cast
from uuid import UUID

from kov.partition.identity import PartitionIdentity, WriterIdentity
from kov.partition.limits import Limits
from kov.partition.partition import Partition
from kov.partition.stream import Stream
from kov.partition.tail import TailBudget
from kov.partition.unsealing import Unsealer
from kov.topics import Origin, Topic
from tests.simulation.log_stream import SimulatedLogStream
from tests.simulation.loop import SimulatedLoop, process_context
from varlog_client import Log

T = TypeVar("T")
UUID_OF_TOPIC = UUID(int=5)


@dataclass(eq=False)
class Node:
    node_id: int
    process: str
    context: Context
    log: Log
    partition: Partition
    frozen: bool = False

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Runs in this node's process; while that is frozen it doesn't."""
        return asyncio.get_running_loop().create_task(work, context=self.context)

    def freeze(self) -> None:
        self.frozen = True
        loop().freeze(self.process)

    def thaw(self) -> None:
        self.frozen = False
        loop().thaw(self.process)


def loop() -> SimulatedLoop:
    return cast("SimulatedLoop", asyncio.get_running_loop())


@asynccontextmanager
async def running_node(
    stream: SimulatedLogStream,
    node_id: int,
    limits: Limits,
    *,
    unseals: bool = False,
    named: int | None = None,
) -> AsyncIterator[Node]:
    """Thawed and closed in the end. `unseals`: its mapping file allows it to. `named`: another's node id."""
    process = f"kov {node_id}"
    context = process_context(process)
    opening = stream.varlog.log()
    log = await loop().create_task(opening.__aenter__(), context=context)
    unsealer = Unsealer(stream.varlog.admin) if unseals else None
    partition = context.run(make_partition, log, stream, named or node_id, limits, unsealer)
    node = Node(node_id, process, context, log, partition)
    try:
        yield node
    finally:
        node.thaw()
        await node.start(_close(node))


async def _close(node: Node) -> None:
    await node.partition.close(1)
    await node.log.close()


def make_partition(
    log: Log, stream: SimulatedLogStream, node_id: int, limits: Limits, unsealer: Unsealer | None
) -> Partition:
    ids = (stream.log_stream_id,)
    topic = Topic(
        name="orders", uuid=UUID_OF_TOPIC, topic_id=stream.topic_id, log_streams=ids, origin=Origin.FILE
    )
    return Partition(
        topic,
        0,
        Stream(log, stream.topic_id, stream.log_stream_id),
        PartitionIdentity(cluster_id=1, topic_uuid=topic.uuid, index=0),
        WriterIdentity(node_id=node_id),
        TailBudget(2000),
        limits,
        unsealer,
    )
