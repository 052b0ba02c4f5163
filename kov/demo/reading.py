"""The records read back, twice: through Kafka's protocol, and from the log streams without kov's help."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field

from aiokafka.record import MemoryRecords
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from kov.demo.failure import DemoFailed
from kov.demo.finding import Found
from kov.demo.records import Place, Record
from kov.entries import BatchEntry, unpack
from kov.partition.fold import Fold, Meaning
from varlog_client import Log
from varlog_client.errors import VarlogError
from varlog_client.types import LLSN

_PATIENCE_S = 20.0
_AT_ONCE = 1000

Tell = Callable[[int], object]
"""Called with how many more records were read; from any thread."""


@dataclass(slots=True)
class Stream:
    """What one log stream holds: its entries by meaning, and the records of its valid batches."""

    found: Found
    records: dict[Place, Record] = field(default_factory=dict)
    entries: int = 0
    fences: int = 0
    other: int = 0
    size: int = 0


# Through Kafka


async def read_from_kafka(
    bootstrap: str, topic: str, ends: Mapping[int, int], tell: Tell
) -> dict[Place, Record]:
    """All records up to before the `ends` of the partitions, with assigned partitions and without a group."""
    stop = threading.Event()
    try:
        return await asyncio.to_thread(_consume, bootstrap, topic, dict(ends), tell, stop)
    except KafkaException as error:
        raise DemoFailed(f"reading through Kafka: {error}") from error
    finally:
        stop.set()


def _consume(
    bootstrap: str, topic: str, ends: dict[int, int], tell: Tell, stop: threading.Event
) -> dict[Place, Record]:
    settings: dict[str, str | int | float | bool] = {
        "bootstrap.servers": bootstrap,
        "group.id": "not-used",
        "enable.auto.commit": False,
        "log_level": 0,
    }
    found: dict[Place, Record] = {}
    with closing(Consumer(settings)) as consumer:
        consumer.assign([TopicPartition(topic, partition, 0) for partition in ends])
        heard = time.monotonic()
        while ends and not stop.is_set():
            messages = consumer.consume(_AT_ONCE, 0.1)
            before = len(found)
            for message in filter(_is_record, messages):
                place, record = _from_message(message)
                found[place] = record
                if place[1] + 1 >= ends.get(place[0], 0):
                    ends.pop(place[0], None)
            tell(len(found) - before)
            if messages:
                heard = time.monotonic()
            elif time.monotonic() - heard > _PATIENCE_S:
                raise DemoFailed(f"reading through Kafka: nothing came for {_PATIENCE_S:g} s")
    return found


def _is_record(message: Message) -> bool:
    """librdkafka wants a group id, looks for its coordinator in vain, and says so once: no harm done."""
    error = message.error()
    if error is not None and error.code() != KafkaError.GROUP_AUTHORIZATION_FAILED:
        raise KafkaException(error)
    return error is None


def _from_message(message: Message) -> tuple[Place, Record]:
    partition, offset = message.partition(), message.offset()
    assert partition is not None
    assert offset is not None
    sent = message.headers() or []
    named = sent.items() if isinstance(sent, dict) else sent
    headers = tuple((name, _bytes(value)) for name, value in named)
    record = Record(_bytes(message.key()), _bytes(message.value()), headers, message.timestamp()[1])
    return (partition, offset), record


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value


# From the log streams


async def read_from_varlog(log: Log, found: Found, tell: Tell) -> Stream:
    """Every entry of a log stream, folded as kov folds it; void batches count as nothing."""
    stream = Stream(found)
    fold = Fold(found.partition)
    try:
        last = (await log.peek(found.topic_id, found.log_stream_id)).last.llsn
        where = found.topic_id, found.log_stream_id, LLSN(1), LLSN(last + 1)
        async with log.subscribe_to(*where) as subscriber:
            while entries := await subscriber.next_batch():
                for entry in entries:
                    before = len(stream.records)
                    _take(stream, fold, entry.llsn, entry.data)
                    tell(len(stream.records) - before)
                await asyncio.sleep(0)
    except VarlogError as error:
        raise DemoFailed(f"reading log stream {found.log_stream_id}: {error}") from error
    return stream


def _take(stream: Stream, fold: Fold, llsn: int, data: bytes) -> None:
    entry = unpack(data)
    meaning = fold.apply(llsn, entry)
    stream.entries += 1
    stream.size += len(data)
    if meaning is Meaning.BATCH:
        assert isinstance(entry, BatchEntry)
        for offset, record in _decoded(data):
            stream.records[stream.found.partition.index, offset] = record
    elif meaning is Meaning.FENCE:
        stream.fences += 1
    else:
        stream.other += 1


def _decoded(batch: bytes) -> Iterator[tuple[int, Record]]:
    """Unpacked by a Kafka client's own code: a stored batch is what a consumer would get."""
    batches = MemoryRecords(batch)
    while (each := batches.next_batch()) is not None:
        for record in each:
            yield record.offset, Record(record.key, record.value, tuple(record.headers), record.timestamp)
