"""What kov doesn't serve or take: every client says so at once, in its own words, and kov lives on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

import aiokafka.errors
import confluent_kafka
import kafka.errors
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from kafka import KafkaConsumer, KafkaProducer

from tests.clients.consumers import ends
from tests.clients.producers import DRIVERS
from tests.clients.records import Delivery, sized
from tests.clients.round_trips import TOO_LARGE_VALUE
from tests.clients.scenario import PYTHON_LIBRARIES, Library, Scenario
from tests.clients.stage import Stage

_AT_ONCE_S = 5.0

_TOO_LARGE_ERRORS: Mapping[Library, type[Exception]] = {
    "aiokafka": aiokafka.errors.MessageSizeTooLargeError,
    "confluent": confluent_kafka.KafkaException,
    "kafka-python": kafka.errors.MessageSizeTooLargeError,
}


@pytest.mark.parametrize("library", PYTHON_LIBRARIES)
async def test_too_large_record_is_the_clients_own_error(stage: Stage, library: Library) -> None:
    topic = stage.topic()
    scenario = Scenario(library=library, idempotent=False)
    produce = DRIVERS[library]
    with pytest.raises(_TOO_LARGE_ERRORS[library]) as failure:
        await produce(stage.bootstrap, topic, sized("large", [TOO_LARGE_VALUE]), scenario)
    if library == "confluent":
        assert failure.value.args[0].code() == confluent_kafka.KafkaError.MSG_SIZE_TOO_LARGE
    assert (await ends(stage.bootstrap, topic, [0])) == {0: 0}
    assert await produce(stage.bootstrap, topic, sized("small", [10]), scenario) == [Delivery(0, 0)]


async def _join_with_aiokafka(bootstrap: str, topic: str) -> str:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, group_id="group")
    try:
        with pytest.raises(aiokafka.errors.GroupAuthorizationFailedError) as failure:
            await consumer.start()
        return str(failure.value)
    finally:
        await consumer.stop()


async def _join_with_confluent(bootstrap: str, topic: str) -> str:
    return await asyncio.to_thread(_confluent_join_error, bootstrap, topic)


def _confluent_join_error(bootstrap: str, topic: str) -> str:
    consumer = confluent_kafka.Consumer({"bootstrap.servers": bootstrap, "group.id": "group"})
    try:
        consumer.subscribe([topic])
        message = consumer.poll(_AT_ONCE_S)
        assert message is not None, "no error came"
        error = message.error()
        assert error is not None
        assert error.code() == confluent_kafka.KafkaError.GROUP_AUTHORIZATION_FAILED
        return str(error)
    finally:
        consumer.close()


async def _join_with_kafka_python(bootstrap: str, topic: str) -> str:
    return await asyncio.to_thread(_kafka_python_join_error, bootstrap, topic)


def _kafka_python_join_error(bootstrap: str, topic: str) -> str:
    consumer = KafkaConsumer(topic, bootstrap_servers=bootstrap, group_id="group")
    try:
        with pytest.raises(kafka.errors.GroupAuthorizationFailedError) as failure:
            consumer.poll(timeout_ms=1000 * _AT_ONCE_S)
        return str(failure.value)
    finally:
        consumer.close(autocommit=False)


@pytest.mark.parametrize("join", [_join_with_aiokafka, _join_with_confluent, _join_with_kafka_python])
async def test_joining_a_consumer_group_fails_at_once(
    stage: Stage, join: Callable[[str, str], Awaitable[str]]
) -> None:
    topic = stage.topic()
    await DRIVERS["confluent"](stage.bootstrap, topic, sized("small", [10]), Scenario(library="confluent"))
    begun = time.monotonic()
    said = await join(stage.bootstrap, topic)
    assert time.monotonic() - begun < _AT_ONCE_S
    assert "group" in said.lower()


async def _transact_with_aiokafka(bootstrap: str) -> str:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id="transaction")
    try:
        with pytest.raises(aiokafka.errors.KafkaError) as failure:
            await producer.start()
        return repr(failure.value)
    finally:
        await producer.stop()


async def _transact_with_confluent(bootstrap: str) -> str:
    producer = confluent_kafka.Producer({"bootstrap.servers": bootstrap, "transactional.id": "transaction"})
    with pytest.raises(confluent_kafka.KafkaException) as failure:
        await asyncio.to_thread(producer.init_transactions, 2 * _AT_ONCE_S)
    error = failure.value.args[0]
    assert error.fatal()
    return f"{error.name()}: {error}"


async def _transact_with_kafka_python(bootstrap: str) -> str:
    producer = KafkaProducer(bootstrap_servers=bootstrap, transactional_id="transaction")
    try:
        with pytest.raises(kafka.errors.KafkaError) as failure:
            await asyncio.to_thread(producer.init_transactions)
        return repr(failure.value)
    finally:
        producer.close(timeout=0)


@pytest.mark.parametrize(
    "transact", [_transact_with_aiokafka, _transact_with_confluent, _transact_with_kafka_python]
)
async def test_transactional_producer_fails_at_once(
    stage: Stage, transact: Callable[[str], Awaitable[str]]
) -> None:
    begun = time.monotonic()
    said = await transact(stage.bootstrap)
    assert time.monotonic() - begun < _AT_ONCE_S
    assert "transactional" in said.lower().replace("_", "")
