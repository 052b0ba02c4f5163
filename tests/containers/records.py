"""A few records there and back with aiokafka."""

from __future__ import annotations

from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import TopicPartition


async def produced(bootstrap_servers: str, topic: str, values: Sequence[bytes]) -> list[int]:
    """Their offsets in partition 0."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap_servers, enable_idempotence=True) as producer:
        sent = [await producer.send(topic, value, partition=0) for value in values]
        return [(await each).offset for each in sent]


async def consumed(bootstrap_servers: str, topic: str, count: int) -> list[bytes]:
    """The first ones of partition 0."""
    async with AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers, auto_offset_reset="earliest"
    ) as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        return [(await consumer.getone()).value for _ in range(count)]
