"""How a record is shown: as text, as a line of JSON, or as bytes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import typer

from kov.tools.records.record import Stored, to_json
from kov.tools.tables import counted
from kov.tools.times import time_text

Format = Callable[[Stored], bytes]

_WIDTH: Final = 16
_HALF: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """A line with the value as it is, and before it the key where there is a separator."""

    key_separator: bytes | None = None
    null: bytes = b""

    def __call__(self, stored: Stored) -> bytes:
        record = stored.record
        value = self.null if record.value is None else record.value
        if self.key_separator is None:
            return value + b"\n"
        return (self.null if record.key is None else record.key) + self.key_separator + value + b"\n"


def for_people(stored: Stored) -> bytes:
    """A line that names the record's place and time; nothing in it reaches the terminal as a command."""
    record = stored.record
    where = typer.style(f"{stored.topic}/{stored.partition} {stored.offset}", fg="cyan")
    when = typer.style(time_text(-1 if record.timestamp_ms is None else record.timestamp_ms), dim=True)
    key = "" if record.key is None else typer.style(_harmless(record.key), fg="green") + "  "
    headers = " ".join(f"{name}={_harmless(value)}" for name, value in record.headers)
    line = f"{where}  {when}  {key}{_harmless(record.value)}"
    return (line + (typer.style(f"  [{headers}]", dim=True) if headers else "") + "\n").encode()


def json_line(stored: Stored) -> bytes:
    return to_json(stored).encode("utf-8", "replace") + b"\n"


def hex_dump(stored: Stored) -> bytes:
    """Several lines, an empty one last."""
    record = stored.record
    when = time_text(-1 if record.timestamp_ms is None else record.timestamp_ms)
    lines = [f"{stored.topic}/{stored.partition} offset {stored.offset}, {when}"]
    parts = [("key", record.key), ("value", record.value)]
    parts += [(f"header {_harmless(name.encode())}", value) for name, value in record.headers]
    for name, data in parts:
        lines.append(f"{name}: null" if data is None else f"{name}: {counted(len(data), 'byte')}")
        lines.extend(_rows(data or b""))
    return ("\n".join(lines) + "\n\n").encode()


def _rows(data: bytes) -> Iterator[str]:
    for at in range(0, len(data), _WIDTH):
        row = data[at : at + _WIDTH]
        halves = row[:_HALF].hex(" ").ljust(3 * _HALF - 1), row[_HALF:].hex(" ").ljust(3 * _HALF - 1)
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        yield f"  {at:08x}  {halves[0]}  {halves[1]}  |{text}|"


def _harmless(data: bytes | None) -> str:
    """Characters that move the cursor or change colours are written as escapes."""
    if data is None:
        return "null"
    text = data.decode("utf-8", "backslashreplace")
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
