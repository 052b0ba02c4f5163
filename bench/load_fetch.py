"""A confluent-kafka consumer in a process of its own: `python -m bench.load_fetch '{…FetchLoad…}'`.

librdkafka's defaults, but that no offset is committed. At a rate: a producer of this process writes, and a
consumer that has read everything before waits for each record: the latency is from produce() to when poll()
has it. Otherwise it reads all that there is, from the first record on. Prints an `Outcome` as JSON.
"""

from __future__ import annotations

import json
import struct
import sys
import threading
import time
from contextlib import closing
from dataclasses import asdict

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from bench.load_kafka import configuration, end, values
from bench.values import FetchLoad, Outcome

_PATIENCE_S = 60.0
_AT_ONCE = 10_000
_SENT_AT = struct.Struct(">d")


def tail(load: FetchLoad) -> Outcome:
    """What was sent before the consumer waits at the end isn't measured."""
    assert load.rate is not None
    producer = Producer(configuration(load))
    producer.produce(load.topic, b"the first", None, 0)
    producer.flush(_PATIENCE_S)
    count = round(load.rate * load.seconds)
    reader = _Reader(load, start=end(load) - 1, count=count)
    body = values(load)[0]
    if not reader.waits.wait(_PATIENCE_S):
        raise SystemExit(f"the consumer was not at the end within {_PATIENCE_S:g} s")
    cpu, began = time.process_time(), time.monotonic()
    for number in range(count):
        due = began + number / load.rate
        while (left := due - time.monotonic()) > 0:
            producer.poll(min(left, 0.001))
        producer.produce(load.topic, _SENT_AT.pack(time.monotonic()) + body[_SENT_AT.size :], None, 0)
    producer.flush(_PATIENCE_S)
    latencies_ms = reader.finish()
    return Outcome(
        records=len(latencies_ms),
        requests=0,
        seconds=time.monotonic() - began,
        cpu_s=time.process_time() - cpu,
        latencies_ms=latencies_ms,
    )


class _Reader(threading.Thread):
    """`waits` is set when it has the record at `start`, and so is connected and asks for what comes next."""

    def __init__(self, load: FetchLoad, *, start: int, count: int) -> None:
        super().__init__(daemon=True)
        self.waits = threading.Event()
        self._load = load
        self._start_at = start
        self._count = count
        self._latencies_ms: list[float] = []
        self.start()

    def run(self) -> None:
        with closing(_consumer(self._load, self._start_at)) as consumer:
            _first(consumer)
            self.waits.set()
            until = time.monotonic() + self._load.seconds + _PATIENCE_S
            while len(self._latencies_ms) < self._count and time.monotonic() < until:
                self._take(consumer.poll(0.1))

    def _take(self, message: Message | None) -> None:
        if message is not None and _is_record(message):
            (sent_at,) = _SENT_AT.unpack_from(message.value() or b"")
            self._latencies_ms.append((time.monotonic() - sent_at) * 1000)

    def finish(self) -> list[float]:
        self.join(self._load.seconds + 2 * _PATIENCE_S)
        if len(self._latencies_ms) < self._count:
            raise SystemExit(f"{len(self._latencies_ms)} of {self._count} records came back")
        return self._latencies_ms


def cold(load: FetchLoad) -> Outcome:
    last = end(load)
    with closing(_consumer(load, 0)) as consumer:
        _first(consumer)  # connecting takes up to a second, and is no reading
        cpu, began = time.process_time(), time.monotonic()
        read, at = 0, 0
        while at < last - 1:
            messages = consumer.consume(min(_AT_ONCE, last - 1 - at), timeout=_PATIENCE_S)
            if not messages:
                raise SystemExit(f"nothing came for {_PATIENCE_S:g} s at {at} of {last}")
            records = [each for each in messages if _is_record(each)]
            read, at = read + len(records), max([at, *(each.offset() or 0 for each in records[-1:])])
        took, cpu = time.monotonic() - began, time.process_time() - cpu
    return Outcome(records=read, requests=0, seconds=took, cpu_s=cpu, latencies_ms=[0.0])


def _first(consumer: Consumer) -> None:
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until:
        message = consumer.poll(0.1)
        if message is not None and _is_record(message):
            return
    raise SystemExit(f"no record came within {_PATIENCE_S:g} s")


def _is_record(message: Message) -> bool:
    """kov has no groups and says so, which doesn't matter here. Raises SystemExit for other errors."""
    error = message.error()
    if error is not None and error.code() != KafkaError.GROUP_AUTHORIZATION_FAILED:
        raise SystemExit(str(error))
    return error is None


def _consumer(load: FetchLoad, offset: int) -> Consumer:
    consumer = Consumer(
        {
            "bootstrap.servers": load.bootstrap,
            "group.id": "unused",
            "enable.auto.commit": False,
            "log_level": 3,
        }
    )
    consumer.assign([TopicPartition(load.topic, 0, offset)])
    return consumer


def main() -> None:
    load = FetchLoad(**json.loads(sys.argv[1]))
    print(json.dumps(asdict(cold(load) if load.cold else tail(load))))


if __name__ == "__main__":
    main()
