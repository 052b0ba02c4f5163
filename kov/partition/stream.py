"""One log stream of Varlog, bound to its ids: the only words a partition has for it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass

from varlog_client import Log, LogStreamAppender
from varlog_client.errors import VarlogError
from varlog_client.types import (
    END_LLSN,
    LLSN,
    ClusterMetadata,
    LogEntry,
    LogStreamId,
    LogStreamState,
    LogStreamStatus,
    TopicId,
)


@dataclass(frozen=True, slots=True)
class Stream:
    """`repair` is the command that helps where the stream was trimmed too far."""

    log: Log
    topic_id: TopicId
    log_stream_id: LogStreamId
    repair: str = "kov repair FILE TOPIC/PARTITION"

    def __str__(self) -> str:
        return f"log stream {self.log_stream_id} of Varlog topic {self.topic_id}"

    @property
    def log_fields(self) -> Mapping[str, object]:
        """What a line of the log about it is about."""
        return {"varlog_topic": self.topic_id, "log_stream": self.log_stream_id}

    async def peek(self) -> LogStreamState:
        """Its extent over the replicas that answer; see `Log.peek`."""
        return await self.log.peek(self.topic_id, self.log_stream_id)

    def primary_answered(self, extent: LogStreamState) -> bool:
        """Whether `extent` holds everything committed: a backup may not have heard of the newest entries, and
        a primary that was restarted doesn't know its own while it is SEALING."""
        known = self.log.metadata.log_streams.get(self.log_stream_id)
        primary = known.replicas[0].storage_node_id if known and known.replicas else None
        return any(
            replica.storage_node_id == primary and replica.status is not LogStreamStatus.SEALING
            for replica in extent.replicas
        )

    async def runs(self) -> bool:
        """Whether the metadata, read anew, and all replicas call it RUNNING; not where one can't be asked."""
        try:
            known = (await self.refresh()).log_streams.get(self.log_stream_id)
            if known is None or known.status is not LogStreamStatus.RUNNING:
                return False
            replicas = (await self.peek()).replicas
        except VarlogError:
            return False
        running = [replica for replica in replicas if replica.status is LogStreamStatus.RUNNING]
        return len(running) == len(known.replicas)

    async def refresh(self) -> ClusterMetadata:
        """Reads the cluster's metadata again: the primary may have moved."""
        return await self.log.refresh()

    async def read(self, begin: int, end: int = END_LLSN) -> AsyncGenerator[LogEntry]:
        """The entries of [begin, end), contiguous. Without `end` it follows the tail until it is closed.

        Raises `Trimmed`, `Unavailable`, `Corrupt`.
        """
        if begin >= end:
            return
        async with self.log.subscribe_to(
            self.topic_id, self.log_stream_id, LLSN(begin), LLSN(end)
        ) as entries:
            async for entry in entries:
                yield entry

    def appender(self, *, pipeline: int, call_timeout_s: float) -> LogStreamAppender:
        return self.log.appender(
            self.topic_id, self.log_stream_id, pipeline=pipeline, call_timeout_s=call_timeout_s
        )
