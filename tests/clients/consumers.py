"""Reading a topic back by offset through Kafka: partitions are assigned, there are no groups."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as AioTopicPartition
from confluent_kafka import Consumer, KafkaException, TopicPartition

from tests.clients.records import Contents, Stored

_TIMEOUT_S = 30.0


async def read_with_aiokafka(bootstrap: str, topic: str, since: Mapping[int, int]) -> list[Stored]:
    """All records of the partitions in `since`, each from its offset there to its end."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False, auto_offset_reset="none"
    )
    await consumer.start()
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            return await _drain_aiokafka(consumer, topic, since)
    finally:
        await consumer.stop()


async def _drain_aiokafka(consumer: Any, topic: str, since: Mapping[int, int]) -> list[Stored]:
    places = [AioTopicPartition(topic, partition) for partition in since]
    consumer.assign(places)
    for place in places:
        consumer.seek(place, since[place.partition])
    ends = await consumer.end_offsets(places)
    behind = {place for place in places if since[place.partition] < ends[place]}
    found: list[Stored] = []
    while behind:
        for place, messages in (await consumer.getmany(*behind, timeout_ms=1000)).items():
            found += [_from_aiokafka(message) for message in messages]
            if messages[-1].offset + 1 >= ends[place]:
                behind.discard(place)
    return found


def _from_aiokafka(message: Any) -> Stored:
    contents = Contents(message.key, message.value, tuple(message.headers), message.timestamp)
    return Stored(message.partition, message.offset, contents)


async def ends(bootstrap: str, topic: str, partitions: Iterable[int]) -> dict[int, int]:
    """The offset after the last record, by partition."""
    return await asyncio.to_thread(_ends, bootstrap, topic, partitions)


def _ends(bootstrap: str, topic: str, partitions: Iterable[int]) -> dict[int, int]:
    with closing(confluent_consumer(bootstrap)) as consumer:
        return {partition: _end(consumer, topic, partition) for partition in partitions}


async def read_with_confluent(bootstrap: str, topic: str, since: Mapping[int, int]) -> list[Stored]:
    """All records of the partitions in `since`, each from its offset there to its end."""
    return await asyncio.to_thread(_read_with_confluent, bootstrap, topic, since)


def _read_with_confluent(bootstrap: str, topic: str, since: Mapping[int, int]) -> list[Stored]:
    with closing(confluent_consumer(bootstrap)) as consumer:
        ends = {p: _end(consumer, topic, p) for p in since}
        wanted = sum(ends[p] - since[p] for p in since)
        consumer.assign([TopicPartition(topic, p, since[p]) for p in since])
        found: list[Stored] = []
        while len(found) < wanted:
            # It waits until it has as many as it was asked for.
            messages = consumer.consume(min(wanted - len(found), 1000), timeout=_TIMEOUT_S)
            assert messages, f"nothing came any more: {len(found)} records of {wanted} up to {ends}"
            found += [_from_confluent(message) for message in messages]
        return found


def confluent_consumer(bootstrap: str) -> Any:
    """The library asks for a group id even where no group is used."""
    return Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "unused",
            "auto.offset.reset": "error",
        }
    )


def _end(consumer: Any, topic: str, partition: int) -> int:
    _, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_TIMEOUT_S)
    return int(end)


def _from_confluent(message: Any) -> Stored:
    if message.error() is not None:
        raise KafkaException(message.error())
    _, timestamp_ms = message.timestamp()
    contents = Contents(message.key(), message.value(), tuple(message.headers() or ()), timestamp_ms)
    return Stored(message.partition(), message.offset(), contents)
