"""Topics made, grown and deleted by a Kafka admin client, on a real cluster."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from tests.clients.consumers import read_with_confluent
from tests.kov_process import ROOT, KovProcess
from tests.real_varlog import RealVarlog, missing_programs
from varlog_client import Admin, LogStreamId, TopicId

if reason := missing_programs():
    pytest.skip(reason, allow_module_level=True)

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(280)]

NAME = "orders"
ADMIN_S = 90.0


class Catalogued:
    """A kov whose topics all live in the catalog, and clients of it."""

    def __init__(self, varlog: RealVarlog, kov: KovProcess, file: Path) -> None:
        self.varlog = varlog
        self.kov = kov
        self.file = file

    async def create(self, partitions: int) -> None:
        await self._done(
            lambda admin: admin.create_topics([NewTopic(NAME, partitions)], operation_timeout=ADMIN_S)
        )

    async def grow(self, partitions: int) -> None:
        grown = [NewPartitions(NAME, partitions)]
        await self._done(lambda admin: admin.create_partitions(grown, operation_timeout=ADMIN_S))

    async def delete(self) -> None:
        await self._done(lambda admin: admin.delete_topics([NAME], operation_timeout=ADMIN_S))

    async def produce(self, partition: int, *values: bytes) -> list[int | None]:
        return await asyncio.to_thread(self._produce, partition, values)

    async def read(self, *partitions: int) -> dict[int, list[bytes | None]]:
        found: dict[int, list[bytes | None]] = {index: [] for index in partitions}
        for record in await read_with_confluent(self.kov.address, NAME, dict.fromkeys(partitions, 0)):
            found[record.partition].append(record.contents.value)
        return found

    async def topics(self, *options: str, expected: int = 0) -> str:
        """What `kov topics` says; `expected` is its exit status."""
        command = [sys.executable, "-m", "kov", "topics", str(self.file), *options]
        ran = await asyncio.to_thread(
            subprocess.run, command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
        )
        assert ran.returncode == expected, ran.stderr
        return ran.stdout

    async def in_varlog(self) -> Mapping[TopicId, set[LogStreamId]]:
        async with await Admin.connect(self.varlog.admin) as admin:
            topics = [each.topic_id for each in await admin.list_topics() if not each.deleted]
            return {
                topic: {stream.log_stream_id for stream in await admin.list_log_streams(topic)}
                for topic in topics
            }

    async def _done(self, ask: object) -> None:
        admin = AdminClient({"bootstrap.servers": self.kov.address})
        assert callable(ask)
        (future,) = ask(admin).values()
        await asyncio.to_thread(future.result, ADMIN_S)

    def _produce(self, partition: int, values: tuple[bytes, ...]) -> list[int | None]:
        offsets: list[int | None] = []
        failed: list[str] = []
        producer = Producer({"bootstrap.servers": self.kov.address, "message.timeout.ms": 60_000})
        for value in values:
            producer.produce(
                NAME,
                value,
                partition=partition,
                on_delivery=lambda error, message: (
                    failed.append(str(error)) if error else offsets.append(message.offset())
                ),
            )
            producer.flush()
        assert failed == []
        return offsets


@pytest.fixture
async def kov(real_varlog: RealVarlog, tmp_path: Path) -> AsyncIterator[Catalogued]:
    topic_id = await real_varlog.add_topic()
    log_stream = await real_varlog.add_log_stream(topic_id)
    file = tmp_path / "mapping.yaml"
    file.write_text(
        f'varlog: {{cluster_id: 1, metadata_repositories: ["{real_varlog.metadata_repository}"], '
        f'admin: "{real_varlog.admin}"}}\n'
        f"catalog: {{topic_id: {topic_id}, log_stream: {log_stream}}}\n"
    )
    with KovProcess(tmp_path, str(file)) as process:
        yield Catalogued(real_varlog, process, file)


async def test_a_topic_is_made_grown_deleted_and_made_again_over_restarts(kov: Catalogued) -> None:
    before = await kov.in_varlog()
    await kov.create(1)
    assert await kov.produce(0, b"a", b"b") == [0, 1]
    first = {topic: streams for topic, streams in (await kov.in_varlog()).items() if topic not in before}
    assert [len(streams) for streams in first.values()] == [1]

    kov.kov.restart()
    await kov.grow(3)
    assert await kov.produce(2, b"c") == [0]
    assert await kov.produce(0, b"d") == [2]
    grown = await kov.in_varlog()
    assert [len(grown[topic]) for topic in first] == [3]

    kov.kov.kill()
    kov.kov.start()
    assert await kov.read(0, 1, 2) == {0: [b"a", b"b", b"d"], 1: [], 2: [b"c"]}
    assert NAME in await kov.topics()

    await kov.delete()
    assert await kov.in_varlog() == before
    kov.kov.restart()
    assert NAME not in await kov.topics()

    await kov.create(2)
    assert await kov.read(0, 1) == {0: [], 1: []}
    assert await kov.produce(1, b"new") == [0]
    kov.kov.restart()
    assert await kov.read(0, 1) == {0: [], 1: [b"new"]}
    assert "nothing is left over" in await kov.topics("--orphans")
    await kov.delete()
    assert await kov.in_varlog() == before


async def test_what_a_kill_in_the_middle_of_a_creation_leaves_is_found_and_removed(kov: Catalogued) -> None:
    before = await kov.in_varlog()
    creation = asyncio.create_task(kov.create(3))
    while await kov.in_varlog() == before:
        assert not creation.done(), "it was made before anything was seen of it"
        await asyncio.sleep(0.02)
    kov.kov.kill()
    with pytest.raises(KafkaException):
        await creation

    kov.kov.start()
    assert NAME not in await kov.topics()
    (left,) = (await kov.in_varlog()).keys() - before.keys()
    assert f"Varlog topic {left}: holds nothing" in await kov.topics("--orphans", expected=1)
    assert "removed" in await kov.topics("--orphans", "--remove", "--wait", "1")
    assert await kov.in_varlog() == before

    await kov.create(1)
    assert await kov.produce(0, b"a") == [0]
    await kov.delete()
    assert await kov.in_varlog() == before
