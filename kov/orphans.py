"""What creations and deletions that were cut short have left in Varlog: found, and removed when told.

Making a Varlog topic and naming it in the catalog are two steps, and so are deleting a topic there and
removing its Varlog topic. Of a kov that was killed in between, a Varlog topic may be left that nothing names.
It holds nothing, or the records of a topic that the catalog says is deleted; whatever else it holds isn't
kov's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from uuid import UUID

from kov.catalog import Catalog, CatalogError
from kov.catalog.making import remove_log_streams, remove_topic
from kov.config import CatalogConfig, Config, VarlogConfig
from kov.entries import ControlEntry, unpack
from kov.errors import CannotStart, ConfigError
from kov.pb.control_pb2 import Fence, Repair, Snapshot
from kov.stopped_store import cluster_of
from kov.topics import Topic
from varlog_client import Admin, Log
from varlog_client.errors import NotFound, Trimmed, VarlogError
from varlog_client.types import LLSN, LogStreamId, TopicId

_OPEN_TIMEOUT_S: Final = 5.0
_CATALOG_TIMEOUT_S: Final = 60.0
_WINDOW: Final = 64  # the newest entries, among which a deleted topic's fence lies


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphan:
    """A Varlog topic that nothing names; with `log_streams`, just those of a topic that is in use.

    `deleted` is the name of the deleted Kafka topic that it held; None: it holds nothing. With `foreign` it
    holds what isn't known to be kov's, and stays.
    """

    topic_id: TopicId
    log_streams: tuple[LogStreamId, ...] = ()
    deleted: str | None = None
    foreign: bool = False

    def __str__(self) -> str:
        what = f"Varlog topic {self.topic_id}"
        if self.log_streams:
            what = f"log stream {', '.join(map(str, self.log_streams))} of {what}"
        if self.foreign:
            return f"{what}: holds entries that are not kov's; it stays"
        return f"{what}: {f'of the deleted topic {self.deleted}' if self.deleted else 'holds nothing'}"


class Store:
    """A cluster as far as this needs it: open while the context of `opened` lasts."""

    def __init__(self, config: Config, log: Log, admin: Admin, catalog: Catalog | None) -> None:
        self._config = config
        self._log = log
        self._admin = admin
        self._catalog = catalog

    def topics(self) -> list[Topic]:
        """All Kafka topics, sorted by name."""
        known = [*self._config.topics, *(self._catalog.topics if self._catalog else ())]
        return sorted(known, key=lambda topic: topic.name)

    async def orphans(self, wait_s: float = 0.0) -> list[Orphan]:
        """What nothing names now, and still doesn't after `wait_s`: a creation under way looks the same."""
        candidates = await self._unnamed()
        if candidates and wait_s > 0:
            await asyncio.sleep(wait_s)
            still = {(each.topic_id, each.log_streams) for each in await self._unnamed()}
            candidates = [each for each in candidates if (each.topic_id, each.log_streams) in still]
        return [await self._look_into(each) for each in candidates]

    async def remove(self, orphan: Orphan) -> bool:
        """Whether it is gone; looks once more whether nothing names it."""
        if orphan.foreign or (orphan.topic_id, orphan.log_streams) not in {
            (each.topic_id, each.log_streams) for each in await self._unnamed()
        }:
            return False
        if orphan.log_streams:
            await remove_log_streams(self._admin, orphan.topic_id, orphan.log_streams)
            return True
        return await remove_topic(self._admin, orphan.topic_id)

    async def _unnamed(self) -> list[Orphan]:
        await self._catch_up()
        named = {topic.topic_id: set[LogStreamId]() for topic in self.topics()}
        for topic in self.topics():
            named[topic.topic_id].update(topic.log_streams)
        files = {topic.topic_id for topic in self._config.topics}
        if self._catalog is not None:
            files.add(self._catalog.topic_id)
        return list(self._not_in(await self._all(), named, files))

    async def _catch_up(self) -> None:
        if self._catalog is not None:
            state = await self._log.peek(self._catalog.topic_id, self._catalog.log_stream_id)
            await self._catalog.until_applied(state.last.llsn)

    async def _all(self) -> dict[TopicId, set[LogStreamId]]:
        topics = [topic.topic_id for topic in await self._admin.list_topics() if not topic.deleted]
        return {
            topic_id: {stream.log_stream_id for stream in await self._admin.list_log_streams(topic_id)}
            for topic_id in topics
        }

    @staticmethod
    def _not_in(
        there: dict[TopicId, set[LogStreamId]], named: dict[TopicId, set[LogStreamId]], files: set[TopicId]
    ) -> Iterator[Orphan]:
        """A topic that the file names may have log streams for other uses: those aren't looked at."""
        for topic_id, log_streams in sorted(there.items()):
            if topic_id in files:
                continue
            if topic_id not in named:
                yield Orphan(topic_id=topic_id)
            elif unused := log_streams - named[topic_id]:
                yield Orphan(topic_id=topic_id, log_streams=tuple(sorted(unused)))

    async def _look_into(self, orphan: Orphan) -> Orphan:
        log_streams: Sequence[LogStreamId] = orphan.log_streams
        if not log_streams:
            streams = await self._admin.list_log_streams(orphan.topic_id)
            log_streams = [stream.log_stream_id for stream in streams]
        names = {await self._held(orphan.topic_id, each) for each in log_streams} - {""}
        if None in names or len(names) > 1:
            return replace(orphan, foreign=True)
        return replace(orphan, deleted=names.pop()) if names else orphan

    async def _held(self, topic_id: TopicId, log_stream: LogStreamId) -> str | None:
        """The deleted topic whose partition it was; "" where it holds nothing, None for anything else."""
        try:
            last = (await self._log.peek(topic_id, log_stream)).last.llsn
        except NotFound:
            await self._log.refresh()
            last = (await self._log.peek(topic_id, log_stream)).last.llsn
        if not last:
            return ""
        owner: UUID | None = None
        begin = LLSN(max(1, last - _WINDOW))
        try:
            async with self._log.subscribe_to(topic_id, log_stream, begin, LLSN(last + 1)) as entries:
                async for entry in entries:
                    owner = _owner(entry.data) or owner
        except Trimmed:
            return None
        return self._catalog.fold.deleted(owner) if self._catalog is not None and owner is not None else None


