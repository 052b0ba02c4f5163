"""A producer that goes on sending until it is told to stop, and keeps book of what it was told."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from typing import Any

from confluent_kafka import KafkaException, Producer

from tests.clients.records import Delivery, Identity, Record, endless
from tests.waiting import wait_for

_PARTITIONS = 2
_UNANSWERED = 60
_BATCH = 10
_FLUSH_S = 40.0
_PROGRESS_S = 60.0


class Load:
    """librdkafka in a thread, several small requests in flight; a context manager, which stops it.

    Read from outside while it runs: `sent` and `told` only grow.
    """

    def __init__(self, name: str, bootstrap: str, topic: str, settings: Mapping[str, object]) -> None:
        self.topic = topic
        self.sent: list[Record] = []
        self.told: dict[Identity, Delivery] = {}
        self.failures: list[str] = []
        self._records = endless(name, partitions=_PARTITIONS, size=500)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"load {name}")
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "linger.ms": 1,
                "batch.num.messages": _BATCH,
                "reconnect.backoff.max.ms": 500,
                "log_level": 2,
                **settings,
            }
        )

    @property
    def answered(self) -> int:
        return len(self.told) + len(self.failures)

    def unanswered(self) -> set[Identity]:
        """What may be on its way; taken while it runs, this is at least all of that."""
        told = set(self.told)
        return {record.contents.identity for record in self.sent} - told

    async def progress(self, count: int) -> None:
        """Returns when `count` more records were acknowledged, and none has failed."""
        goal = len(self.told) + count
        await wait_for(
            lambda: self.failures or len(self.told) >= goal,
            timeout_s=_PROGRESS_S,
            what=f"{goal} records of {self.topic} are acknowledged",
        )
        assert not self.failures, self.failures[0]

    async def stop(self) -> None:
        """Sends nothing new, and returns when everything sent was answered."""
        self._stopping.set()
        await asyncio.to_thread(self._thread.join)
        assert self.answered == len(self.sent), "some records got no answer at all"

    async def give_up(self) -> None:
        """Sends nothing new; what waits for a server that is gone ends as a failure."""
        self._stopping.set()
        self._producer.purge()
        await self.stop()

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._producer.purge()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            if len(self.sent) - self.answered < _UNANSWERED:
                self._send(next(self._records))
                self._producer.poll(0)
            else:
                self._producer.poll(0.01)
        self._producer.flush(_FLUSH_S)

    def _send(self, record: Record) -> None:
        contents = record.contents
        assert record.partition is not None
        self.sent.append(record)
        try:
            self._producer.produce(
                self.topic,
                value=contents.value,
                key=contents.key,
                headers=list(contents.headers),
                timestamp=contents.timestamp_ms,
                partition=record.partition,
                on_delivery=lambda error, message: self._report(contents.identity, error, message),
            )
        except KafkaException as error:  # the producer is dead
            self._report(contents.identity, error, None)
            self._stopping.set()

    def _report(self, identity: Identity, error: Any, message: Any) -> None:
        if error is not None:
            self.failures.append(f"{identity}: {error}")
        else:
            self.told[identity] = Delivery(message.partition(), message.offset())
