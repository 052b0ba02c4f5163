"""Which log stream is which partition, found in Varlog itself: a fence names the partition it belongs to."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from kov.demo.failure import DemoFailed
from kov.entries import ControlEntry, unpack
from kov.partition.identity import PartitionIdentity, identity_of
from kov.pb.control_pb2 import Fence
from varlog_client import Log
from varlog_client.errors import VarlogError
from varlog_client.types import LLSN, LogStream, LogStreamId, TopicId

_AT_ONCE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    partition: PartitionIdentity
    topic_id: TopicId
    log_stream_id: LogStreamId


async def find_log_streams(log: Log, topic: UUID, partitions: Collection[int]) -> list[Found]:
    """The log streams of a topic's partitions that were written to, by partition.

    Looks at the first entry of each log stream, the newest first. Raises `DemoFailed` if some are missing.
    """
    found: dict[int, Found] = {}
    streams = sorted(
        (await log.refresh()).log_streams.values(), key=lambda each: each.log_stream_id, reverse=True
    )
    for at in range(0, len(streams), _AT_ONCE):
        for each in await asyncio.gather(*(_look(log, stream) for stream in streams[at : at + _AT_ONCE])):
            if each is not None and each.partition.topic_uuid == topic:
                found[each.partition.index] = each
        if found.keys() >= set(partitions):
            return [found[index] for index in sorted(found)]
    missing = ", ".join(str(index) for index in sorted(set(partitions) - found.keys()))
    raise DemoFailed(
        f"no log stream of this Varlog cluster holds partition {missing} of the topic; "
        "give --varlog the cluster that kov writes to"
    )


async def _look(log: Log, stream: LogStream) -> Found | None:
    ids = stream.topic_id, stream.log_stream_id
    try:
        if (await log.peek(*ids)).last.llsn == 0:
            return None
        async with log.subscribe_to(*ids, LLSN(1), LLSN(2)) as subscriber:
            entry = unpack((await anext(subscriber)).data)
    except VarlogError:
        return None  # trimmed, or not to be reached: where it matters, the partition will be missing
    if not isinstance(entry, ControlEntry) or not isinstance(entry.message, Fence):
        return None
    partition = identity_of(entry.message.partition)
    return Found(partition=partition, topic_id=stream.topic_id, log_stream_id=stream.log_stream_id)
