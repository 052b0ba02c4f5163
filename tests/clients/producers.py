"""One driver per Python client library: the same scenario in, the same deliveries out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from confluent_kafka import KafkaException, Producer
from kafka import KafkaProducer

from tests.clients.records import Delivery, Record
from tests.clients.scenario import CLIENT_LIMIT_BYTES, Library, Produce, Scenario

_TIMEOUT_S = 40.0
_LINGER_MS = 5

CLIENT_CHOOSES = -1
"""As librdkafka's partition."""


async def produce_with_aiokafka(
    bootstrap: str, topic: str, records: Sequence[Record], scenario: Scenario
) -> list[Delivery | None]:
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        enable_idempotence=scenario.idempotent,
        acks=scenario.acks if scenario.acks == "all" else int(scenario.acks),
        compression_type=None if scenario.codec == "none" else scenario.codec,
        linger_ms=_LINGER_MS,
        max_request_size=CLIENT_LIMIT_BYTES,
    )
    await producer.start()
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            sends = [await producer.send(topic, **_as_keywords(record)) for record in records]
            metas = await asyncio.gather(*sends)
    finally:
        await producer.stop()
    # With acks=0 there are no metas.
    return [_delivery(scenario, meta.partition, meta.offset) if meta else None for meta in metas]


async def produce_with_kafka_python(
    bootstrap: str, topic: str, records: Sequence[Record], scenario: Scenario
) -> list[Delivery | None]:
    return await asyncio.to_thread(_kafka_python, bootstrap, topic, records, scenario)


def _kafka_python(
    bootstrap: str, topic: str, records: Sequence[Record], scenario: Scenario
) -> list[Delivery | None]:
    producer = KafkaProducer(
        bootstrap_servers=bootstrap,
        enable_idempotence=scenario.idempotent,
        acks=scenario.acks if scenario.acks == "all" else int(scenario.acks),
        compression_type=None if scenario.codec == "none" else scenario.codec,
        linger_ms=_LINGER_MS,
        max_request_size=CLIENT_LIMIT_BYTES,
    )
    try:
        sends = [producer.send(topic, **_as_keywords(record)) for record in records]
        producer.flush(timeout=_TIMEOUT_S)
        metas = [send.get(timeout=_TIMEOUT_S) for send in sends]
    finally:
        producer.close(timeout=_TIMEOUT_S)
    return [_delivery(scenario, meta.partition, meta.offset) for meta in metas]


async def produce_with_confluent(
    bootstrap: str, topic: str, records: Sequence[Record], scenario: Scenario
) -> list[Delivery | None]:
    return await asyncio.to_thread(_confluent, bootstrap, topic, records, scenario)


def _confluent(
    bootstrap: str, topic: str, records: Sequence[Record], scenario: Scenario
) -> list[Delivery | None]:
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": scenario.idempotent,
            "acks": scenario.acks,
            "compression.type": scenario.codec,
            "linger.ms": _LINGER_MS,
            "message.max.bytes": CLIENT_LIMIT_BYTES,
        }
    )
    told: dict[int, Delivery | None] = {}
    failures: list[KafkaException] = []

    def reporter(number: int) -> Callable[[Any, Any], None]:
        def report(error: Any, message: Any) -> None:
            if error is not None:
                failures.append(KafkaException(error))
            else:
                told[number] = _delivery(scenario, message.partition(), message.offset())

        return report

    for number, record in enumerate(records):
        contents = record.contents
        producer.produce(
            topic,
            value=contents.value,
            key=contents.key,
            headers=list(contents.headers),
            timestamp=contents.timestamp_ms,
            on_delivery=reporter(number),
            partition=CLIENT_CHOOSES if record.partition is None else record.partition,
        )
        producer.poll(0)
    left = producer.flush(_TIMEOUT_S)
    if failures:
        raise failures[0]
    assert left == 0, f"{left} of {len(records)} records got no answer within {_TIMEOUT_S:g} s"
    return [told[number] for number in range(len(records))]


def _as_keywords(record: Record) -> Mapping[str, Any]:
    contents = record.contents
    return {
        "key": contents.key,
        "value": contents.value,
        "headers": list(contents.headers),
        "timestamp_ms": contents.timestamp_ms,
        "partition": record.partition,
    }


def _delivery(scenario: Scenario, partition: int, offset: int) -> Delivery | None:
    return None if scenario.acks == "0" else Delivery(partition, offset)


DRIVERS: dict[Library, Produce] = {
    "aiokafka": produce_with_aiokafka,
    "confluent": produce_with_confluent,
    "kafka-python": produce_with_kafka_python,
}
