"""The load itself: a real producer, in an open or in a closed loop."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from kov.errors import ConfigError
from kov.tools.bench.tally import Second, Tally
from kov.tools.records.client import partitions_of, reason_of, settings

_PAYLOADS: Final = 64
_TURN: Final = 500
_LAST_WORDS_S: Final = 5.0
_ROOM: Final = 1_000_000
_LARGEST: Final = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """`rate` records a second, whatever comes back (open loop), or else always `in_flight` of them that
    aren't acknowledged yet (closed loop)."""

    bootstrap: str
    topic: str
    seconds: float
    size: int
    rate: float | None
    in_flight: int
    codec: str
    acks: str
    linger_ms: float


class Load:
    """Not to be run twice. What it does is counted in `tally` all the time."""

    def __init__(self, order: Order) -> None:
        self.tally = Tally()
        self._order = order
        self._under_way = 0
        self._sent = 0
        self._payloads = [
            os.urandom(order.size // 2 + 1).hex()[: order.size].encode() for _ in range(_PAYLOADS)
        ]
        self._producer = Producer(
            settings(order.bootstrap)
            | {
                "acks": order.acks,
                "enable.idempotence": order.acks == "all",
                "compression.type": order.codec,
                "linger.ms": order.linger_ms,
                "queue.buffering.max.messages": _ROOM,
                "message.max.bytes": _LARGEST,
            }
        )

    def check(self) -> int:
        """How many partitions the topic has; makes it if kov does so. Raises ConfigError, CannotStart."""
        return len(partitions_of(self._producer, self._order.bootstrap, self._order.topic))

    def run(self, tick: Callable[[Second], None]) -> None:
        """Sends for so long as was ordered; `tick` is called every second and at the end.

        KeyboardInterrupt passes.

        What is under way at the end is waited for, 5 s at most, and then counts as failed. Raises ConfigError
        for a record that is too large.
        """
        began = time.monotonic()
        marked = began
        try:
            while (now := time.monotonic()) < began + self._order.seconds:
                self._send(now - began)
                self._producer.poll(0.001)
                if now - marked >= 1:
                    tick(self.tally.mark(now - began))
                    marked = now
        finally:
            self._finish()
            if time.monotonic() > marked:
                tick(self.tally.mark(time.monotonic() - began))

    def _send(self, elapsed: float) -> None:
        rate = self._order.rate
        if rate is None:
            for _ in range(min(self._order.in_flight - self._under_way, _TURN)):
                if not self._send_one(0.0):
                    return
            return
        for _ in range(min(int(elapsed * rate) - self._sent, _TURN)):
            # A record that should have left earlier counts from then: a load that is held up must not look
            # quick because it sent less.
            if not self._send_one(max(0.0, elapsed - self._sent / rate)):
                return

    def _send_one(self, late: float) -> bool:
        try:
            self._producer.produce(
                self._order.topic,
                self._payloads[self._sent % _PAYLOADS],
                on_delivery=partial(self._delivered, late),
            )
        except BufferError:
            return False
        except KafkaException as error:
            raise ConfigError(
                f"records of {self._order.size} bytes can't be sent: {reason_of(error)}"
            ) from None
        self._sent += 1
        self._under_way += 1
        return True

    def _delivered(self, late: float, error: KafkaError | None, message: Message) -> None:
        self._under_way -= 1
        if error is not None:
            self.tally.refused(error.str())
        else:
            self.tally.acknowledged(self._order.size, late + (message.latency() or 0.0))

    def _finish(self) -> None:
        deadline = time.monotonic() + _LAST_WORDS_S
        while self._producer.flush(0.1) and time.monotonic() < deadline:
            pass
        self._producer.purge()
        self._producer.flush(1)
