"""A cluster and its topics, opened to be looked at."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kov.catalog import Catalog, CatalogError
from kov.config import CatalogConfig, Config
from kov.errors import CannotStart, ConfigError
from kov.partition.identity import PartitionIdentity
from kov.partition.stream import Stream
from kov.stopped_store import cluster_to_read
from kov.topics import Topic
from varlog_client import Log
from varlog_client.errors import VarlogError

_OPEN_TIMEOUT_S: Final = 5.0
_CATALOG_TIMEOUT_S: Final = 60.0
_SHOWN: Final = 10
_PLACE: Final = re.compile(r"(?P<topic>.+)/(?P<index>[0-9]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """`topics` are those of the mapping file and those of the catalog, sorted by name."""

    config: Config
    cluster_id: int
    log: Log
    topics: Sequence[Topic]

    def topic(self, name: str) -> Topic:
        """Raises ConfigError."""
        for topic in self.topics:
            if topic.name == name:
                return topic
        known = ", ".join(topic.name for topic in self.topics[:_SHOWN]) or "none yet"
        more = ", ..." if len(self.topics) > _SHOWN else ""
        raise ConfigError(f"there is no topic {name!r}; there are: {known}{more}")

    def partition(self, topic: Topic, index: int) -> tuple[Stream, PartitionIdentity]:
        """Raises ConfigError for an index that the topic hasn't."""
        if not 0 <= index < len(topic.log_streams):
            raise ConfigError(f"{topic.name} has the partitions 0 to {len(topic.log_streams) - 1}")
        identity = PartitionIdentity(cluster_id=self.cluster_id, topic_uuid=topic.uuid, index=index)
        return Stream(self.log, topic.topic_id, topic.log_streams[index]), identity


@asynccontextmanager
async def opened(config: Config, data: Path | None) -> AsyncIterator[Cluster]:
    """`data` is the embedded store's directory, None where `config` names a cluster.

    A kov that uses either may go on running. Raises ConfigError, CannotStart where something can't be read.
    """
    try:
        async with cluster_to_read(config, data) as (varlog, catalog):
            log = await Log.open(
                varlog.cluster_id, varlog.metadata_repositories, open_timeout_s=_OPEN_TIMEOUT_S
            )
            async with log:
                topics = [*config.topics, *await _cataloged(log, catalog)]
                topics.sort(key=lambda topic: topic.name)
                yield Cluster(config=config, cluster_id=varlog.cluster_id, log=log, topics=topics)
    except (VarlogError, CatalogError) as error:
        raise CannotStart(f"the cluster can't be looked at now: {error}") from error


def parse_place(text: str) -> tuple[str, int]:
    """TOPIC/PARTITION. Raises ConfigError."""
    found = _PLACE.fullmatch(text)
    if found is None:
        raise ConfigError(f"{text!r} is not TOPIC/PARTITION; write for example orders/0")
    return found["topic"], int(found["index"])


async def _cataloged(log: Log, place: CatalogConfig | None) -> Sequence[Topic]:
    if place is None:
        return ()
    catalog = Catalog(log, place.topic_id, place.log_stream_id, on_change=lambda _: None)
    try:
        await catalog.open(timeout_s=_CATALOG_TIMEOUT_S)
        return catalog.topics
    finally:
        await catalog.close()
