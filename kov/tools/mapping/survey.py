"""Which log streams of a cluster can serve a topic, and as which partitions. Reads only."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import aclosing
from typing import Final

from kov.entries import ControlEntry, Kind, unpack
from kov.errors import ConfigError
from kov.partition.identity import PartitionIdentity, identity_of
from kov.partition.stream import Stream
from kov.pb.control_pb2 import Fence, Repair, Snapshot
from kov.tools.mapping.text import Mapped
from kov.topics import uuid_of_mapped
from varlog_client import Log
from varlog_client.errors import Trimmed
from varlog_client.types import ClusterId, LogStreamId, TopicId

_ASKED_AT_ONCE: Final = 16
_WINDOW: Final = 1100
"""Of the newest entries one at least is a control entry, in a partition's log stream."""

OTHERS: Final = "entries that are not kov's"
CATALOG: Final = "a catalog of kov's"


def unmapped(log: Log, used: Collection[int]) -> dict[TopicId, list[LogStreamId]]:
    """The cluster's topics with their log streams that nothing uses, by the metadata at hand."""
    found: dict[TopicId, list[LogStreamId]] = {}
    for stream in sorted(log.metadata.log_streams.values(), key=lambda each: each.log_stream_id):
        if stream.log_stream_id not in used:
            found.setdefault(stream.topic_id, []).append(stream.log_stream_id)
    return found


async def as_partitions(
    log: Log, cluster_id: ClusterId, name: str, topic_id: TopicId, log_streams: Sequence[LogStreamId]
) -> Mapped:
    """The log streams in the order of their partitions: as their fences say, else as they are given.

    Raises ConfigError for one that belongs to another partition or holds something else, and `VarlogError`.
    """
    turns = asyncio.Semaphore(_ASKED_AT_ONCE)

    async def look(log_stream: LogStreamId) -> PartitionIdentity | str | None:
        async with turns:
            return await holder_of(Stream(log, topic_id, log_stream))

    holders = dict(zip(log_streams, await asyncio.gather(*(look(each) for each in log_streams)), strict=True))
    uuid = uuid_of_mapped(cluster_id, topic_id, name)
    fixed: dict[int, LogStreamId] = {}
    for log_stream, holder in holders.items():
        if holder is None:
            continue
        if isinstance(holder, str):
            raise ConfigError(f"{name}: log stream {log_stream} holds {holder}; leave it out")
        if holder.topic_uuid != uuid or holder.cluster_id != cluster_id or holder.index in fixed:
            raise ConfigError(
                f"{name}: log stream {log_stream} belongs to {holder}; give {name} log streams that "
                "were never used, or use the name by which they were"
            )
        fixed[holder.index] = log_stream
    return Mapped(topic_id=topic_id, log_streams=_in_order(name, holders, fixed))


def _in_order(
    name: str, log_streams: Mapping[LogStreamId, object], fixed: Mapping[int, LogStreamId]
) -> list[int]:
    """Partitions without a fence take the places that are left."""
    free = iter([each for each, holder in log_streams.items() if holder is None])
    if any(index >= len(log_streams) for index in fixed):
        index, log_stream = max(fixed.items())
        raise ConfigError(
            f"{name}: log stream {log_stream} is partition {index}, so there were {index + 1} partitions at "
            f"least; name the log streams of all of them"
        )
    return [fixed[index] if index in fixed else next(free) for index in range(len(log_streams))]


async def holder_of(stream: Stream) -> PartitionIdentity | str | None:
    """The partition whose log stream it is, in words what else it holds, or None where nothing is in it."""
    extent = await stream.peek()
    first, last = extent.first.llsn, extent.last.llsn
    if not last:
        return None
    for begin, end in ((first, first + 1), (max(first, last - _WINDOW), last + 1)):
        if (found := await _named_in(stream, begin, end)) is not None:
            return found
    return OTHERS


async def _named_in(stream: Stream, begin: int, end: int) -> PartitionIdentity | str | None:
    found: PartitionIdentity | str | None = None
    try:
        async with aclosing(stream.read(begin, end)) as entries:
            async for each in entries:
                entry = unpack(each.data)
                if not isinstance(entry, ControlEntry):
                    continue
                if entry.kind is Kind.CATALOG:
                    found = CATALOG
                elif isinstance(entry.message, Fence | Snapshot | Repair):
                    found = identity_of(entry.message.partition)
    except Trimmed:  # by somebody, meanwhile
        return None
    return found
