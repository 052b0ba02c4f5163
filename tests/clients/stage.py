"""Where a scenario is played: a kov, the Varlog behind it, and which log streams its topics lie in."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import NamedTuple, Protocol
from uuid import uuid4

import psutil
import yaml

from kov.pb.catalog_pb2 import CatalogEntry
from tests.clients import consumers
from tests.clients.raw import payloads
from tests.kov_process import KovProcess
from varlog_client import ClusterId, Log, LogStreamId, TopicId

PARTITIONS = 4
"""Every topic of every stage has as many."""

_CLUSTER_ID = ClusterId(1)
_CATALOG_KIND = 0x20
_ENVELOPE = struct.Struct(">4sBBHiI")


class Place(NamedTuple):
    """A log stream's index in the list is the Kafka partition."""

    topic_id: TopicId
    log_streams: Sequence[LogStreamId]


class Stage(Protocol):
    @property
    def bootstrap(self) -> str: ...

    @property
    def metadata_repository(self) -> str: ...

    def topic(self) -> str:
        """A topic that nobody else uses during this test."""

    async def ends(self, topic: str) -> Mapping[int, int]:
        """The offset after the last record, by partition, before the test writes."""

    async def place(self, log: Log, topic: str) -> Place: ...


class EmbeddedStage:
    """`kov serve` without a file: topics appear when they are first used."""

    def __init__(self, kov: KovProcess) -> None:
        self._kov = kov

    @property
    def bootstrap(self) -> str:
        return self._kov.address

    @property
    def metadata_repository(self) -> str:
        return listening_address(self._kov.store)

    def topic(self) -> str:
        return f"made-by-use-{uuid4().hex}"

    async def ends(self, topic: str) -> Mapping[int, int]:
        return dict.fromkeys(range(PARTITIONS), 0)

    async def place(self, log: Log, topic: str) -> Place:
        """Read from the catalog, which is the first log stream of the store's first topic."""
        first = min(log.metadata.topics)
        catalog = min(log.metadata.topics[first].log_streams)
        created = (_created(entry) for entry in await payloads(log, first, catalog))
        place = next(place for found in created if found for name, place in [found] if name == topic)
        await log.refresh()  # made after this log was opened, perhaps
        return place


def listening_address(process: psutil.Process) -> str:
    """Where a process on this host really listens, whatever it tells others."""
    listening = (each for each in process.net_connections("tcp") if each.status == psutil.CONN_LISTEN)
    _, port = next(listening).laddr
    return f"127.0.0.1:{port}"


def _created(payload: bytes) -> tuple[str, Place] | None:
    _, _, kind, _, _, _ = _ENVELOPE.unpack_from(payload)
    entry = CatalogEntry.FromString(payload[_ENVELOPE.size :])
    if kind != _CATALOG_KIND or not entry.HasField("created"):
        return None
    log_streams = [LogStreamId(each) for each in entry.created.log_stream_ids]
    return entry.name, Place(TopicId(entry.created.topic_id), log_streams)


class Varlog(Protocol):
    """Either of `RealVarlog` and `LiteVarlog`."""

    @property
    def metadata_repository(self) -> str: ...

    async def add_topic(self) -> TopicId: ...

    async def add_log_stream(self, topic_id: TopicId) -> LogStreamId: ...


class MappedStage:
    """`kov serve FILE`: the topics of the file, used in turn, again and again."""

    def __init__(self, kov: KovProcess, varlog: Varlog, places: Mapping[str, Place]) -> None:
        self.kov = kov
        self.places = places
        self._varlog = varlog
        self._turn = count()

    @property
    def bootstrap(self) -> str:
        return self.kov.address

    @property
    def metadata_repository(self) -> str:
        return self._varlog.metadata_repository

    def topic(self) -> str:
        return list(self.places)[next(self._turn) % len(self.places)]

    async def ends(self, topic: str) -> Mapping[int, int]:
        return await consumers.ends(self.bootstrap, topic, range(PARTITIONS))

    async def place(self, log: Log, topic: str) -> Place:
        return self.places[topic]


@contextmanager
def mapped_stage(
    directory: Path, varlog: Varlog, topics: int, program: type[KovProcess] = KovProcess
) -> Iterator[MappedStage]:
    """A kov with a mapping file that names `topics` new topics of the running `varlog`."""
    places = asyncio.run(_make_places(varlog, topics))
    file = directory / "mapping.yaml"
    file.write_text(yaml.safe_dump(_mapping(varlog, places)))
    with program(directory, str(file)) as kov:
        yield MappedStage(kov, varlog, places)


async def _make_places(varlog: Varlog, topics: int) -> dict[str, Place]:
    places = {}
    for number in range(topics):
        topic_id = await varlog.add_topic()
        log_streams = [await varlog.add_log_stream(topic_id) for _ in range(PARTITIONS)]
        places[f"mapped-{number}"] = Place(topic_id, log_streams)
    return places


def _mapping(varlog: Varlog, places: Mapping[str, Place]) -> Mapping[str, object]:
    topics = {
        name: {"topic_id": int(place.topic_id), "partitions": [int(each) for each in place.log_streams]}
        for name, place in places.items()
    }
    cluster = {"cluster_id": int(_CLUSTER_ID), "metadata_repositories": [varlog.metadata_repository]}
    return {"varlog": cluster, "topics": topics}


async def open_log(stage: Stage) -> Log:
    return await Log.open(_CLUSTER_ID, [stage.metadata_repository])
