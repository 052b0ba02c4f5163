"""What the contract tests do again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from varlog_client import (
    GLSN,
    LLSN,
    Admin,
    AppendError,
    EntryMeta,
    Log,
    LogEntry,
    LogStreamAppender,
    LogStreamId,
    StorageNodeId,
    TopicId,
    TrimResult,
)

BOUND_S = 20.0


async def append(appender: LogStreamAppender, *payloads: bytes) -> Sequence[EntryMeta]:
    """Appends one batch and waits for its metas; raises its error."""
    answer: asyncio.Future[Sequence[EntryMeta]] = asyncio.get_running_loop().create_future()

    def settle(metas: Sequence[EntryMeta] | None, error: AppendError | None) -> None:
        if error is not None:
            answer.set_exception(error)
        elif metas is not None:
            answer.set_result(metas)

    async with asyncio.timeout(BOUND_S):
        await appender.append_batch(payloads, settle)
        return await answer


async def read(log: Log, topic: TopicId, stream: LogStreamId, begin: int, end: int) -> list[LogEntry]:
    async with asyncio.timeout(BOUND_S), log.subscribe_to(topic, stream, LLSN(begin), LLSN(end)) as entries:
        return [entry async for entry in entries]


async def trim(admin: Admin, topic: TopicId, last: GLSN) -> Sequence[TrimResult]:
    """Trims every replica. One that hasn't heard yet that `last` is committed refuses, and is asked again."""
    async with asyncio.timeout(BOUND_S):
        while True:
            results = await admin.trim(topic, last)
            if not any(result.error for result in results):
                return results
            await asyncio.sleep(0.05)


def appender_at(log: Log, node: StorageNodeId, topic: TopicId, stream: LogStreamId) -> LogStreamAppender:
    """An appender to a node that the metadata would not have led to. Close it: the log doesn't know it."""
    return LogStreamAppender(
        log._metadata.channel(node),
        topic,
        stream,
        node,
        pipeline=2,
        default_callback=None,
        call_timeout_s=None,
        on_end=lambda _: None,
    )
