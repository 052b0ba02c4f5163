"""Lines of a file, and what record each of them is."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from kov.tools.records.record import Header, Record, from_json

_CHUNK: Final = 1 << 20
_LOOK_S: Final = 0.1


def lines(descriptor: int, idle: Callable[[], object]) -> Iterator[bytes]:
    """The lines without their ends, the last one also if it has none; `idle` is called while none comes."""
    parts: list[bytes] = []
    while True:
        while not select.select([descriptor], [], [], _LOOK_S)[0]:
            idle()
        chunk = os.read(descriptor, _CHUNK)
        if not chunk:
            break
        *whole, rest = chunk.split(b"\n")
        for line in whole:
            parts.append(line)
            yield b"".join(parts)
            parts.clear()
        parts.append(rest)
    if last := b"".join(parts):
        yield last


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFormat:
    """How a line becomes a record: JSON, or its text, split at `key_separator` if there is one.

    A text equal to `null` stands for null. `headers` are added to those of the line.
    """

    json: bool = False
    key_separator: bytes | None = None
    null: bytes | None = None
    headers: Sequence[Header] = ()

    def record(self, line: bytes) -> Record:
        """Raises BadRecord. A line without the separator is a value without a key."""
        if self.json:
            told = from_json(line)
            return Record(
                key=told.key,
                value=told.value,
                headers=(*told.headers, *self.headers),
                timestamp_ms=told.timestamp_ms,
            )
        key, value = None, line
        if self.key_separator is not None and self.key_separator in line:
            key, value = line.split(self.key_separator, 1)
        return Record(key=self._null(key), value=self._null(value), headers=tuple(self.headers))

    def _null(self, text: bytes | None) -> bytes | None:
        return None if text == self.null else text
