"""Finds the partition that the command line names, and looks at it or repairs it."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kov.catalog import Catalog, CatalogError
from kov.config import CatalogConfig, Config
from kov.errors import CannotStart, ConfigError
from kov.partition import repair as steps
from kov.partition.fold import Unusable
from kov.partition.identity import PartitionIdentity, ProducerBounds
from kov.partition.repair import NothingWrong, Overtaken, Repaired
from kov.partition.salvage import Salvage
from kov.partition.stream import Stream
from kov.stopped_store import cluster_of
from kov.topics import Topic
from varlog_client import Log
from varlog_client.errors import AppendError, VarlogError

_OPEN_TIMEOUT_S: Final = 5.0
_CATALOG_TIMEOUT_S: Final = 60.0
_NAME: Final = re.compile(r"(?P<topic>.+)/(?P<index>[0-9]+)")


class Refused(CannotStart):
    """Nothing was declared; `reason` is a word for programs."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A partition, as the command line names it. `data` is the embedded store's directory, or None."""

    topic: str
    index: int
    config: Config
    data: Path | None

    def __str__(self) -> str:
        return f"{self.topic}/{self.index}"


def parse_place(text: str, config: Config, data: Path | None) -> Place:
    """Raises ConfigError."""
    found = _NAME.fullmatch(text)
    if found is None:
        raise ConfigError(f"{text!r} is not TOPIC/PARTITION; write for example orders/0")
    return Place(topic=found["topic"], index=int(found["index"]), config=config, data=data)


async def look(place: Place) -> Salvage:
    """What is left of the partition; reads only. Raises ConfigError, and Refused where nothing is wrong."""
    async with _opened(place) as (stream, identity):
        try:
            return await steps.examine(stream, identity)
        except NothingWrong as error:
            raise Refused("nothing_wrong", f"{place}: nothing was written: {error}") from None


async def repair(place: Place, seen: Salvage, next_offset: int | None) -> Repaired:
    """Declares lost what is gone. Raises ConfigError, and Refused where it wasn't declared after all."""
    async with _opened(place) as (stream, identity):
        try:
            return await steps.repair(
                stream,
                identity,
                seen=seen,
                next_offset=next_offset,
                bounds=ProducerBounds(),
                now_ms=time.time_ns() // 1_000_000,
            )
        except Overtaken as error:
            raise Refused("overtaken", f"{place}: {error}; run the command again") from None
        except AppendError as error:
            raise Refused(
                "unknown", f"{place}: {error}; run the command again: it says whether that took effect"
            ) from None


@asynccontextmanager
async def _opened(place: Place) -> AsyncIterator[tuple[Stream, PartitionIdentity]]:
    try:
        async with cluster_of(place.config, place.data) as (varlog, catalog):
            log = await Log.open(
                varlog.cluster_id, varlog.metadata_repositories, open_timeout_s=_OPEN_TIMEOUT_S
            )
            async with log:
                topic = await _topic(place, log, catalog)
                stream = Stream(log, topic.topic_id, topic.log_streams[place.index])
                identity = PartitionIdentity(
                    cluster_id=varlog.cluster_id, topic_uuid=topic.uuid, index=place.index
                )
                yield stream, identity
    except Unusable as error:
        raise Refused("not_by_repair", f"{place}: {error}; that is nothing a repair can mend") from None
    except (VarlogError, CatalogError) as error:
        raise Refused("unavailable", f"{place} can't be repaired now: {error}") from None


async def _topic(place: Place, log: Log, catalog: CatalogConfig | None) -> Topic:
    topic = next((each for each in place.config.topics if each.name == place.topic), None)
    if topic is None and catalog is not None:
        topics = Catalog(log, catalog.topic_id, catalog.log_stream_id, on_change=lambda _: None)
        try:
            await topics.open(timeout_s=_CATALOG_TIMEOUT_S)
            topic = topics.topic(place.topic)
        finally:
            await topics.close()
    if topic is None:
        raise ConfigError(f"there is no topic {place.topic!r} in {place.config.source}, nor in its catalog")
    if place.index >= len(topic.log_streams):
        raise ConfigError(f"{place.topic} has the partitions 0 to {len(topic.log_streams) - 1}")
    return topic
