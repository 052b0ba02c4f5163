"""The values that only `Admin` deals with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import NewType

from varlog_client.types import LLSN, LogStream, ReplicaState, StorageNode, Topic

MetadataRepositoryNodeId = NewType("MetadataRepositoryNodeId", int)


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """One storage directory of a node, and its file system in bytes."""

    path: str
    used_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedStorageNode(StorageNode):
    """A storage node as the admin server's last heartbeat saw it.

    Before the first one `storages` and `replicas` are empty. Times are UTC, None where there is none yet.
    """

    storages: tuple[Storage, ...] = ()
    replicas: tuple[ReplicaState, ...] = ()
    registered_at: datetime | None = None
    started_at: datetime | None = None
    last_heartbeat_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicDescription:
    topic: Topic
    log_streams: tuple[LogStream, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataRepositoryNode:
    """One member. `learner`: it follows and has no vote."""

    node_id: MetadataRepositoryNodeId
    raft_url: str
    rpc_address: str
    leader: bool
    learner: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataRepositoryMembers:
    """`members`: node id to Raft URL."""

    leader: MetadataRepositoryNodeId
    replication_factor: int
    members: Mapping[MetadataRepositoryNodeId, str]


class SyncState(IntEnum):
    ERROR = 0
    IN_PROGRESS = 1
    COMPLETE = 2
    START = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncStatus:
    """How far a copy has come: the LLSNs of its first, its last, and the entry it is at."""

    state: SyncState
    first: LLSN
    last: LLSN
    current: LLSN
