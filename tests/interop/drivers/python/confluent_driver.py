"""The driver of confluent-kafka."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)
from contract import Task, Tasks, data, failure, headers, serve, stored, wanted

_WAIT_S = 40.0
_CLIENT_CHOOSES = -1
_producers: list[Producer] = []
_admins: list[Any] = []


def code_of(error: BaseException) -> int | None:
    """Negative ones are librdkafka's own."""
    said = error.args[0] if error.args else None
    if not isinstance(said, KafkaError):
        return None
    return said.code() if said.code() > 0 else None


def open_producer(task: Task) -> None:
    settings = {
        "bootstrap.servers": task["bootstrap"],
        "enable.idempotence": task["idempotent"],
        "acks": task["acks"],
        "compression.type": task["codec"],
        "linger.ms": task["linger_ms"],
        "batch.size": task["batch_bytes"],
        "message.max.bytes": task["request_bytes"],
        "delivery.timeout.ms": task["timeout_ms"],
        "reconnect.backoff.max.ms": 500,
        "log_level": 2,
    }
    _producers.append(Producer(settings))


def send(task: Task) -> Any:
    producer = _producers[-1]
    told: list[Any] = [None] * len(task["records"])
    for number, record in enumerate(task["records"]):
        try:
            _send_one(producer, task["topic"], record, _teller(told, number))
        except KafkaException as error:
            told[number] = {"error": failure(error, code_of)}
    _wait(producer, told)
    return {"told": told}


def _wait(producer: Producer, told: list[Any]) -> None:
    """Not by `flush`: it ends lingering, also in the middle of what waited for the topic's metadata."""
    deadline = time.monotonic() + _WAIT_S
    while None in told and time.monotonic() < deadline:
        producer.poll(0.1)


def _send_one(producer: Producer, topic: str, record: Any, tell: Callable[[Any, Any], None]) -> None:
    producer.produce(
        topic,
        key=data(record["key"]),
        value=data(record["value"]),
        headers=headers(record),
        timestamp=record["timestamp"],
        partition=_CLIENT_CHOOSES if record["partition"] is None else record["partition"],
        on_delivery=tell,
    )
    producer.poll(0)


def _teller(told: list[Any], number: int) -> Callable[[Any, Any], None]:
    def tell(error: Any, message: Any) -> None:
        if error is not None:
            told[number] = {"error": failure(KafkaException(error), code_of)}
        else:
            told[number] = {"partition": message.partition(), "offset": message.offset()}

    return tell


def close(_: Task) -> None:
    _producers.pop().flush(_WAIT_S)


def _consumer(task: Task) -> Consumer:
    settings = {
        "bootstrap.servers": task["bootstrap"],
        "group.id": "group",
        "auto.offset.reset": "error",
        "log_level": 2,
    }
    return Consumer(settings)


def read(task: Task) -> Any:
    places = wanted(task)
    count = sum(end - since for since, end in places.values())
    found: list[Any] = []
    deadline = time.monotonic() + _WAIT_S
    with closing(_consumer(task)) as consumer:
        consumer.assign([TopicPartition(task["topic"], each, since) for each, (since, _) in places.items()])
        while len(found) < count and time.monotonic() < deadline:
            message = consumer.poll(1.0)
            if message is not None:
                found.append(_stored(message))
    return {"records": found}


def _stored(message: Any) -> Any:
    if message.error() is not None:
        raise KafkaException(message.error())
    _, timestamp = message.timestamp()
    return stored(
        message.partition(), message.offset(), timestamp, message.key(), message.value(), message.headers()
    )


def transact(task: Task) -> None:
    producer = Producer(
        {"bootstrap.servers": task["bootstrap"], "transactional.id": "transaction", "log_level": 2}
    )
    producer.init_transactions(_WAIT_S)


def join(task: Task) -> None:
    with closing(_consumer(task)) as consumer:
        consumer.subscribe([task["topic"]])
        message = consumer.poll(_WAIT_S)
        if message is not None and message.error() is not None:
            raise KafkaException(message.error())


def _admin(task: Task) -> Any:
    """Kept: a client that nobody holds fails what it was asked."""
    _admins[:] = [AdminClient({"bootstrap.servers": task["bootstrap"], "log_level": 2})]
    return _admins[0]


def _done(futures: Any) -> Any:
    (result,) = [each.result(_WAIT_S) for each in futures.values()]
    return result


def create(task: Task) -> None:
    _done(_admin(task).create_topics([NewTopic(task["topic"], task["partitions"], config=task["configs"])]))


def describe(task: Task) -> Any:
    topic = _admin(task).list_topics(task["topic"], timeout=_WAIT_S).topics[task["topic"]]
    if topic.error is not None:
        raise KafkaException(topic.error)
    return {"partitions": len(topic.partitions)}


def topics(task: Task) -> Any:
    return {"names": list(_admin(task).list_topics(timeout=_WAIT_S).topics)}


def grow(task: Task) -> None:
    _done(_admin(task).create_partitions([NewPartitions(task["topic"], task["partitions"])]))


def delete(task: Task) -> None:
    _done(_admin(task).delete_topics([task["topic"]]))


def configs(task: Task) -> Any:
    entries = _done(_admin(task).describe_configs([ConfigResource(ResourceType.TOPIC, task["topic"])]))
    return {"configs": {name: entry.value for name, entry in entries.items()}}


def alter(task: Task) -> None:
    changes = [
        ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        for name, value in task["configs"].items()
    ]
    resource = ConfigResource(ResourceType.TOPIC, task["topic"], incremental_configs=changes)
    _done(_admin(task).incremental_alter_configs([resource]))


def offsets(task: Task) -> Any:
    specs: Any = {-1: OffsetSpec.latest, -2: OffsetSpec.earliest}
    spec = specs[task["at"]]() if task["at"] in specs else OffsetSpec.for_timestamp(task["at"])
    asked = {TopicPartition(task["topic"], each): spec for each in range(task["partitions"])}
    answers = _admin(task).list_offsets(
        asked, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=_WAIT_S
    )
    return {"offsets": {place.partition: each.result(_WAIT_S).offset for place, each in answers.items()}}


def cluster(task: Task) -> Any:
    described = _admin(task).describe_cluster().result(_WAIT_S)
    return {"cluster_id": described.cluster_id, "nodes": len(described.nodes)}


TASKS: Tasks = {
    "open": open_producer,
    **{
        each.__name__: each
        for each in (
            send, close, read, transact, join,
            create, describe, topics, grow, delete, configs, alter, offsets, cluster,
        )
    },
}  # fmt: skip

if __name__ == "__main__":
    serve("confluent-kafka", TASKS, code_of)
