"""What a producer's application sent and was told, one line each in a file: written there, read here.

    S number topic partition time      handed to the client library
    A number partition offset time     acknowledged; offset -1: the library knows that it is stored, not where
    F number error time text           failed: `error` is the library's name for it
    E time                             the producer ended by itself, everything else was written before

Times are the system's monotonic clock, the same in all processes.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

UNKNOWN_OFFSET: Final = -1
"""librdkafka's idempotent producer concludes from an answer that what it sent before is stored, too."""


class Place(NamedTuple):
    topic: str
    partition: int


@dataclass(slots=True)
class Sent:
    """One record, and what became of it as far as its producer knows. `at` is when it was told."""

    producer: str
    number: int
    place: Place
    since: float
    at: float | None = None
    offset: int | None = None
    error: str | None = None

    @property
    def name(self) -> str:
        return f"{self.producer}/{self.number}"


class BookWriter:
    """Any thread may write: each line is one system call."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.unanswered = 0
        self.failed_in_a_row = 0

    def sent(self, number: int, place: Place) -> None:
        self.unanswered += 1
        self._write(f"S {number} {place.topic} {place.partition} {time.monotonic():.4f}")

    def acknowledged(self, number: int, partition: int, offset: int | None) -> None:
        self.unanswered -= 1
        self.failed_in_a_row = 0
        known = UNKNOWN_OFFSET if offset is None else offset
        self._write(f"A {number} {partition} {known} {time.monotonic():.4f}")

    def failed(self, number: int, error: str, text: str) -> None:
        self.unanswered -= 1
        self.failed_in_a_row += 1
        self._write(f"F {number} {error} {time.monotonic():.4f} {' '.join(text.split())}")

    def ended(self) -> None:
        self._write(f"E {time.monotonic():.4f}")

    def _write(self, line: str) -> None:
        os.write(self._file, line.encode() + b"\n")


@dataclass(slots=True)
class Book:
    """Follows the file of `producer` while it grows; only whole lines count."""

    path: Path
    producer: str
    sent: list[Sent] = field(default_factory=list)
    told_twice: list[str] = field(default_factory=list)
    ended: bool = False
    _waiting: dict[int, Sent] = field(default_factory=dict)
    _read: int = 0

    def follow(self) -> None:
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self._read)
            whole = file.read().rpartition(b"\n")[0]
        if whole:
            self._read += len(whole) + 1
            for line in whole.decode().split("\n"):
                self._take(line)

    def oldest(self) -> float | None:
        """Since when the longest waiting record has waited."""
        return next(iter(self._waiting.values())).since if self._waiting else None

    def _take(self, line: str) -> None:
        kind, *words = line.split(" ")
        match kind, words:
            case "S", [number, topic, partition, since]:
                sent = Sent(self.producer, int(number), Place(topic, int(partition)), float(since))
                self.sent.append(sent)
                self._waiting[sent.number] = sent
            case "A", [number, partition, offset, at]:
                told = self._told(int(number))
                if told is not None:
                    told.at, told.offset = float(at), int(offset)
                    told.place = Place(told.place.topic, int(partition))
            case "F", [number, error, at, *text]:
                told = self._told(int(number))
                if told is not None:
                    told.at, told.error = float(at), " ".join([error, *text])
            case "E", [_]:
                self.ended = True
            case _:
                raise ValueError(f"{self.path}: {line!r} is no line of a book")

    def _told(self, number: int) -> Sent | None:
        sent = self._waiting.pop(number, None)
        if sent is None:
            self.told_twice.append(f"{self.producer}/{number}")
        return sent
