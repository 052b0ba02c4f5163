"""`python -m tests.fuzz.record`: has real clients talk to kov, and writes what they said to corpus.txt.

The file is committed, since seeds mean something only with the same corpus.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import TopicPartition as AiokafkaPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin import NewTopic as AiokafkaTopic
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
)
from kafka import KafkaConsumer, KafkaProducer
from kafka import TopicPartition as KafkaPythonPartition
from kafka.admin import KafkaAdminClient
from kafka.admin import NewTopic as KafkaPythonTopic

from tests.fuzz.corpus import FILE
from tests.fuzz.mutating import HEAD
from tests.fuzz.stage import Stage

_KEPT: Final = 3
"""Requests of each version of each API that are kept of each client library, of different sizes."""
_CODECS: Final = ("none", "gzip", "snappy", "lz4", "zstd")
_TOPICS: Final = ("plain", "compacted", "append-time", "bounded")
_S: Final = 20.0


def main() -> None:
    lines: list[str] = []
    for name, talk in (("librdkafka", _confluent), ("aiokafka", _aiokafka), ("kafka-python", _kafka_python)):
        with tempfile.TemporaryDirectory() as directory:
            record = Path(directory) / "record"
            os.environ["KOV_RECORD"] = str(record)
            with Stage(Path(directory)) as stage:
                talk(stage.address)
            said = record.read_text().split()
        kept = [*_some(said)]
        print(f"{name}: {len(said)} requests, {len(kept)} kept")
        lines += [f"{name} {each}" for each in kept]
    FILE.write_text("\n".join(lines) + "\n")


def _some(said: Iterable[str]) -> Iterable[str]:
    seen: Counter[tuple[int, int]] = Counter()
    sizes: set[tuple[int, int, int]] = set()
    for line in said:
        key, version, _ = HEAD.unpack_from(bytes.fromhex(line))
        if seen[key, version] < _KEPT * (3 if key == 0 else 1) and (key, version, len(line)) not in sizes:
            seen[key, version] += 1
            sizes.add((key, version, len(line)))
            yield line


def _confluent(address: str) -> None:
    for n, codec in enumerate(_CODECS):
        producer = Producer(
            {"bootstrap.servers": address, "compression.codec": codec, "enable.idempotence": n % 2 == 0}
        )
        for topic in _TOPICS:
            producer.produce(topic, b"value" * 20, b"key", headers={"header": b"x"}, partition=n % 2)
        assert producer.flush(_S) == 0
    consumer = Consumer({"bootstrap.servers": address, "group.id": "none", "check.crcs": True})
    consumer.assign([TopicPartition("plain", 0, 0)])
    _until(lambda: consumer.consume(1, 1.0))
    consumer.offsets_for_times([TopicPartition("plain", 0, 1)], timeout=_S)
    consumer.close()
    _confluent_admin(AdminClient({"bootstrap.servers": address}))


def _confluent_admin(admin: AdminClient) -> None:
    topic = ConfigResource(ConfigResource.Type.TOPIC, "made-by-librdkafka")
    retention = ConfigEntry("max.message.bytes", "1000", incremental_operation=AlterConfigOpType.SET)
    changed = ConfigResource(topic.restype, topic.name, incremental_configs=[retention])
    whole = ConfigResource(topic.restype, topic.name, set_config={"max.message.bytes": "2000"})
    admin.list_topics(timeout=_S)
    _settle(admin.create_topics([NewTopic(topic.name, 2, config={"cleanup.policy": "compact"})]))
    _settle(admin.create_partitions([NewPartitions(topic.name, 3)]))
    _settle(admin.describe_configs([topic, ConfigResource(ConfigResource.Type.BROKER, "1")]))
    _settle(admin.incremental_alter_configs([changed]))
    with pytest.deprecated_call():
        _settle(admin.alter_configs([whole]))
    latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    _settle(admin.list_offsets({TopicPartition("plain", 0): latest}))
    for described in (admin.describe_cluster(), admin.list_consumer_groups()):
        with contextlib.suppress(KafkaException):
            described.result(_S)
    _settle(admin.delete_topics([topic.name]))


def _settle(futures: object) -> None:
    """Whatever comes of them: the requests matter."""
    assert isinstance(futures, dict)
    for future in futures.values():
        with contextlib.suppress(KafkaException):
            future.result(_S)


def _until(condition: Callable[[], object]) -> None:
    for _ in range(20):
        if condition():
            return
    raise AssertionError("a client read nothing")


def _aiokafka(address: str) -> None:
    asyncio.run(asyncio.wait_for(_aiokafka_talks(address), 3 * _S))


async def _aiokafka_talks(address: str) -> None:
    for codec in (None, *_CODECS[1:]):
        async with AIOKafkaProducer(
            bootstrap_servers=address, compression_type=codec, enable_idempotence=codec is None
        ) as producer:
            for topic in _TOPICS:
                await producer.send_and_wait(topic, b"value" * 20, b"key", headers=[("header", b"x")])
    place = AiokafkaPartition("plain", 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=address, isolation_level="read_committed")
    await consumer.start()
    consumer.assign([place])
    await consumer.seek_to_beginning(place)
    await consumer.getmany(timeout_ms=500)
    await consumer.offsets_for_times({place: 1})
    await consumer.stop()
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    await admin.create_topics([AiokafkaTopic("made-by-aiokafka", 2, 1)])
    await admin.describe_cluster()
    await admin.list_topics()
    await admin.delete_topics(["made-by-aiokafka"])
    await admin.close()


def _kafka_python(address: str) -> None:
    for codec in (None, *_CODECS[1:]):
        producer = KafkaProducer(
            bootstrap_servers=address, compression_type=codec, enable_idempotence=codec is None
        )
        for topic in _TOPICS:
            producer.send(topic, b"value" * 20, b"key", headers=[("header", b"x")]).get(_S)
        producer.close()
    place = KafkaPythonPartition("plain", 0)
    consumer = KafkaConsumer(bootstrap_servers=address)
    consumer.assign([place])
    consumer.seek_to_beginning(place)
    consumer.poll(500)
    consumer.offsets_for_times({place: 1})
    consumer.close()
    admin = KafkaAdminClient(bootstrap_servers=address)
    admin.create_topics([KafkaPythonTopic("made-by-kafka-python", 2, 1)])
    admin.describe_cluster()
    admin.list_topics()
    admin.describe_topics(["plain"])
    admin.delete_topics(["made-by-kafka-python"])
    admin.close()


if __name__ == "__main__":
    main()
