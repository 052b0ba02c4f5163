"""The driver of kafka-python."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import kafka
from contract import Task, Tasks, data, failure, headers, serve, stored, wanted
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions, NewTopic

_WAIT_S = 40.0
_OLD = kafka.__version__.startswith("2.0.")
_producers: list[Any] = []


def code_of(error: BaseException) -> int | None:
    code = getattr(error, "errno", None)
    return code if isinstance(code, int) and code > 0 else None


def open_producer(task: Task) -> None:
    codec = task["codec"]
    settings = {
        "acks": "all" if task["acks"] == -1 else task["acks"],
        "compression_type": None if codec == "none" else codec,
        "linger_ms": task["linger_ms"],
        "batch_size": task["batch_bytes"],
        "max_request_size": task["request_bytes"],
        "request_timeout_ms": task["timeout_ms"],
        "max_block_ms": task["timeout_ms"],
        "reconnect_backoff_max_ms": 500,
        "retries": 50,
    }
    if not _OLD:
        settings["enable_idempotence"] = task["idempotent"]
    _producers.append(KafkaProducer(bootstrap_servers=task["bootstrap"], **settings))


def send(task: Task) -> Any:
    producer = _producers[-1]
    sends = [_sent(producer, task["topic"], record) for record in task["records"]]
    producer.flush(timeout=_WAIT_S)
    return {"told": [_told(each) for each in sends]}


def _sent(producer: Any, topic: str, record: Any) -> Callable[[], Any]:
    try:
        future = producer.send(
            topic,
            key=data(record["key"]),
            value=data(record["value"]),
            partition=record["partition"],
            timestamp_ms=record["timestamp"],
            headers=headers(record),
        )
    except Exception as error:  # whatever the library raises is its answer
        return _raising(error)
    return lambda: future.get(timeout=_WAIT_S)


def _raising(error: Exception) -> Callable[[], Any]:
    def get() -> Any:
        raise error

    return get


def _told(get: Callable[[], Any]) -> Any:
    try:
        metadata = get()
    except Exception as error:  # whatever the library raises is its answer
        return {"error": failure(error, code_of)}
    return {"partition": metadata.partition, "offset": metadata.offset}


def close(_: Task) -> None:
    _producers.pop().close(timeout=_WAIT_S)


def _consumer(task: Task, *topics: str, group: str | None = None) -> Any:
    return KafkaConsumer(*topics, bootstrap_servers=task["bootstrap"], group_id=group)


def read(task: Task) -> Any:
    places = {TopicPartition(task["topic"], each): bounds for each, bounds in wanted(task).items()}
    count = sum(end - since for since, end in places.values())
    found: list[Any] = []
    deadline = time.monotonic() + _WAIT_S
    with closing(_consumer(task)) as consumer:
        consumer.assign(list(places))
        for place, (since, _) in places.items():
            consumer.seek(place, since)
        while len(found) < count and time.monotonic() < deadline:
            found += [
                stored(each.partition, each.offset, each.timestamp, each.key, each.value, each.headers)
                for messages in consumer.poll(timeout_ms=500).values()
                for each in messages
            ]
    return {"records": found}


def transact(task: Task) -> None:
    producer = KafkaProducer(bootstrap_servers=task["bootstrap"], transactional_id="transaction")
    try:
        producer.init_transactions()
    finally:
        producer.close(timeout=0)


def join(task: Task) -> None:
    consumer = _consumer(task, task["topic"], group="group")
    try:
        consumer.poll(timeout_ms=1000 * _WAIT_S)
    finally:
        consumer.close(autocommit=False)


def admin(do: Callable[[Any, Task], Any]) -> Callable[[Task], Any]:
    def run(task: Task) -> Any:
        with closing(KafkaAdminClient(bootstrap_servers=task["bootstrap"])) as client:
            return do(client, task)

    return run


def create(client: Any, task: Task) -> None:
    client.create_topics([NewTopic(task["topic"], task["partitions"], 1, topic_configs=task["configs"])])


def describe(client: Any, task: Task) -> Any:
    (topic,) = client.describe_topics([task["topic"]])
    return {"partitions": len(topic["partitions"])}


def topics(client: Any, _: Task) -> Any:
    return {"names": list(client.list_topics())}


def grow(client: Any, task: Task) -> None:
    client.create_partitions({task["topic"]: NewPartitions(task["partitions"])})


def delete(client: Any, task: Task) -> None:
    client.delete_topics([task["topic"]])


def configs(client: Any, task: Task) -> Any:
    everything = {} if _OLD else {"config_filter": "all"}
    resource = ConfigResource(ConfigResourceType.TOPIC, task["topic"])
    described = client.describe_configs([resource], **everything)
    return {"configs": _values(described, task["topic"])}


def _values(described: Any, topic: str) -> dict[str, Any]:
    if not _OLD:
        found = described["topic"][topic] if "topic" in described else described[topic]
        return {name: each["value"] if isinstance(each, dict) else each for name, each in found.items()}
    ((_, _, _, _, entries),) = described[0].resources
    return {entry[0]: entry[1] for entry in entries}


def alter(client: Any, task: Task) -> None:
    client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, task["topic"], task["configs"])])


def offsets(task: Task) -> Any:
    places = [TopicPartition(task["topic"], each) for each in range(task["partitions"])]
    with closing(_consumer(task)) as consumer:
        if task["at"] == -2:
            found = consumer.beginning_offsets(places)
        elif task["at"] == -1:
            found = consumer.end_offsets(places)
        else:
            times = consumer.offsets_for_times(dict.fromkeys(places, task["at"]))
            found = {place: each.offset if each else -1 for place, each in times.items()}
    return {"offsets": {place.partition: offset for place, offset in found.items()}}


def cluster(client: Any, _: Task) -> Any:
    described = client.describe_cluster()
    return {"cluster_id": described["cluster_id"], "nodes": len(described["brokers"])}


TASKS: Tasks = {
    "open": open_producer,
    "send": send,
    "close": close,
    "read": read,
    "transact": transact,
    "join": join,
    "offsets": offsets,
    **{
        each.__name__: admin(each)
        for each in (create, describe, topics, grow, delete, configs, alter, cluster)
    },
}

if __name__ == "__main__":
    serve("kafka-python", TASKS, code_of)
