"""confluent-kafka producers in a process of their own: `python -m bench.load_kafka '{…KafkaLoad…}'`.

librdkafka's defaults but for `linger.ms`: 5 as fast as it goes, 0 at a fixed rate. As fast as it goes means
that records worth 8 MiB wait or are on their way at any time, or 32 MiB where there are several producers, or
partitions, to which bursts of records go in turn. Prints an `Outcome` as JSON.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from functools import partial
from typing import Any

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from bench.values import MIB, KafkaLoad, Outcome

_OUTSTANDING_BYTES = 8 * MIB
_SPREAD_BYTES = 32 * MIB
_LARGEST_MESSAGE = 1_048_588  # what Kafka takes unless told otherwise; librdkafka's own limit is lower
_BURST = 64
_VALUES = 16
_PATIENCE_S = 60.0
_STATISTICS_MS = 200
_MANY_STATISTICS_MS = 1000
_WORDS = ("user", "order", "status", "shipped", "amount", "42", "2024-11-05T12:00:00Z", "item", "eu-west")


class KafkaLoader:
    def __init__(self, load: KafkaLoad) -> None:
        self._load = load
        self._latencies_ms: list[float] = []
        self._requests = [0] * load.producers
        self._statistics_at = [0.0] * load.producers
        self._failure: str | None = None
        self._values = values(load)
        self._producers = [Producer(self._configuration(number)) for number in range(load.producers)]
        self._producer = self._producers[0]
        self._partition = 0

    def _configuration(self, number: int) -> dict[str, Any]:
        load = self._load
        return {
            **configuration(load),
            "statistics.interval.ms": _STATISTICS_MS if load.producers == 1 else _MANY_STATISTICS_MS,
            "stats_cb": partial(self._take_statistics, number),
        }

    def run(self) -> Outcome:
        """Each partition is opened and each producer connects by a record first, which isn't measured."""
        for number in range(max(self._load.partitions, self._load.producers)):
            self._turn(number)
            self._send(self._values[0], watched=True)
        self._finish()
        self._latencies_ms.clear()
        before, requests, cpu = self._end(), self._counted_requests(), time.process_time()
        began = time.monotonic()
        sent = self._at_rate(self._load.rate) if self._load.rate else self._flat_out()
        self._finish()
        seconds, cpu = time.monotonic() - began, time.process_time() - cpu
        if (stored := self._end() - before) != sent:
            raise SystemExit(f"{sent} records were sent, but the partition grew by {stored}")
        return Outcome(
            records=sent,
            requests=self._counted_requests() - requests,
            seconds=seconds,
            cpu_s=cpu,
            latencies_ms=self._latencies_ms,
        )

    def _flat_out(self) -> int:
        """Every record is sent alike, but only some are watched: a callback each would be the limit."""
        alone = self._load.partitions == self._load.producers == 1
        outstanding = _OUTSTANDING_BYTES if alone else _SPREAD_BYTES
        most = max(2, outstanding // self._load.record_bytes // self._load.producers)
        watch_every = max(1, 8192 // self._load.record_bytes)
        burst = max(1, min(_BURST, most // 16))
        sent = turns = 0
        until = time.monotonic() + self._load.seconds
        while time.monotonic() < until:
            producer, turns = self._turn(turns), turns + 1
            for number in range(sent, sent + burst):
                self._send(self._values[number % _VALUES], watched=number % watch_every == 0)
            sent += burst
            producer.poll(0)
            while len(producer) > most - burst and self._failure is None:
                producer.poll(0.005)
            self._check()
        return sent

    def _at_rate(self, rate: float) -> int:
        """Keeps to its timetable whatever the server does."""
        count = round(rate * self._load.seconds)
        began = time.monotonic()
        for number in range(count):
            due = began + number / rate
            while (left := due - time.monotonic()) > 0:
                self._producer.poll(min(left, 0.001))
            self._send(self._values[number % _VALUES], watched=True)
            self._producer.poll(0)
            self._check()
        return count

    def _turn(self, number: int) -> Producer:
        """Whose turn it is to send, and to which partition."""
        self._producer = self._producers[number % len(self._producers)]
        self._partition = number % self._load.partitions
        return self._producer

    def _send(self, value: bytes, *, watched: bool) -> None:
        topic, partition = self._load.topic, self._partition
        if watched:
            self._producer.produce(topic, value, None, partition, on_delivery=self._watch())
        else:
            self._producer.produce(topic, value, None, partition)

    def _watch(self) -> Callable[[KafkaError | None, Message], None]:
        since = time.monotonic()

        def delivered(error: KafkaError | None, _message: Message) -> None:
            if error is None:
                self._latencies_ms.append((time.monotonic() - since) * 1000)
            else:
                self._failure = str(error)

        return delivered

    def _finish(self) -> None:
        left = sum(each.flush(_PATIENCE_S) for each in self._producers)
        self._check()
        if left:
            raise SystemExit(f"{left} records were not answered within {_PATIENCE_S:g} s")

    def _check(self) -> None:
        if self._failure is not None:
            raise SystemExit(self._failure)

    def _end(self) -> int:
        return end(self._load)

    def _counted_requests(self) -> int:
        """As of reports of librdkafka that are newer than this call."""
        now = time.monotonic()
        for number, producer in enumerate(self._producers):
            while self._statistics_at[number] <= now:
                producer.poll(0.1)
        return sum(self._requests)

    def _take_statistics(self, number: int, report: str) -> None:
        statistics: dict[str, Any] = json.loads(report)
        self._requests[number] = sum(each["req"]["Produce"] for each in statistics["brokers"].values())
        self._statistics_at[number] = time.monotonic()


def values(load: KafkaLoad) -> list[bytes]:
    """Random bytes; where there is a codec, words of which lz4 makes a third."""
    chance = random.Random(load.seed)
    if load.codec == "none":
        return [chance.randbytes(load.record_bytes) for _ in range(_VALUES)]
    return [_text(chance, load.record_bytes) for _ in range(_VALUES)]


def _text(chance: random.Random, size: int) -> bytes:
    found = ""
    while len(found) < size:
        found += f'"{chance.choice(_WORDS)}":{chance.randrange(1_000_000)},'
    return found[:size].encode()


def configuration(load: KafkaLoad) -> dict[str, Any]:
    """Of one producer."""
    return {
        "bootstrap.servers": load.bootstrap,
        "enable.idempotence": load.idempotent and load.acks == "all",
        "acks": load.acks,
        "compression.type": load.codec,
        "message.max.bytes": _LARGEST_MESSAGE,
        "linger.ms": 5 if load.rate is None else 0,
        "log_level": 3,
    }


def end(load: KafkaLoad) -> int:
    """How many records the partitions hold."""
    with closing(Consumer({"bootstrap.servers": load.bootstrap, "group.id": "unused"})) as consumer:
        return sum(
            int(consumer.get_watermark_offsets(TopicPartition(load.topic, each), timeout=_PATIENCE_S)[1])
            for each in range(load.partitions)
        )


def main() -> None:
    outcome = KafkaLoader(KafkaLoad(**json.loads(sys.argv[1]))).run()
    print(json.dumps(asdict(outcome)))


if __name__ == "__main__":
    main()
