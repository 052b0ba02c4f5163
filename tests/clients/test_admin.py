"""What administrators do, through the three Python libraries, as they would with Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import aiokafka.admin
import kafka.admin
import kafka.errors
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from confluent_kafka import KafkaError, KafkaException, Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
)
from kafka.admin import KafkaAdminClient

from tests.clients.stage import Stage


def test_confluents_admin_client(stage: Stage, new_topic: Callable[[], str]) -> None:
    admin, name = AdminClient({"bootstrap.servers": stage.bootstrap}), new_topic()
    admin.create_topics([NewTopic(name, 2, 1, config={"flush.ms": "7"})])[name].result()
    with pytest.raises(KafkaException) as refused:
        admin.create_topics([NewTopic(name, 2, 1)])[name].result()
    assert refused.value.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS

    admin.create_partitions([NewPartitions(name, 3)])[name].result()
    change = ConfigEntry("max.message.bytes", "1000", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, name, incremental_configs=[change])
    admin.incremental_alter_configs([resource])[resource].result()
    (configs,) = [each.result() for each in admin.describe_configs([resource]).values()]
    assert {key: configs[key].value for key in ("flush.ms", "max.message.bytes", "retention.ms")} == {
        "flush.ms": "7",
        "max.message.bytes": "1000",
        "retention.ms": "-1",
    }

    producer = Producer({"bootstrap.servers": stage.bootstrap})
    producer.produce(name, b"x", partition=0, timestamp=1_700_000_000_000)
    assert producer.flush(10) == 0
    place = TopicPartition(name, 0)
    for wanted, offset in (
        (OffsetSpec.latest(), 1),  # type: ignore[no-untyped-call]
        (OffsetSpec.earliest(), 0),  # type: ignore[no-untyped-call]
        (OffsetSpec.max_timestamp(), 0),  # type: ignore[no-untyped-call]
        (OffsetSpec.for_timestamp(1_600_000_000_000), 0),
        (OffsetSpec.for_timestamp(1_800_000_000_000), -1),
    ):
        assert admin.list_offsets({place: wanted})[place].result().offset == offset

    (described,) = [each.result() for each in admin.describe_topics(TopicCollection([name])).values()]
    assert [part.id for part in described.partitions] == [0, 1, 2]
    cluster = admin.describe_cluster().result()
    assert [node.id for node in cluster.nodes] == [cluster.controller.id]

    admin.delete_topics([name])[name].result()
    assert name not in admin.list_topics(timeout=10).topics


async def test_aiokafkas_admin_client(stage: Stage, new_topic: Callable[[], str]) -> None:
    name = new_topic()
    admin = AIOKafkaAdminClient(bootstrap_servers=stage.bootstrap)
    await admin.start()
    try:
        topic = aiokafka.admin.NewTopic(name, 2, 1, topic_configs={"flush.ms": "7"})
        made = await admin.create_topics([topic])
        assert [error for _, error, *_ in made.topic_errors] == [0]
        await admin.create_partitions({name: aiokafka.admin.NewPartitions(3)})
        resource = aiokafka.admin.config_resource.ConfigResource(
            aiokafka.admin.config_resource.ConfigResourceType.TOPIC, name, {"flush.ms": "8"}
        )
        await admin.alter_configs([resource])
        (answer,) = await admin.describe_configs([resource])
        ((_, _, _, _, configs),) = answer.resources
        assert {each[0]: each[1] for each in configs}["flush.ms"] == "8"
        (described,) = await admin.describe_topics([name])
        assert len(described["partitions"]) == 3
        assert name in await admin.list_topics()
        await admin.delete_topics([name])
        assert name not in await admin.list_topics()
    finally:
        await admin.close()


def _with_kafka_python(bootstrap: str, name: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        admin.create_topics([kafka.admin.NewTopic(name, 2, 1, topic_configs={"flush.ms": "7"})])
        with pytest.raises(kafka.errors.TopicAlreadyExistsError):
            admin.create_topics([kafka.admin.NewTopic(name, 2, 1)])
        admin.create_partitions({name: 3})
        (described,) = admin.describe_topics([name])
        assert len(described["partitions"]) == 3
        resource = kafka.admin.ConfigResource("TOPIC", name)
        told = admin.describe_configs([resource])  # but for defaults
        assert told["topic"][name]["flush.ms"]["value"] == "7"
        assert len(admin.describe_cluster()["brokers"]) == 1
        assert admin.list_groups() == []
        assert admin.describe_log_dirs()
        admin.delete_topics([name])
        assert name not in admin.list_topics()
    finally:
        admin.close()


async def test_kafka_pythons_admin_client(stage: Stage, new_topic: Callable[[], str]) -> None:
    await asyncio.to_thread(_with_kafka_python, stage.bootstrap, new_topic())
