"""The systems that `make bench` measures, each started on an empty directory with the same topics."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Protocol

import psutil
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from bench import page_cache
from bench.growth import cpu_s, mapping
from bench.site import Cluster, CpuSeconds, Site
from bench.suite_cells import PARTITIONS, System
from tests.apache_kafka.server import ApacheKafka, build
from tests.interop.building import cache_directory
from tests.kov_process import KovProcess
from tests.lite_varlog import start_lite_varlog
from tests.real_varlog import missing_programs, start_real_varlog
from varlog_client import Log, LogStreamId, TopicId

READ_TOPIC: Final = "bench-read"

_START_S: Final = 90.0
_MOST_PARTITIONS_OF_VARLOG: Final = 16
_KAFKAS_JAVA: Final = (
    *("-Xms1G", "-Xmx1G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"),
    *("-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent", "-XX:MaxInlineLevel=15"),
)
"""As Kafka's own start script has them."""

_KAFKAS_DEFAULTS: Final = {"max.incremental.fetch.session.cache.slots": "1000"}


def topic_of(partitions: int) -> str:
    return f"bench-{partitions}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """A running system. `site`: the store behind kov, for the appender alone, and where kov's batches lie."""

    system: System
    directory: Path
    bootstrap: str
    server: Sequence[psutil.Process]
    store: Sequence[psutil.Process]
    start_s: float
    site: Site | None = None

    def cpu(self) -> CpuSeconds:
        return CpuSeconds(kov=cpu_s(self.server), store=cpu_s(self.store))

    def drop_page_cache(self) -> None:
        page_cache.drop(self.directory)


class Start(Protocol):
    def __call__(self, directory: Path) -> AbstractAsyncContextManager[Stand]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Starter:
    """`missing`: why it can't be measured here, or None."""

    start: Start
    missing: Callable[[], str | None]


@asynccontextmanager
async def _kov(
    directory: Path,
    *,
    system: System,
    store: Callable[[Path], AbstractAsyncContextManager[Cluster]],
    arguments: Sequence[str] = (),
    most: int = max(PARTITIONS),
) -> AsyncIterator[Stand]:
    before = set(psutil.Process().children(recursive=True))
    async with store(directory / "store") as cluster:
        behind = [each for each in psutil.Process().children(recursive=True) if each not in before]
        topics = await _make_log_streams(cluster, [each for each in PARTITIONS if each <= most])
        file = directory / "mapping.yaml"
        file.write_text(mapping(cluster.metadata_repository, topics))
        kov, began = KovProcess(directory, str(file), *arguments), time.monotonic()
        await asyncio.to_thread(kov.start)
        took = time.monotonic() - began
        try:
            main = psutil.Process(kov.process.pid)
            async with await Log.open(1, [cluster.metadata_repository]) as log:
                topic_id, (produced, *_) = topics[topic_of(1)]
                yield Stand(
                    system=system,
                    directory=directory,
                    bootstrap=kov.address,
                    server=[main, *main.children()],
                    store=behind,
                    start_s=took,
                    site=Site(
                        store=system.value,
                        directory=directory,
                        metadata_repository=cluster.metadata_repository,
                        bootstrap=kov.address,
                        topic_id=topic_id,
                        produced=produced,
                        appended=await cluster.add_log_stream(topic_id),
                        log=log,
                        kov_processes=[main, *main.children()],
                        store_processes=behind,
                    ),
                )
        finally:
            await asyncio.to_thread(kov.close)


async def _make_log_streams(
    cluster: Cluster, counts: Sequence[int]
) -> dict[str, tuple[TopicId, Sequence[LogStreamId]]]:
    found: dict[str, tuple[TopicId, Sequence[LogStreamId]]] = {}
    for name, count in [*((topic_of(each), each) for each in counts), (READ_TOPIC, 1)]:
        topic_id = await cluster.add_topic()
        found[name] = topic_id, [await cluster.add_log_stream(topic_id) for _ in range(count)]
    return found


@asynccontextmanager
async def _kafka(directory: Path, *, system: System, config: Mapping[str, str]) -> AsyncIterator[Stand]:
    class_path = await asyncio.to_thread(_kafkas_jars)
    began = time.monotonic()
    with ApacheKafka(
        class_path, directory, java=_KAFKAS_JAVA, config={**_KAFKAS_DEFAULTS, **config}
    ) as kafka:
        bootstrap = f"127.0.0.1:{kafka.port}"
        admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
        await _until_it_answers(admin)
        took = time.monotonic() - began
        await asyncio.to_thread(_create_topics, admin)
        yield Stand(
            system=system,
            directory=directory,
            bootstrap=bootstrap,
            server=[psutil.Process(kafka.pid)],
            store=[],
            start_s=took,
        )


def _kafkas_jars() -> str:
    """Kept between runs."""
    directory = cache_directory() / "apache-kafka"
    if (directory / "target" / "lib").exists():
        return f"{directory}/target/lib/*"
    return build(directory)


async def _until_it_answers(admin: AdminClient) -> None:
    async with asyncio.timeout(_START_S):
        while True:
            try:
                await asyncio.to_thread(admin.list_topics, timeout=1.0)
            except KafkaException:
                continue
            return


def _create_topics(admin: AdminClient) -> None:
    wanted = [NewTopic(topic_of(each), each, 1) for each in PARTITIONS] + [NewTopic(READ_TOPIC, 1, 1)]
    for created in admin.create_topics(wanted, operation_timeout=_START_S).values():
        created.result(_START_S)


def _java_is_missing() -> str | None:
    missing = [program for program in ("java", "mvn") if shutil.which(program) is None]
    return f"needs a JDK and Maven on PATH; missing: {', '.join(missing)}" if missing else None


STARTERS: Final[Mapping[System, Starter]] = {
    System.KOV_LITE: Starter(
        start=partial(_kov, system=System.KOV_LITE, store=start_lite_varlog), missing=lambda: None
    ),
    System.KOV_WORKERS: Starter(
        start=partial(_kov, system=System.KOV_WORKERS, store=start_lite_varlog, arguments=("--workers", "2")),
        missing=lambda: None,
    ),
    System.KOV_VARLOG: Starter(
        start=partial(
            _kov, system=System.KOV_VARLOG, store=start_real_varlog, most=_MOST_PARTITIONS_OF_VARLOG
        ),
        missing=missing_programs,
    ),
    System.KAFKA: Starter(start=partial(_kafka, system=System.KAFKA, config={}), missing=_java_is_missing),
    System.KAFKA_FSYNC: Starter(
        start=partial(_kafka, system=System.KAFKA_FSYNC, config={"log.flush.interval.messages": "1"}),
        missing=_java_is_missing,
    ),
}


@asynccontextmanager
async def running(system: System, directory: Path) -> AsyncIterator[Stand]:
    """Its data are gone on leaving."""
    with tempfile.TemporaryDirectory(dir=directory) as where:
        async with STARTERS[system].start(directory=Path(where)) as stand:
            yield stand
