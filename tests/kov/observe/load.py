"""Producers that keep a kov busy while somebody looks at its status page."""

from __future__ import annotations

import math
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from confluent_kafka import Producer

HOSTILE = "<script>document.title='broken'</script>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A producer: about `rate` records of `size` bytes a second, in waves, over the partitions of `topic`."""

    client_id: str
    topic: str
    rate: int = 200
    size: int = 500


USUAL = (
    Source(client_id="checkout-7", topic="orders", rate=400, size=900),
    Source(client_id="ledger", topic="payments", rate=120, size=400),
    Source(client_id="web-frontend", topic="clicks", rate=1500, size=200),
    Source(client_id=HOSTILE, topic="orders", rate=20),
)


@contextmanager
def load(address: str, sources: Sequence[Source] = USUAL) -> Iterator[None]:
    """They write until the block ends."""
    done = threading.Event()
    threads = [threading.Thread(target=_write, args=(address, each, done)) for each in sources]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join()


def disturb(address: str) -> None:
    """Sends what isn't Kafka's protocol, which kov warns of."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        connection.recv(1)


def _write(address: str, source: Source, done: threading.Event) -> None:
    producer = Producer({"bootstrap.servers": address, "client.id": source.client_id, "linger.ms": 20})
    value = b"x" * source.size
    began, written = time.monotonic(), 0
    while not done.wait(0.05):
        elapsed = time.monotonic() - began
        due = int(source.rate * (elapsed + 2 * (1 - math.cos(elapsed / 4))))
        for number in range(written, due):
            producer.produce(source.topic, value, key=str(number))
        written = max(written, due)
        producer.poll(0)
    producer.flush(10)
