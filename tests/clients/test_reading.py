"""Reading by position: where a consumer with assigned partitions may begin, and what it then gets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as AioTopicPartition
from aiokafka.errors import OffsetOutOfRangeError
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from kafka import KafkaConsumer
from kafka import TopicPartition as KafkaPythonPartition

from tests.clients.consumers import confluent_consumer, read_with_aiokafka, read_with_confluent
from tests.clients.producers import DRIVERS
from tests.clients.records import records
from tests.clients.scenario import Scenario
from tests.clients.stage import Stage

_TIMEOUT_S = 10.0


@asynccontextmanager
async def _aiokafka_consumer(bootstrap: str) -> AsyncIterator[Any]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None, auto_offset_reset="none")
    await consumer.start()
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            yield consumer
    finally:
        await consumer.stop()


async def _filled(stage: Stage, count: int) -> str:
    topic = stage.topic()
    scenario = Scenario(library="confluent", codec="lz4")
    await DRIVERS["confluent"](stage.bootstrap, topic, records("p", count), scenario)
    return topic


@pytest.mark.parametrize("read", [read_with_aiokafka, read_with_confluent])
async def test_reading_from_the_middle_of_a_batch_begins_at_that_offset(stage: Stage, read: Any) -> None:
    topic = await _filled(stage, 50)
    found = await read(stage.bootstrap, topic, {0: 37})
    assert [each.offset for each in found] == list(range(37, 50))
    assert [each.contents.identity.number for each in found] == list(range(37, 50))


async def test_aiokafka_finds_beginning_end_and_times(stage: Stage) -> None:
    topic = await _filled(stage, 30)
    place = AioTopicPartition(topic, 0)
    timestamp_ms = records("p", 30)[12].contents.timestamp_ms
    async with _aiokafka_consumer(stage.bootstrap) as consumer:
        assert await consumer.beginning_offsets([place]) == {place: 0}
        assert await consumer.end_offsets([place]) == {place: 30}
        found = (await consumer.offsets_for_times({place: timestamp_ms}))[place]
        assert found is not None
        assert found.offset <= 12
        assert (await consumer.offsets_for_times({place: timestamp_ms + 1_000_000}))[place] is None


async def test_confluent_finds_beginning_end_and_times(stage: Stage) -> None:
    topic = await _filled(stage, 30)
    timestamp_ms = records("p", 30)[12].contents.timestamp_ms

    def look() -> None:
        with closing(confluent_consumer(stage.bootstrap)) as consumer:
            assert consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=_TIMEOUT_S) == (0, 30)
            (found,) = consumer.offsets_for_times(
                [TopicPartition(topic, 0, timestamp_ms)], timeout=_TIMEOUT_S
            )
            assert 0 <= found.offset <= 12

    await asyncio.to_thread(look)


async def test_confluent_with_default_settings_commits_and_closes_at_once(stage: Stage) -> None:
    """It commits by itself when it closes: it took 45 s where no coordinator was to be found."""
    topic = await _filled(stage, 3)

    def look() -> None:
        consumer = Consumer({"bootstrap.servers": stage.bootstrap, "group.id": "group"})
        consumer.assign([TopicPartition(topic, 0, 0)])
        found = consumer.consume(3, _TIMEOUT_S)
        assert [(message.error(), message.offset()) for message in found] == [(None, 0), (None, 1), (None, 2)]
        with pytest.raises(KafkaException) as refused:
            consumer.commit(asynchronous=False)
        assert refused.value.args[0].code() == KafkaError.GROUP_AUTHORIZATION_FAILED
        consumer.close()

    async with asyncio.timeout(_TIMEOUT_S):
        await asyncio.to_thread(look)


async def test_kafka_python_reads_assigned_partitions_with_a_group_too(stage: Stage) -> None:
    topic = await _filled(stage, 3)
    place = KafkaPythonPartition(topic, 0)

    def look() -> None:
        with closing(KafkaConsumer(bootstrap_servers=stage.bootstrap, group_id="group")) as consumer:
            consumer.assign([place])
            consumer.seek(place, 0)
            found = consumer.poll(timeout_ms=1000 * _TIMEOUT_S)
            assert [record.offset for record in found[place]] == [0, 1, 2]

    async with asyncio.timeout(2 * _TIMEOUT_S):
        await asyncio.to_thread(look)


async def test_a_waiting_fetch_sees_a_record_as_soon_as_it_is_written(stage: Stage) -> None:
    topic = await _filled(stage, 1)
    place = AioTopicPartition(topic, 0)
    async with _aiokafka_consumer(stage.bootstrap) as consumer:
        consumer.assign([place])
        consumer.seek(place, 1)
        waiting = asyncio.ensure_future(consumer.getone(place))
        assert not (await asyncio.wait([waiting], timeout=0.2))[0], "there was nothing to read yet"
        await DRIVERS["aiokafka"](stage.bootstrap, topic, records("q", 1), Scenario(library="aiokafka"))
        assert (await waiting).offset == 1


async def test_an_offset_above_the_end_is_out_of_range(stage: Stage) -> None:
    topic = await _filled(stage, 3)
    place = AioTopicPartition(topic, 0)
    async with _aiokafka_consumer(stage.bootstrap) as consumer:
        consumer.assign([place])
        consumer.seek(place, 4)
        with pytest.raises(OffsetOutOfRangeError):
            await consumer.getone(place)
