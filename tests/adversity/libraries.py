"""A driver per library: hands records over at a pace, and writes down what it is told about each."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from confluent_kafka import KafkaException, Producer
from kafka import KafkaProducer

from tests.adversity.book import BookWriter, Place
from tests.adversity.cast import Library, Manner, Role

_TICK_S = 0.03
_BURST = 5
_MOST_UNANSWERED = 200
_DEAD_AFTER = 200
_PATIENCE_S = 15.0
_RECONNECT_MS = 300
_IN_FLIGHT = 5


class Record(NamedTuple):
    number: int
    place: Place
    value: bytes


def records(role: Role, places: list[Place], chance: Random) -> Iterator[Record]:
    """For ever: values that begin with the record's name, of all sizes, some of it compressible."""
    number = 0
    while True:
        name = b"%s/%d:" % (role.name.encode(), number)
        value = name + chance.randbytes(chance.randrange(30)) + b"." * chance.randrange(400)
        yield Record(number, chance.choice(places), value)
        number += 1


class Pace:
    """Bursts with pauses, until it is told to stop, too much is unanswered, or the producer is dead."""

    def __init__(self, role: Role, places: list[Place], book: BookWriter, chance: Random) -> None:
        self.stopping = threading.Event()
        self._records = records(role, places, chance)
        self._book = book
        self._chance = chance
        self._patience_s = role.delivery_timeout_s + _PATIENCE_S

    @property
    def over(self) -> bool:
        return self.stopping.is_set() or self._book.failed_in_a_row >= _DEAD_AFTER

    def burst(self) -> Iterator[Record]:
        for _ in range(self._chance.randrange(_BURST)):
            if self._book.unanswered < _MOST_UNANSWERED and not self.over:
                record = next(self._records)
                self._book.sent(record.number, record.place)
                yield record

    def waiting(self) -> Iterator[float]:
        """How long to wait, again and again, until everything is answered or ought to be."""
        until = time.monotonic() + self._patience_s
        while self._book.unanswered and time.monotonic() < until:
            yield _TICK_S


def drive_confluent(bootstrap: str, role: Role, pace: Pace, book: BookWriter) -> None:
    producer = Producer(_confluent_settings(bootstrap, role))

    def reporter(number: int) -> Callable[[Any, Any], None]:
        def report(error: Any, message: Any) -> None:
            if error is not None:
                book.failed(number, error.name(), error.str())
            else:
                book.acknowledged(number, message.partition(), message.offset())

        return report

    while not pace.over:
        for record in pace.burst():
            try:
                producer.produce(
                    record.place.topic,
                    record.value,
                    partition=record.place.partition,
                    on_delivery=reporter(record.number),
                )
            except KafkaException as error:
                book.failed(record.number, error.args[0].name(), str(error))
        producer.poll(_TICK_S)
    for pause_s in pace.waiting():
        producer.poll(pause_s)


def _confluent_settings(bootstrap: str, role: Role) -> dict[str, object]:
    again = role.manner is not Manner.ONCE
    return {
        "bootstrap.servers": bootstrap,
        "enable.idempotence": role.manner is Manner.IDEMPOTENT,
        "acks": "all",
        "compression.type": role.codec,
        "linger.ms": role.linger_ms,
        "request.timeout.ms": int(role.request_timeout_s * 1000),
        "message.timeout.ms": int(role.delivery_timeout_s * 1000),
        "socket.timeout.ms": int(role.patience_s * 1000),
        "reconnect.backoff.max.ms": _RECONNECT_MS,
        "max.in.flight": _IN_FLIGHT,
        "topic.metadata.refresh.interval.ms": 5000,
        "log_level": 2,
        **({} if again else {"retries": 0}),
    }


def drive_kafka_python(bootstrap: str, role: Role, pace: Pace, book: BookWriter) -> None:
    producer = KafkaProducer(
        bootstrap_servers=bootstrap,
        enable_idempotence=role.manner is Manner.IDEMPOTENT,
        acks="all",
        compression_type=None if role.codec == "none" else role.codec,
        linger_ms=role.linger_ms,
        request_timeout_ms=int(role.request_timeout_s * 1000),
        delivery_timeout_ms=int(role.delivery_timeout_s * 1000),
        reconnect_backoff_max_ms=_RECONNECT_MS,
        max_in_flight_requests_per_connection=_IN_FLIGHT,
    )

    def told(number: int, meta: Any) -> None:
        book.acknowledged(number, meta.partition, meta.offset)

    def failed(number: int, error: BaseException) -> None:
        book.failed(number, type(error).__name__, str(error))

    while not pace.over:
        for record in pace.burst():
            try:
                future = producer.send(record.place.topic, record.value, partition=record.place.partition)
            except Exception as error:  # whatever the library raises is what the application is told
                failed(record.number, error)
            else:
                future.add_callback(told, record.number)
                future.add_errback(failed, record.number)
        time.sleep(_TICK_S)
    for pause_s in pace.waiting():
        time.sleep(pause_s)


def drive_aiokafka(bootstrap: str, role: Role, pace: Pace, book: BookWriter) -> None:
    asyncio.run(_drive_aiokafka(bootstrap, role, pace, book))


async def _drive_aiokafka(bootstrap: str, role: Role, pace: Pace, book: BookWriter) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        enable_idempotence=role.manner is Manner.IDEMPOTENT,
        acks="all",
        compression_type=None if role.codec == "none" else role.codec,
        linger_ms=role.linger_ms,
        request_timeout_ms=int(role.request_timeout_s * 1000),
    )
    await producer.start()

    def reporter(number: int) -> Callable[[asyncio.Future[Any]], None]:
        def report(done: asyncio.Future[Any]) -> None:
            error = done.exception()
            if error is None:
                book.acknowledged(number, done.result().partition, done.result().offset)
            else:
                book.failed(number, type(error).__name__, str(error))

        return report

    while not pace.over:
        for record in pace.burst():
            try:
                done = await producer.send(record.place.topic, record.value, partition=record.place.partition)
            except Exception as error:  # whatever the library raises is what the application is told
                book.failed(record.number, type(error).__name__, str(error))
            else:
                done.add_done_callback(reporter(record.number))
        await asyncio.sleep(_TICK_S)
    for pause_s in pace.waiting():
        await asyncio.sleep(pause_s)


DRIVERS: dict[Library, Callable[[str, Role, Pace, BookWriter], None]] = {
    "confluent": drive_confluent,
    "aiokafka": drive_aiokafka,
    "kafka-python": drive_kafka_python,
}
