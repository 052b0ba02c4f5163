"""The driver of aiokafka."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import for_code
from contract import Task, Tasks, data, failure, headers, serve, stored, wanted

_WAIT_S = 40.0
_TOLD_NOTHING = {"partition": -1, "offset": -1}
_loop = asyncio.new_event_loop()
_producers: list[AIOKafkaProducer] = []


def code_of(error: BaseException) -> int | None:
    code = getattr(error, "errno", None)
    return code if isinstance(code, int) and code > 0 else None


async def open_producer(task: Task) -> None:
    codec = task["codec"]
    producer = AIOKafkaProducer(
        bootstrap_servers=task["bootstrap"],
        enable_idempotence=task["idempotent"],
        acks="all" if task["acks"] == -1 else task["acks"],
        compression_type=None if codec == "none" else codec,
        linger_ms=task["linger_ms"],
        max_batch_size=task["batch_bytes"],
        max_request_size=task["request_bytes"],
        request_timeout_ms=task["timeout_ms"],
    )
    _producers.append(producer)
    await producer.start()


async def send(task: Task) -> Any:
    told = await asyncio.gather(*[await _sent(task["topic"], record) for record in task["records"]])
    return {"told": told}


async def _sent(topic: str, record: Any) -> asyncio.Task[Any]:
    try:
        answer: Any = await _producers[-1].send(
            topic,
            key=data(record["key"]),
            value=data(record["value"]),
            partition=record["partition"],
            timestamp_ms=record["timestamp"],
            headers=headers(record),
        )
    except Exception as error:  # whatever the library raises is its answer
        answer = _raise(error)
    return asyncio.ensure_future(_told(answer))


async def _raise(error: Exception) -> Any:
    raise error


async def _told(answer: Awaitable[Any]) -> Any:
    try:
        metadata = await answer
    except Exception as error:  # whatever the library raises is its answer
        return {"error": failure(error, code_of)}
    return {"partition": metadata.partition, "offset": metadata.offset} if metadata else _TOLD_NOTHING


async def close(_: Task) -> None:
    await _producers.pop().stop()


async def read(task: Task) -> Any:
    places = {TopicPartition(task["topic"], each): bounds for each, bounds in wanted(task).items()}
    found: list[Any] = []
    async with asyncio.timeout(_WAIT_S), _consumer(task) as consumer:
        consumer.assign(list(places))
        for place, (since, _) in places.items():
            consumer.seek(place, since)
        while len(found) < sum(end - since for since, end in places.values()):
            found += [
                stored(each.partition, each.offset, each.timestamp, each.key, each.value, each.headers)
                for messages in (await consumer.getmany(timeout_ms=500)).values()
                for each in messages
            ]
    return {"records": found}


def _consumer(task: Task, *topics: str, group: str | None = None) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        *topics,
        bootstrap_servers=task["bootstrap"],
        group_id=group,
        auto_offset_reset="none" if group is None else "latest",
    )


async def transact(task: Task) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=task["bootstrap"], transactional_id="transaction")
    try:
        await producer.start()
    finally:
        await producer.stop()


async def join(task: Task) -> None:
    consumer = _consumer(task, task["topic"], group="group")
    try:
        await consumer.start()
    finally:
        await consumer.stop()


def admin(do: Callable[[AIOKafkaAdminClient, Task], Awaitable[Any]]) -> Callable[[Task], Awaitable[Any]]:
    async def run(task: Task) -> Any:
        client = AIOKafkaAdminClient(bootstrap_servers=task["bootstrap"])
        await client.start()
        try:
            return await do(client, task)
        finally:
            await client.close()

    return run


def _check(code: int, message: str | None = None) -> None:
    if code:
        raise for_code(code)(message)


async def create(client: AIOKafkaAdminClient, task: Task) -> None:
    topic = NewTopic(task["topic"], task["partitions"], 1, topic_configs=task["configs"])
    answer = await client.create_topics([topic])
    for _, code, *message in answer.topic_errors:
        _check(code, *message[:1])


async def describe(client: AIOKafkaAdminClient, task: Task) -> Any:
    (topic,) = await client.describe_topics([task["topic"]])
    _check(topic["error_code"])
    return {"partitions": len(topic["partitions"])}


async def topics(client: AIOKafkaAdminClient, _: Task) -> Any:
    return {"names": await client.list_topics()}


async def grow(client: AIOKafkaAdminClient, task: Task) -> None:
    answer = await client.create_partitions({task["topic"]: NewPartitions(task["partitions"])})
    for _, code, *message in answer.topic_errors:
        _check(code, *message[:1])


async def delete(client: AIOKafkaAdminClient, task: Task) -> None:
    answer = await client.delete_topics([task["topic"]])
    for _, code, *_message in answer.topic_error_codes:
        _check(code)


async def configs(client: AIOKafkaAdminClient, task: Task) -> Any:
    (answer,) = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, task["topic"])])
    ((code, message, _, _, entries),) = answer.resources
    _check(code, message)
    return {"configs": {entry[0]: entry[1] for entry in entries}}


async def alter(client: AIOKafkaAdminClient, task: Task) -> None:
    resource = ConfigResource(ConfigResourceType.TOPIC, task["topic"], task["configs"])
    (answer,) = await client.alter_configs([resource])
    for code, message, *_ in answer.resources:
        _check(code, message)


async def offsets(task: Task) -> Any:
    places = [TopicPartition(task["topic"], each) for each in range(task["partitions"])]
    async with _consumer(task) as consumer:
        if task["at"] == -2:
            found = await consumer.beginning_offsets(places)
        elif task["at"] == -1:
            found = await consumer.end_offsets(places)
        else:
            times = await consumer.offsets_for_times(dict.fromkeys(places, task["at"]))
            found = {place: each.offset if each else -1 for place, each in times.items()}
    return {"offsets": {place.partition: offset for place, offset in found.items()}}


async def cluster(client: AIOKafkaAdminClient, _: Task) -> Any:
    described = await client.describe_cluster()
    return {"cluster_id": described["cluster_id"], "nodes": len(described["brokers"])}


def _run(do: Callable[[Task], Awaitable[Any]]) -> Callable[[Task], Any]:
    return lambda task: _loop.run_until_complete(do(task))


TASKS: Tasks = {
    "open": _run(open_producer),
    "send": _run(send),
    "close": _run(close),
    "read": _run(read),
    "transact": _run(transact),
    "join": _run(join),
    "offsets": _run(offsets),
    **{
        each.__name__: _run(admin(each))
        for each in (create, describe, topics, grow, delete, configs, alter, cluster)
    },
}

if __name__ == "__main__":
    serve("aiokafka", TASKS, code_of)
