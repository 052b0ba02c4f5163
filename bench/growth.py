"""What a kov costs as it grows: many mapped partitions, many opened ones, many connections, much in flight.

Each function measures one thing on a `kov serve` that runs already, or starts it. They block.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import struct
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml
from confluent_kafka import KafkaError, Message, Producer

from tests.crash.flood import produce_request
from tests.kov_process import KovProcess
from tests.lite_varlog import LiteVarlog, start_lite_varlog
from varlog_client import Admin, LogStreamId, TopicId

PER_TOPIC = 100
_AT_ONCE = 100
_PATIENCE_S = 60.0
_ADDING_S = 120.0
_SETTLED_S = 1.0
_IN_FLIGHT_EACH = 5
_ASK_VERSIONS = struct.pack(">ihhih", 10, 18, 0, 7, -1)
_OF_MAPPED_KOV = "topic-{}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """A store with log streams, and a mapping file that names them as partitions of the topics."""

    cluster: LiteVarlog
    directory: Path
    file: Path
    topics: Sequence[str]

    @contextmanager
    def kov(self) -> Iterator[tuple[KovProcess, float]]:
        """A kov on it, and how many seconds it took from its start to its ready line."""
        kov = KovProcess(self.directory, str(self.file))
        began = time.monotonic()
        with kov:
            yield kov, time.monotonic() - began


@asynccontextmanager
async def mapped(directory: Path, partitions: int) -> AsyncIterator[Mapped]:
    """On a varlog_lite of its own; each topic has 100 partitions."""
    async with start_lite_varlog(directory / "store") as cluster:
        topics = {
            _OF_MAPPED_KOV.format(number): await _add_topic(cluster, min(PER_TOPIC, partitions))
            for number in range(max(1, partitions // PER_TOPIC))
        }
        file = directory / "mapping.yaml"
        file.write_text(mapping(cluster.metadata_repository, topics))
        yield Mapped(cluster=cluster, directory=directory, file=file, topics=list(topics))


def mapping(metadata_repository: str, topics: Mapping[str, tuple[TopicId, Sequence[LogStreamId]]]) -> str:
    """The text of a mapping file."""
    return yaml.safe_dump(
        {
            "varlog": {"cluster_id": 1, "metadata_repositories": [metadata_repository]},
            "topics": {
                name: {"topic_id": int(topic_id), "partitions": [int(each) for each in log_streams]}
                for name, (topic_id, log_streams) in topics.items()
            },
        }
    )


async def _add_topic(cluster: LiteVarlog, partitions: int) -> tuple[TopicId, Sequence[LogStreamId]]:
    async with await Admin.connect(cluster.admin) as admin:
        topic_id = (await admin.add_topic()).topic_id
        added = await asyncio.gather(
            *(admin.add_log_stream(topic_id, timeout_s=_ADDING_S) for _ in range(partitions))
        )
        return topic_id, sorted(each.log_stream_id for each in added)


class Failed(Exception):
    """The text is the first error that a client was told."""


def open_s(kov: KovProcess, topics: Sequence[str], partitions: int) -> float:
    """Seconds until one record was stored in each of so many partitions. Raises `Failed`."""
    failures: list[str] = []

    def report(error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            failures.append(str(error))

    producer = Producer({"bootstrap.servers": kov.address, "linger.ms": 0, "log_level": 3})
    began = time.monotonic()
    for number in range(partitions):
        topic, partition = topics[number // PER_TOPIC], number % PER_TOPIC
        producer.produce(topic, b"the first", None, partition, on_delivery=report)
    left = producer.flush(_PATIENCE_S)
    took = time.monotonic() - began
    if failures or left:
        raise Failed(failures[0] if failures else f"{left} records were not answered")
    return took


@contextmanager
def idle_connections(kov: KovProcess, count: int) -> Iterator[None]:
    """So many connections, each of which has asked for the versions and been answered."""
    host, _, port = kov.address.rpartition(":")
    with ExitStack() as stack:
        opened = [
            stack.enter_context(socket.create_connection((host, int(port)), _PATIENCE_S))
            for _ in range(count)
        ]
        for each in opened:
            each.sendall(_ASK_VERSIONS)
            if not each.recv(65536):
                raise Failed("kov closed a connection")
        yield


def resident(process: psutil.Process) -> int:
    """Bytes of memory that it holds."""
    return int(process.memory_info().rss)


def idle_share(processes: Sequence[psutil.Process], seconds: float) -> float:
    """What they use of one core meanwhile."""
    before, began = cpu_s(processes), time.monotonic()
    time.sleep(seconds)
    return (cpu_s(processes) - before) / (time.monotonic() - began)


def cpu_s(processes: Sequence[psutil.Process]) -> float:
    """CPU seconds since their starts."""
    return sum(each.user + each.system for each in (process.cpu_times() for process in processes))


def held_per_mib(kov: KovProcess, store: int, topic: str, connections: int) -> float:
    """MiB that kov grows by for each MiB of Produce requests that it has received and can't store.

    `store` is the process id of the store, which is frozen meanwhile: 5 requests of 1 MB per connection.
    """
    process = psutil.Process(kov.process.pid)
    request = produce_request(topic, acks=1, timeout_ms=30_000)
    host, _, port = kov.address.rpartition(":")
    with ExitStack() as stack:
        opened = [
            stack.enter_context(socket.create_connection((host, int(port)), _PATIENCE_S))
            for _ in range(connections)
        ]
        for each in opened:  # one at a time first: what kov keeps of what is stored is there then
            for _ in range(_IN_FLIGHT_EACH):
                each.sendall(request)
            for _ in range(_IN_FLIGHT_EACH):
                _answer(each)
        before = resident(process)
        os.kill(store, signal.SIGSTOP)
        try:
            for each in opened:
                for _ in range(_IN_FLIGHT_EACH):
                    each.sendall(request)
            time.sleep(_SETTLED_S)
            grown = resident(process) - before
        finally:
            os.kill(store, signal.SIGCONT)
        for each in opened:
            for _ in range(_IN_FLIGHT_EACH):
                _answer(each)
    return grown / (len(request) * _IN_FLIGHT_EACH * connections)


def _answer(sock: socket.socket) -> None:
    size = struct.unpack(">i", _exactly(sock, 4))[0]
    _exactly(sock, size)


def _exactly(sock: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        more = sock.recv(count - len(found))
        if not more:
            raise Failed("kov closed a connection")
        found += more
    return found
