"""`kov cat`: records read by a real Kafka consumer, without a group."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from kov.errors import CannotStart, ConfigError
from kov.tools.records.client import CALL_S, checked_partition, partitions_of, reason_of, settings
from kov.tools.records.formats import Format
from kov.tools.records.record import Record, Stored
from kov.tools.records.spans import Extent, Span, Wanted, spans

_AT_ONCE: Final = 500
_WAIT_S: Final = 0.1
_PATIENCE_S: Final = 30.0
_NO_HARM: Final = frozenset(
    {
        KafkaError._PARTITION_EOF,  # noqa: SLF001 - librdkafka's name for it
        KafkaError._TRANSPORT,  # noqa: SLF001 - it connects again
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
        KafkaError.GROUP_AUTHORIZATION_FAILED,  # it looks for a group's coordinator, which nobody needs
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """`partition` None: all of them, each in its own order. `count`: at most so many records."""

    bootstrap: str
    topic: str
    wanted: Wanted
    format: Format
    partition: int | None = None
    count: int | None = None


def cat(order: Order) -> None:
    """Writes the records to stdout as they come. Raises ConfigError, CannotStart."""
    order.wanted.check()
    consumer = Consumer(
        settings(order.bootstrap)
        | {
            "group.id": "not-used",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
        }
    )
    with closing(consumer):
        try:
            found = spans(order.wanted, _extents(consumer, order))
            for batch in _batches(consumer, order, found):
                sys.stdout.buffer.write(b"".join(map(order.format, batch)))
                sys.stdout.buffer.flush()
        except KafkaException as error:
            raise CannotStart(f"reading {order.topic}: {reason_of(error)}") from None


def _extents(consumer: Consumer, order: Order) -> dict[int, Extent]:
    indexes = partitions_of(consumer, order.bootstrap, order.topic)
    if order.partition is not None:
        indexes = [checked_partition(indexes, order.topic, order.partition)]
    since = _offsets_at(consumer, order.topic, indexes, order.wanted.since_ms)
    until = _offsets_at(consumer, order.topic, indexes, order.wanted.until_ms)
    extents = {}
    for index in indexes:
        first, end = consumer.get_watermark_offsets(TopicPartition(order.topic, index), timeout=CALL_S)
        extents[index] = Extent(
            first=first, end=end, since=_or_end(since, index, end), until=_or_end(until, index, end)
        )
    _refuse_beyond(order, extents)
    return extents


def _offsets_at(
    consumer: Consumer, topic: str, indexes: Sequence[int], time_ms: int | None
) -> Mapping[int, int] | None:
    """The offset of the first record at or after the time, negative where there is none."""
    if time_ms is None:
        return None
    asked = [TopicPartition(topic, index, time_ms) for index in indexes]
    return {each.partition: each.offset for each in consumer.offsets_for_times(asked, timeout=CALL_S)}


def _or_end(offsets: Mapping[int, int] | None, index: int, end: int) -> int | None:
    if offsets is None:
        return None
    return offsets[index] if offsets[index] >= 0 else end


def _refuse_beyond(order: Order, extents: Mapping[int, Extent]) -> None:
    """What can't be there is a mistake where one partition is meant; of several some may be shorter."""
    first = order.wanted.first
    if first is not None and all(first > extent.end for extent in extents.values()):
        furthest = max(extent.end for extent in extents.values())
        raise ConfigError(f"--from {first}: the next offset of {order.topic} is {furthest}")


def _batches(consumer: Consumer, order: Order, wanted: dict[int, Span]) -> Iterator[list[Stored]]:
    """Until all spans were read to their ends, or for ever. Raises CannotStart where nothing comes."""
    left = order.count
    consumer.assign([TopicPartition(order.topic, index, span.begin) for index, span in wanted.items()])
    heard = time.monotonic()
    while wanted and left != 0:
        batch: list[Stored] = []
        for message in consumer.consume(_AT_ONCE, _WAIT_S):
            if (stored := _stored(message)) is None or not _take(consumer, wanted, stored):
                continue
            if left is None or len(batch) < left:
                batch.append(stored)
        if batch:
            yield batch
            heard = time.monotonic()
            left = None if left is None else left - len(batch)
        elif not order.wanted.follow and time.monotonic() - heard > _PATIENCE_S:
            raise CannotStart(f"{order.topic}: nothing came for {_PATIENCE_S:g} s; look at kov's log")


def _take(consumer: Consumer, wanted: dict[int, Span], stored: Stored) -> bool:
    """Whether the record is meant; a partition that was read to its end isn't read on."""
    span = wanted.get(stored.partition)
    if span is None:
        return False
    if span.end is not None and stored.offset + 1 >= span.end:
        del wanted[stored.partition]
        consumer.incremental_unassign([TopicPartition(stored.topic, stored.partition)])
    return span.end is None or stored.offset < span.end


def _stored(message: Message) -> Stored | None:
    """None for an event that is no record. Raises CannotStart for one that ends the reading."""
    error = message.error()
    if error is not None:
        if error.code() in _NO_HARM:
            return None
        raise CannotStart(f"{message.topic() or 'reading'}: {error.str()}")
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    _, timestamp_ms = message.timestamp()
    sent = message.headers() or []
    named = sent.items() if isinstance(sent, dict) else sent
    record = Record(
        key=_bytes(message.key()),
        value=_bytes(message.value()),
        headers=tuple((name, _bytes(value)) for name, value in named),
        timestamp_ms=timestamp_ms if timestamp_ms >= 0 else None,
    )
    return Stored(topic=topic, partition=partition, offset=offset, record=record)


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
