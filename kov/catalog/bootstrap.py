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
    log_streams = [stream.log_stream_id for stream in await admin.list_log_streams(_FIRST)]
    if not log_streams:
        log_streams = [(await admin.add_log_stream(_FIRST)).log_stream_id]
    return _FIRST, min(log_streams)
