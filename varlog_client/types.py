"""The values that cross this package's border: ids, sequence numbers, entries, the cluster's metadata.

All of them are frozen. An id is an int32 above 0; an LLSN counts the entries of one log stream from 1
without gaps; a GLSN counts the entries of one topic over all its log streams from 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple, NewType

ClusterId = NewType("ClusterId", int)
StorageNodeId = NewType("StorageNodeId", int)
TopicId = NewType("TopicId", int)
LogStreamId = NewType("LogStreamId", int)
LLSN = NewType("LLSN", int)
GLSN = NewType("GLSN", int)

NO_LLSN = LLSN(0)
NO_GLSN = GLSN(0)
END_LLSN = LLSN(2**64 - 1)
"""As the end of a range: no end, the subscription follows the tail."""
END_GLSN = GLSN(2**64 - 1)
"""The same by GLSN."""


class LogStreamStatus(IntEnum):
    """In `LogStream`: what the metadata repository says. In `Replica…`: the state of one replica."""

    RUNNING = 0
    SEALING = 1
    SEALED = 2
    DELETED = 3
    UNSEALING = 4


class EntryMeta(NamedTuple):
    """Where an appended entry lies."""

    topic_id: TopicId
    log_stream_id: LogStreamId
    glsn: GLSN
    llsn: LLSN


class LogEntry(NamedTuple):
    """One entry as read. `glsn` is 0 where it was read by LLSN: the server doesn't send it there."""

    llsn: LLSN
    glsn: GLSN
    data: bytes


class TopicEntry(NamedTuple):
    """One entry of a topic as read in global order, and the log stream that holds it."""

    log_stream_id: LogStreamId
    llsn: LLSN
    glsn: GLSN
    data: bytes


class SequenceNumber(NamedTuple):
    """One position, named both ways; (0, 0) is none."""

    llsn: LLSN
    glsn: GLSN


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    storage_node_id: StorageNodeId
    storage_node_path: str
    data_path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogStream:
    """`replicas[0]` is the primary, the only one that takes appends."""

    topic_id: TopicId
    log_stream_id: LogStreamId
    status: LogStreamStatus
    replicas: tuple[Replica, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """`log_streams` may name ones that were removed since: Varlog keeps the ids."""

    topic_id: TopicId
    deleted: bool
    log_streams: tuple[LogStreamId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageNode:
    storage_node_id: StorageNodeId
    address: str
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterMetadata:
    """One consistent view of the cluster; a refresh replaces it whole.

    `version` grows with every change of the metadata and not with appends.
    """

    version: int
    storage_nodes: Mapping[StorageNodeId, StorageNode] = field(default_factory=dict)
    topics: Mapping[TopicId, Topic] = field(default_factory=dict)
    log_streams: Mapping[LogStreamId, LogStream] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaState:
    """What one replica says of itself. The watermarks are (0, 0) while it holds no entry."""

    storage_node_id: StorageNodeId
    status: LogStreamStatus
    version: int
    global_high_watermark: GLSN
    low_watermark: SequenceNumber
    high_watermark: SequenceNumber
    topic_id: TopicId = TopicId(0)
    log_stream_id: LogStreamId = LogStreamId(0)
    path: str = ""
    size_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LogStreamState:
    """A log stream's extent over the replicas that answered.

    `first` and `last` are the largest low and high watermarks; both are (0, 0) when nothing was ever
    committed or everything was trimmed. `readable` is false while every answering replica is SEALING:
    then `last` may lie below what is committed. `appendable`: the primary answered that it is RUNNING.
    `sealed`: every replica of the metadata answered, and each of them SEALED.
    """

    first: SequenceNumber
    last: SequenceNumber
    replicas: tuple[ReplicaState, ...]
    readable: bool
    appendable: bool
    sealed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SealResult:
    """`sealed_glsn`: the last one committed. Replicas that did not answer are missing here."""

    sealed_glsn: GLSN
    replicas: tuple[ReplicaState, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrimResult:
    """What one replica said of a trim; an empty `error` is success."""

    storage_node_id: StorageNodeId
    log_stream_id: LogStreamId
    error: str
