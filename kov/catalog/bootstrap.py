"""The catalog of the embedded store: the first log stream of its Varlog topic 1, made at the first start."""

from __future__ import annotations

from typing import Final

from kov.catalog.catalog import CatalogError
from varlog_client import Admin
from varlog_client.types import LogStreamId, TopicId

_FIRST: Final = TopicId(1)


async def find_or_make(admin: Admin) -> tuple[TopicId, LogStreamId]:
    """Where the catalog lies. A start that was interrupted between the two steps is continued.

    Raises CatalogError for a store that was not begun by kov, and VarlogError.
    """
    topics = {topic.topic_id for topic in await admin.list_topics() if not topic.deleted}
    if not topics:
        topics = {(await admin.add_topic()).topic_id}
    if _FIRST not in topics:
        raise CatalogError("the store has topics and none of them is topic 1, so kov did not make it")
    log_stream = await _log_stream(admin) or (await admin.add_log_stream(_FIRST)).log_stream_id
    return _FIRST, log_stream


async def find(admin: Admin) -> tuple[TopicId, LogStreamId]:
    """Where the catalog lies, making nothing: somebody else runs the store.

    Raises CatalogError where it isn't there yet, and VarlogError.
    """
    topics = {topic.topic_id for topic in await admin.list_topics() if not topic.deleted}
    log_stream = await _log_stream(admin) if _FIRST in topics else None
    if log_stream is None:
        raise CatalogError("the store holds no catalog of kov's yet; try again in a moment")
    return _FIRST, log_stream


async def _log_stream(admin: Admin) -> LogStreamId | None:
    streams = await admin.list_log_streams(_FIRST)
    return min((stream.log_stream_id for stream in streams), default=None)
