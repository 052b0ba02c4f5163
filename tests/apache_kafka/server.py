"""A real Apache Kafka: one KRaft node on loopback, in a directory of its own, its jars fetched by Maven."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

from kio.schema.create_topics.v7.response import CreateTopicsResponse
from kio.schema.delete_topics.v6.response import DeleteTopicsResponse
from kio.schema.errors import ErrorCode
from kio.schema.init_producer_id.v4.response import InitProducerIdResponse
from kio.schema.list_offsets.v7.response import ListOffsetsResponse

from tests.kov.kafka_table.side import Side, TopicSpec, asking

BUILD_S: Final = 600.0
_START_S: Final = 90.0
_STOP_S: Final = 20.0
_POM: Final = Path(__file__).with_name("pom.xml")
_CLUSTER_ID: Final = "AAAAAAAAAAAAAAAAAAAAAQ"
_JAVA: Final = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx384m")
_CONFIG: Final = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
max.incremental.fetch.session.cache.slots=0
log.initial.task.delay.ms=86400000
log.retention.check.interval.ms=86400000
"""
"""The tests' records are years old: no task may come by and delete them."""


def build(directory: Path) -> str:
    """The class path of Kafka's server; Maven fetches the jars it hasn't got."""
    for program in ("java", "mvn"):
        assert shutil.which(program), f"{program} is not on PATH: these tests need a JDK and Maven"
    directory.mkdir(parents=True, exist_ok=True)
    shutil.copy(_POM, directory / "pom.xml")
    command = ("mvn", "--batch-mode", "--quiet", "process-classes")
    built = subprocess.run(
        command, cwd=directory, check=False, capture_output=True, text=True, timeout=BUILD_S
    )
    assert built.returncode == 0, f"Maven failed:\n{built.stdout}\n{built.stderr}"
    return f"{directory}/target/lib/*"


class ApacheKafka:
    """A context manager; on leaving the server is killed, whatever state it is in.

    `java` are the options of its virtual machine, `config` what its properties have besides, or instead.
    """

    def __init__(
        self,
        class_path: str,
        directory: Path,
        *,
        java: Sequence[str] = _JAVA,
        config: Mapping[str, str] | None = None,
    ) -> None:
        self.port, self._controller = _free_ports(2)
        self.log = directory / "kafka.log"
        self._class_path = class_path
        self._directory = directory
        self._java = java
        self._config = config or {}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, "Kafka was not started"
        return self._process.pid

    def __enter__(self) -> ApacheKafka:
        config = self._directory / "server.properties"
        values = {"port": self.port, "controller": self._controller, "data": self._directory / "data"}
        more = "".join(f"{name}={value}\n" for name, value in self._config.items())
        config.write_text(_CONFIG.format(**values) + more)
        self._format(config)
        with self.log.open("wb") as log:
            command = ("java", *self._java, "-cp", self._class_path, "kafka.Kafka", str(config))
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(_STOP_S)

    def _format(self, config: Path) -> None:
        command = ("java", *_JAVA, "-cp", self._class_path, "kafka.tools.StorageTool", "format")
        subprocess.run(
            (*command, "-t", _CLUSTER_ID, "-c", str(config)),
            check=True,
            capture_output=True,
            timeout=_START_S,
        )

    async def side(self, topics: Sequence[TopicSpec]) -> Side:
        """Creates the topics, as soon as the server takes requests; where and how to ask for them."""
        side = Side("Apache Kafka", "127.0.0.1", self.port)
        async with asyncio.timeout(_START_S):
            while not await self._create(side, topics):
                assert self._process is not None
                assert self._process.poll() is None, f"Kafka ended:\n{self.log.read_text()}"
                await asyncio.sleep(0.1)
            while not (await _all_led(side, topics) and await _gives_producer_ids(side)):
                await asyncio.sleep(0.05)
        return side

    async def _create(self, side: Side, topics: Sequence[TopicSpec]) -> bool:
        try:
            answer = await side.ask(asking(19, 7, topics=[_creatable(topic) for topic in topics]))
        except OSError:
            return False
        assert isinstance(answer, CreateTopicsResponse)
        for topic in answer.topics:
            assert topic.error_code in {ErrorCode.none, ErrorCode.topic_already_exists}, topic
            if topic.topic_id is not None:
                side.uuids[topic.name] = topic.topic_id
        return True

    async def delete(self, side: Side) -> None:
        """Deletes the side's topics, so that the next ones of these names are new."""
        names = [{"name": name, "topic_id": None} for name in side.uuids]
        answer = await side.ask(asking(20, 6, topics=names, timeout=timedelta(seconds=_START_S)))
        assert isinstance(answer, DeleteTopicsResponse)
        assert all(topic.error_code is ErrorCode.none for topic in answer.responses), answer


async def _all_led(side: Side, topics: Sequence[TopicSpec]) -> bool:
    asked = [
        {
            "name": topic.name,
            "partitions": [{"partition_index": each, "timestamp": -1} for each in range(topic.partitions)],
        }
        for topic in topics
    ]
    answer = await side.ask(asking(2, 7, topics=asked))
    assert isinstance(answer, ListOffsetsResponse)
    return all(part.error_code is ErrorCode.none for topic in answer.topics for part in topic.partitions)


async def _gives_producer_ids(side: Side) -> bool:
    answer = await side.ask(asking(22, 4, transactional_id=None, producer_id=-1, producer_epoch=-1))
    assert isinstance(answer, InitProducerIdResponse)
    return answer.error_code is ErrorCode.none


def _creatable(topic: TopicSpec) -> dict[str, object]:
    return {
        "name": topic.name,
        "num_partitions": topic.partitions,
        "replication_factor": 1,
        "configs": [{"name": name, "value": value} for name, value in topic.config.items()],
    }


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
