"""What is measured: a store, a kov on it, and the CPU time of both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil

from bench import growth, page_cache
from bench.values import Entry
from kov.entries import BatchEntry, unpack
from tests.kov_process import KovProcess
from tests.lite_varlog import start_lite_varlog
from tests.real_varlog import missing_programs, start_real_varlog
from varlog_client import LLSN, Log, LogStreamId, TopicId

TOPIC = "bench"

_SAMPLE = 200


class Cluster(Protocol):
    @property
    def metadata_repository(self) -> str: ...
    async def add_topic(self) -> TopicId: ...
    async def add_log_stream(self, topic_id: TopicId) -> LogStreamId: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """`missing`: why it can't be measured here, or None."""

    name: str
    start: Callable[[Path], AbstractAsyncContextManager[Cluster]]
    missing: Callable[[], str | None]


STORES = (
    Store(name="varlog_lite", start=start_lite_varlog, missing=lambda: None),
    Store(name="Varlog", start=start_real_varlog, missing=missing_programs),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuSeconds:
    kov: float
    store: float

    def since(self, before: CpuSeconds) -> CpuSeconds:
        return CpuSeconds(kov=self.kov - before.kov, store=self.store - before.store)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """`produced` is the log stream behind the topic, `appended` another one, for the appender alone."""

    store: str
    directory: Path
    metadata_repository: str
    bootstrap: str
    topic_id: TopicId
    produced: LogStreamId
    appended: LogStreamId
    log: Log
    kov_processes: Sequence[psutil.Process]
    store_processes: Sequence[psutil.Process]

    def cpu(self) -> CpuSeconds:
        return CpuSeconds(kov=growth.cpu_s(self.kov_processes), store=growth.cpu_s(self.store_processes))

    def drop_page_cache(self) -> None:
        page_cache.drop(self.directory)

    async def last(self) -> LLSN:
        """The last entry that was stored through kov."""
        return (await self.log.peek(self.topic_id, self.produced)).last.llsn

    async def sample(self, begin: LLSN) -> list[Entry]:
        """Some of the batches stored through kov from `begin` on."""
        last = await self.last()
        middle = (begin + last) // 2  # the first ones, of an idle server, are smaller
        begin, end = LLSN(max(begin, middle - _SAMPLE // 2)), LLSN(last + 1)
        found: list[Entry] = []
        async with self.log.subscribe_to(self.topic_id, self.produced, begin, end) as subscriber:
            async for stored in subscriber:
                entry = unpack(stored.data)
                if isinstance(entry, BatchEntry):
                    found.append(Entry(size=entry.size, records=entry.header.record_count))
                if len(found) == _SAMPLE:
                    break
        return found


@asynccontextmanager
async def open_site(store: Store, directory: Path) -> AsyncIterator[Site]:
    """Starts the store and a `kov serve` with a mapping file; ends both on leaving."""
    before = set(psutil.Process().children(recursive=True))
    async with store.start(directory / "store") as cluster:
        store_processes = [p for p in psutil.Process().children(recursive=True) if p not in before]
        topic_id = await cluster.add_topic()
        produced = await cluster.add_log_stream(topic_id)
        appended = await cluster.add_log_stream(topic_id)
        file = directory / "mapping.yaml"
        file.write_text(mapping(cluster.metadata_repository, topic_id, produced))
        kov = KovProcess(directory, str(file))
        await asyncio.to_thread(kov.start)
        try:
            async with await Log.open(1, [cluster.metadata_repository]) as log:
                yield Site(
                    store=store.name,
                    directory=directory,
                    metadata_repository=cluster.metadata_repository,
                    bootstrap=kov.address,
                    topic_id=topic_id,
                    produced=produced,
                    appended=appended,
                    log=log,
                    kov_processes=[psutil.Process(kov.process.pid)],
                    store_processes=store_processes,
                )
        finally:
            await asyncio.to_thread(kov.close)


def mapping(metadata_repository: str, topic_id: TopicId, log_stream_id: LogStreamId) -> str:
    return growth.mapping(metadata_repository, {TOPIC: (topic_id, [log_stream_id])})
