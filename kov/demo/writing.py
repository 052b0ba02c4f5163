"""Producers as anybody would use them: idempotent, acks=all, everything else as it comes."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError as AioKafkaError
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from kov.demo.failure import DemoFailed
from kov.demo.records import Lot, Place, Record, Written

_PATIENCE_MS = 30_000
_STRIDE = 100  # progress is shown, and the event loop let go, every so many records

Tell = Callable[[int], object]
"""Called with how many more records were acknowledged; from any thread."""


async def write(lot: Lot, bootstrap: str, topic: str, start_ms: int, tell: Tell) -> Written:
    """Sends the whole lot and waits for all acknowledgements. Raises `DemoFailed`."""
    records = lot.records(start_ms)
    began = time.monotonic()
    if lot.client == "aiokafka":
        places = await _write_with_aiokafka(lot, records, bootstrap, topic, tell)
    else:
        places = await _write_with_confluent(lot, records, bootstrap, topic, tell)
    return Written(lot=lot, records=records, places=places, seconds=time.monotonic() - began)


async def _write_with_aiokafka(
    lot: Lot, records: list[Record], bootstrap: str, topic: str, tell: Tell
) -> list[Place]:
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        enable_idempotence=True,
        compression_type=None if lot.codec == "none" else lot.codec,
        linger_ms=5,
        request_timeout_ms=_PATIENCE_MS,
    )
    places: list[Place] = []
    try:
        await producer.start()
        sent = [
            await producer.send(
                topic, r.value, key=r.key, headers=list(r.headers), timestamp_ms=r.timestamp_ms
            )
            for r in records
        ]
        for number, acknowledged in enumerate(sent, 1):
            where = await acknowledged
            places.append((where.partition, where.offset))
            if number % _STRIDE == 0 or number == len(sent):
                tell((number - 1) % _STRIDE + 1)
    except AioKafkaError as error:
        raise DemoFailed(f"{lot.name}: {error!r}") from error
    finally:
        await producer.stop()
    return places


async def _write_with_confluent(
    lot: Lot, records: list[Record], bootstrap: str, topic: str, tell: Tell
) -> list[Place]:
    stop = threading.Event()
    try:
        return await asyncio.to_thread(_Confluent(lot, bootstrap, topic, tell, stop).write, records)
    except KafkaException as error:
        raise DemoFailed(f"{lot.name}: {error}") from error
    finally:
        stop.set()


class _Confluent:
    """Runs in a thread of its own, which ends soon after `stop` is set."""

    def __init__(self, lot: Lot, bootstrap: str, topic: str, tell: Tell, stop: threading.Event) -> None:
        self._topic = topic
        self._tell = tell
        self._stop = stop
        self._places: list[Place] = []
        self._error: KafkaError | None = None
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "compression.type": lot.codec,
                "message.timeout.ms": _PATIENCE_MS,
                "log_level": 0,
            }
        )

    def write(self, records: list[Record]) -> list[Place]:
        places: dict[int, Place] = {}
        for number, record in enumerate(records):
            self._send(number, record, places)
            if self._stop.is_set():
                return []
            if number % _STRIDE == 0:
                self._poll(0, places)
        while len(places) < len(records) and not self._stop.is_set():
            self._poll(0.1, places)
        return [places[number] for number in range(len(places))]

    def _send(self, number: int, record: Record, places: dict[int, Place]) -> None:
        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                self._error = error
                return
            partition, offset = message.partition(), message.offset()
            assert partition is not None
            assert offset is not None
            places[number] = partition, offset

        while True:
            try:
                self._producer.produce(
                    self._topic,
                    record.value,
                    record.key,
                    headers=list(record.headers),
                    timestamp=record.timestamp_ms,
                    on_delivery=delivered,
                )
            except BufferError:
                self._poll(0.1, places)
            else:
                return

    def _poll(self, seconds: float, places: dict[int, Place]) -> None:
        before = len(places)
        self._producer.poll(seconds)
        self._tell(len(places) - before)
        if self._error is not None:
            raise KafkaException(self._error)
