"""`kov produce`: records from lines, sent by a real Kafka producer."""

from __future__ import annotations

import json
import os
import stat
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import typer
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from kov.errors import CannotStart, ConfigError
from kov.tools.records.client import checked_partition, partitions_of, reason_of, settings
from kov.tools.records.lines import LineFormat, lines
from kov.tools.records.record import BadRecord, Record
from kov.tools.tables import counted, size

_ANY: Final = -1
_STRIDE: Final = 1000
_LAST_WORDS_S: Final = 5.0
_LARGEST: Final = 64 << 20  # the topic's own max.message.bytes decides


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    bootstrap: str
    topic: str
    format: LineFormat
    codec: str = "none"
    partition: int | None = None
    as_json: bool = False


@dataclass(slots=True)
class Tally:
    """What was acknowledged: records, bytes, and by partition the first and the last offset."""

    records: int = 0
    size: int = 0
    offsets: dict[int, tuple[int, int]] = field(default_factory=dict)
    refused: int = 0
    reason: str = ""

    def acknowledged(self, partition: int, offset: int, length: int) -> None:
        self.records += 1
        self.size += length
        first, last = self.offsets.get(partition, (offset, offset))
        self.offsets[partition] = min(first, offset), max(last, offset)


class Sender:
    """Sends in order; what is acknowledged and what isn't is counted in `tally`."""

    def __init__(self, order: Order) -> None:
        self.tally = Tally()
        self._order = order
        self._producer = Producer(
            settings(order.bootstrap)
            | {
                "enable.idempotence": True,
                "compression.type": order.codec,
                "linger.ms": 5,
                "message.max.bytes": _LARGEST,
            }
        )

    def check(self) -> None:
        """Makes the topic if kov does so by itself. Raises ConfigError."""
        partitions = partitions_of(self._producer, self._order.bootstrap, self._order.topic)
        if self._order.partition is not None:
            checked_partition(partitions, self._order.topic, self._order.partition)

    def send(self, record: Record) -> None:
        """Blocks while the queue is full. Raises CannotStart for what was refused meanwhile."""
        partition = self._order.partition
        while True:
            try:
                self._producer.produce(
                    self._order.topic,
                    record.value,
                    record.key,
                    partition=_ANY if partition is None else partition,
                    headers=list(record.headers),
                    timestamp=record.timestamp_ms or 0,
                    on_delivery=self._delivered,
                )
            except BufferError:
                self.poll(0.1)
            except KafkaException as error:
                raise self._failure(reason_of(error)) from None
            else:
                return

    def poll(self, seconds: float = 0.0) -> None:
        self._producer.poll(seconds)
        if self.tally.refused:
            raise self._failure(self.tally.reason)

    def finish(self) -> None:
        """Waits until everything is answered. Raises CannotStart where something wasn't stored."""
        while self._producer.flush(0.1):
            self.poll()
        self.poll()

    def give_up(self) -> None:
        """Gives what is under way a few seconds."""
        deadline = time.monotonic() + _LAST_WORDS_S
        while not self.tally.refused and time.monotonic() < deadline and self._producer.flush(0.1):
            pass
        self._producer.purge()

    def _failure(self, reason: str) -> CannotStart:
        return CannotStart(f"{counted(self.tally.records, 'record')} stored, then no more: {reason}")

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.tally.refused += 1
            self.tally.reason = self.tally.reason or error.str()
            return
        partition, offset = message.partition(), message.offset()
        assert partition is not None
        assert offset is not None
        self.tally.acknowledged(partition, offset, len(message.value() or b"") + len(message.key() or b""))


def produce(order: Order, descriptor: int) -> None:
    """Sends the lines of `descriptor` until its end. Raises ConfigError, CannotStart.

    What was sent before something went wrong, or before Ctrl-C, is stored as far as that takes a few seconds.
    """
    sender = Sender(order)
    sender.check()
    began = time.monotonic()
    try:
        with _Display(descriptor, sender.tally) as display:
            _send_all(order, sender, descriptor, display.advance)
            sender.finish()
    except BaseException:
        sender.give_up()
        raise
    tally, seconds = sender.tally, time.monotonic() - began
    if order.as_json:
        typer.echo(json.dumps(_facts(order, tally)))
    elif sys.stderr.isatty():
        rate = f"{tally.records / max(seconds, 0.001):,.0f} records/s"
        typer.echo(f"{counted(tally.records, 'record')} stored, {size(tally.size)}, {rate}", err=True)


def _send_all(order: Order, sender: Sender, descriptor: int, advance: Callable[[int], None]) -> None:
    taken = 0
    for number, line in enumerate(lines(descriptor, sender.poll), 1):
        try:
            sender.send(order.format.record(line))
        except BadRecord as error:
            sender.finish()
            stored = counted(sender.tally.records, "record")
            raise ConfigError(f"line {number}: {error} ({stored} before it stored)") from None
        taken += len(line) + 1
        if number % _STRIDE == 0:
            sender.poll()
            advance(taken)


def _facts(order: Order, tally: Tally) -> dict[str, object]:
    offsets = [
        {"partition": partition, "first_offset": first, "last_offset": last}
        for partition, (first, last) in sorted(tally.offsets.items())
    ]
    return {"topic": order.topic, "records": tally.records, "bytes": tally.size, "partitions": offsets}


class _Display:
    """Progress on stderr where that is a terminal, but not between the lines that somebody types."""

    def __init__(self, descriptor: int, tally: Tally) -> None:
        found = os.fstat(descriptor)
        total = found.st_size if stat.S_ISREG(found.st_mode) else None
        columns = TextColumn("{task.description}"), BarColumn()
        console = Console(stderr=True)
        hidden = os.isatty(descriptor) or not console.is_terminal
        self._progress = Progress(*columns, console=console, transient=True, disable=hidden)
        self._task = self._progress.add_task("", total=total)
        self._tally = tally

    def advance(self, taken: int) -> None:
        """`taken`: how many bytes of the input."""
        text = f"{counted(self._tally.records, 'record')} stored"
        self._progress.update(self._task, completed=taken, description=text)

    def __enter__(self) -> _Display:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()
