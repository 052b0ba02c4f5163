"""Whether the log streams that a mapping file names hold what belongs into them. Reads only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final
from uuid import UUID

from kov.catalog import Catalog, CatalogError
from kov.config import CatalogConfig, Config, VarlogConfig
from kov.partition.fold import Unintelligible, Unusable
from kov.partition.history import History
from kov.partition.identity import PartitionIdentity
from kov.partition.stream import Stream
from kov.partition.tail import TailBudget
from kov.partition.view import View
from kov.tools.mapping.survey import CATALOG, OTHERS, holder_of
from kov.topics import Topic
from varlog_client import Log

_CATALOG_TIMEOUT_S: Final = 60.0

Problem = tuple[str, str]
"""What is wrong, and what to do."""

_ANOTHER = "write another log stream here, one that was never used"


class Contents:
    """What the log streams of a cluster hold, compared with what the file says."""

    def __init__(self, log: Log, config: Config, varlog: VarlogConfig) -> None:
        self._log = log
        self._source = config.source
        self._cluster_id = varlog.cluster_id
        self._names = {topic.uuid: topic.name for topic in config.topics}

    async def of_partition(self, topic: Topic, index: int) -> Problem | None:
        """Raises `VarlogError`."""
        own = PartitionIdentity(cluster_id=self._cluster_id, topic_uuid=topic.uuid, index=index)
        repair = f"kov repair {self._source} {topic.name}/{index}"
        stream = Stream(self._log, topic.topic_id, topic.log_streams[index], repair)
        try:
            await History(stream, own, View(TailBudget(max_bytes=0))).look()
        except Unusable as error:
            wrong, _, to_do = str(error).rpartition(": " if isinstance(error, Unintelligible) else "; ")
            problem: Problem | None = wrong, to_do
        else:
            problem = None
        found = await holder_of(stream)
        if found is None or found == own or (problem is not None and found == OTHERS):
            return problem
        return self._held_by(found, topic, stream)

    async def of_catalog(self, place: CatalogConfig) -> Problem | None:
        """Raises `VarlogError`."""
        found = await holder_of(Stream(self._log, place.topic_id, place.log_stream_id))
        if found is None or found == CATALOG:
            return None
        holds = found if isinstance(found, str) else f"the records of {self._named(found)}"
        return f"log stream {place.log_stream_id} holds {holds}, not a catalog", _ANOTHER

    def _held_by(self, found: PartitionIdentity | str, topic: Topic, stream: Stream) -> Problem:
        log_stream = f"log stream {stream.log_stream_id}"
        if isinstance(found, str):
            return f"{log_stream} holds {found}", _ANOTHER
        wrong = f"{log_stream} holds the records of {self._named(found)}"
        if found.topic_uuid == topic.uuid and found.cluster_id == self._cluster_id:
            return wrong, f"write it at topics.{topic.name}.partitions[{found.index}]"
        return wrong, f"{_ANOTHER}, or give the topic the name and topic_id with which it was used"

    def _named(self, found: PartitionIdentity) -> str:
        name = self._names.get(found.topic_uuid)
        return f"partition {found.index} of {name}" if name else str(found)


async def of_catalog_and_file(
    log: Log, config: Config, place: CatalogConfig
) -> Iterator[tuple[str, str, str]]:
    """Where the file and the catalog quarrel: path, what is wrong, what to do. Raises `VarlogError`."""
    catalog = Catalog(log, place.topic_id, place.log_stream_id, on_change=lambda _: None)
    try:
        await catalog.open(timeout_s=_CATALOG_TIMEOUT_S)
        return _quarrels(config, {topic.uuid: topic for topic in catalog.topics}, catalog)
    except CatalogError as error:
        return iter([("catalog", str(error), "correct catalog in the file")])
    finally:
        await catalog.close()


def _quarrels(config: Config, made: Mapping[UUID, Topic], catalog: Catalog) -> Iterator[tuple[str, str, str]]:
    names = {topic.name for topic in made.values()}
    for topic in config.topics:
        path = f"topics.{topic.name}"
        if topic.name in names:
            yield path, "the catalog has a topic of this name too", "take it out of the file, or rename it"
        for index, log_stream in enumerate(topic.log_streams):
            owner = catalog.fold.owner(log_stream)
            if owner is not None and owner in made:
                yield (
                    f"{path}.partitions[{index}]",
                    f"log stream {log_stream} serves topic {made[owner].name} of the catalog",
                    "write another log stream here: each serves one partition at most",
                )