def _owner(payload: bytes) -> UUID | None:
    entry = unpack(payload)
    if isinstance(entry, ControlEntry) and isinstance(entry.message, Fence | Snapshot | Repair):
        uuid = entry.message.partition.topic_uuid
        return UUID(bytes=uuid) if len(uuid) == 16 else None
    return None


@asynccontextmanager
async def opened(config: Config, data: Path | None) -> AsyncIterator[Store]:
    """`data` is the embedded store's directory, None where `config` names a cluster. Raises ConfigError."""
    try:
        async with cluster_of(config, data) as (varlog, place), await _log(varlog) as log:
            if varlog.admin is None:
                raise ConfigError(f"{config.source}: varlog.admin is missing; add for example 10.0.0.1:9093")
            async with await Admin.connect(varlog.admin) as admin:
                catalog = _catalog(log, place)
                try:
                    if catalog is not None:
                        await catalog.open(timeout_s=_CATALOG_TIMEOUT_S)
                    yield Store(config, log, admin, catalog)
                finally:
                    if catalog is not None:
                        await catalog.close()
    except (VarlogError, CatalogError) as error:
        raise CannotStart(f"the topics can't be looked at now: {error}") from error


def _catalog(log: Log, place: CatalogConfig | None) -> Catalog | None:
    if place is None:
        return None
    return Catalog(log, place.topic_id, place.log_stream_id, on_change=lambda _: None)


async def _log(varlog: VarlogConfig) -> Log:
    return await Log.open(varlog.cluster_id, varlog.metadata_repositories, open_timeout_s=_OPEN_TIMEOUT_S)
