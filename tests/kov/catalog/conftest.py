"""A store with a catalog, and nodes that share it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kov.catalog import Catalog, Creator
from kov.catalog.bootstrap import find_or_make
from kov.topics import Topic
from varlog_client import Admin, Log, LogStreamId, TopicId
from varlog_lite.server import LiteServer


@dataclass
class Node:
    """What one kov node has of the catalog; `heard` is what it was told, each time."""

    log: Log
    catalog: Catalog
    creator: Creator
    heard: list[list[Topic]] = field(default_factory=list)


@dataclass
class Place:
    address: str
    topic_id: TopicId
    log_stream_id: LogStreamId
    admin: Admin

    async def varlog_topics(self) -> set[TopicId]:
        """Those that exist besides the catalog's own."""
        topics = await self.admin.list_topics()
        return {topic.topic_id for topic in topics if not topic.deleted} - {self.topic_id}


NewNode = Callable[[], Awaitable[Node]]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[LiteServer]:
    async with LiteServer(tmp_path / "varlog") as server:
        yield server


@pytest.fixture
async def place(store: LiteServer) -> AsyncIterator[Place]:
    async with await Admin.connect(store.address) as admin:
        topic_id, log_stream_id = await find_or_make(admin)
        yield Place(store.address, topic_id, log_stream_id, admin)


@pytest.fixture
async def new_node(place: Place) -> AsyncIterator[NewNode]:
    async with AsyncExitStack() as stack:

        async def make() -> Node:
            log = await stack.enter_async_context(await Log.open(1, [place.address]))
            heard: list[list[Topic]] = []
            catalog = Catalog(
                log, place.topic_id, place.log_stream_id, on_change=lambda topics: heard.append(list(topics))
            )
            stack.push_async_callback(catalog.close)
            await catalog.open(timeout_s=10)
            return Node(log, catalog, Creator(catalog, place.address), heard)

        yield make
