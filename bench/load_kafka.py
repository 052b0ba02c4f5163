"""One confluent-kafka producer in a process of its own: `python -m bench.load_kafka '{…KafkaLoad…}'`.

acks=all, librdkafka's defaults but for `linger.ms`: 5 as fast as it goes, 0 at a fixed rate. As fast as it
goes means that records worth 8 MiB wait or are on their way at any time. Prints an `Outcome` as JSON.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from typing import Any

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from bench.values import MIB, KafkaLoad, Outcome

_OUTSTANDING_BYTES = 8 * MIB
_BURST = 64
_VALUES = 16
_PATIENCE_S = 60.0
_STATISTICS_MS = 200


class KafkaLoader:
    def __init__(self, load: KafkaLoad) -> None:
        self._load = load
        self._latencies_ms: list[float] = []
        self._requests = 0
        self._statistics_at = 0.0
        self._failure: str | None = None
        chance = random.Random(load.seed)
        self._values = [chance.randbytes(load.record_bytes) for _ in range(_VALUES)]
        self._producer = Producer(
            {
                "bootstrap.servers": load.bootstrap,
                "enable.idempotence": load.idempotent,
                "linger.ms": 5 if load.rate is None else 0,
                "statistics.interval.ms": _STATISTICS_MS,
                "stats_cb": self._take_statistics,
                "log_level": 3,
            }
        )

    def run(self) -> Outcome:
        """The partition is opened by one record first, which isn't measured."""
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
        most = max(2, _OUTSTANDING_BYTES // self._load.record_bytes)
        watch_every = max(1, 8192 // self._load.record_bytes)
        burst = max(1, min(_BURST, most // 16))
        producer, sent = self._producer, 0
        until = time.monotonic() + self._load.seconds
        while time.monotonic() < until:
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

    def _send(self, value: bytes, *, watched: bool) -> None:
        if watched:
            self._producer.produce(self._load.topic, value, None, 0, on_delivery=self._watch())
        else:
            self._producer.produce(self._load.topic, value, None, 0)

    def _watch(self) -> Callable[[KafkaError | None, Message], None]:
        since = time.monotonic()

        def delivered(error: KafkaError | None, _message: Message) -> None:
            if error is None:
                self._latencies_ms.append((time.monotonic() - since) * 1000)
            else:
                self._failure = str(error)

        return delivered

    def _finish(self) -> None:
        left = self._producer.flush(_PATIENCE_S)
        self._check()
        if left:
            raise SystemExit(f"{left} records were not answered within {_PATIENCE_S:g} s")

    def _check(self) -> None:
        if self._failure is not None:
            raise SystemExit(self._failure)

    def _end(self) -> int:
        with closing(Consumer({"bootstrap.servers": self._load.bootstrap, "group.id": "unused"})) as consumer:
            where = TopicPartition(self._load.topic, 0)
            return int(consumer.get_watermark_offsets(where, timeout=_PATIENCE_S)[1])

    def _counted_requests(self) -> int:
        """As of a report of librdkafka that is newer than this call."""
        now = time.monotonic()
        while self._statistics_at <= now:
            self._producer.poll(0.1)
        return self._requests

    def _take_statistics(self, report: str) -> None:
        statistics: dict[str, Any] = json.loads(report)
        self._requests = sum(each["req"]["Produce"] for each in statistics["brokers"].values())
        self._statistics_at = time.monotonic()


def main() -> None:
    outcome = KafkaLoader(KafkaLoad(**json.loads(sys.argv[1]))).run()
    print(json.dumps(asdict(outcome)))


if __name__ == "__main__":
    main()
