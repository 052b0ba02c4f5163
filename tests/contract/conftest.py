"""`cluster`: every test of this folder runs against varlog_lite and a real Varlog, with one copy and two.

That makes the small one a verified stand-in for the big one. Where the real programs are not on PATH their
half is skipped, and the skip says so.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

import pytest
import pytest_asyncio

from tests.leaks import no_client_task_is_left
from tests.lite_varlog import start_lite_varlog
from tests.real_varlog import missing_programs, start_real_varlog
from varlog_client import Admin, Log, LogStreamId, StorageNodeId, TopicId

__all__ = ["admin", "cluster", "log", "no_client_task_is_left", "place"]


class Varlog(Protocol):
    """What the suite asks of either."""

    @property
    def cluster_id(self) -> int: ...
    @property
    def metadata_repository(self) -> str: ...
    @property
    def admin(self) -> str: ...
    @property
    def replication_factor(self) -> int: ...
    async def add_topic(self) -> TopicId: ...
    async def add_log_stream(self, topic_id: TopicId) -> LogStreamId: ...
    async def seal(self, topic_id: TopicId, log_stream_id: LogStreamId) -> None: ...
    async def unseal(self, topic_id: TopicId, log_stream_id: LogStreamId) -> None: ...
    async def keep_running(self, topic_id: TopicId, log_stream_id: LogStreamId) -> None: ...
    def kill(self, node: StorageNodeId) -> None: ...
    def freeze(self, node: StorageNodeId) -> None: ...
    def thaw(self, node: StorageNodeId) -> None: ...
    async def restart(self, node: StorageNodeId) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A log stream of a topic of its own."""

    topic: TopicId
    stream: LogStreamId


NewPlace: TypeAlias = Callable[[], Awaitable[Place]]
BOTH = ["lite", *(pytest.param(each, marks=pytest.mark.real) for each in ("real", "real-rf2"))]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if reason := missing_programs():
        here = Path(__file__).parent
        for item in items:
            if item.path.is_relative_to(here) and item.get_closest_marker("real"):
                item.add_marker(pytest.mark.skip(reason))


def start(kind: str, directory: Path) -> AbstractAsyncContextManager[Varlog]:
    """As many storage nodes as copies of each log stream."""
    if kind == "lite":
        return start_lite_varlog(directory / "lite")
    copies = 2 if kind == "real-rf2" else 1
    return start_real_varlog(directory / "real", storage_nodes=copies, replication_factor=copies)


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=BOTH)
async def cluster(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Varlog]:
    """Shared by all: make your own topic, and leave its nodes alone."""
    async with start(request.param, tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
async def log(cluster: Varlog) -> AsyncIterator[Log]:
    async with await Log.open(cluster.cluster_id, [cluster.metadata_repository]) as log:
        yield log


@pytest.fixture
async def admin(cluster: Varlog) -> AsyncIterator[Admin]:
    async with await Admin.connect(cluster.admin) as admin:
        yield admin


@pytest.fixture
async def place(cluster: Varlog, log: Log) -> Place:
    """A running log stream that the log knows, in a topic of its own, without entries."""
    topic = await cluster.add_topic()
    stream = await cluster.add_log_stream(topic)
    await log.refresh()
    return Place(topic=topic, stream=stream)
