"""One record as `kov produce` sends and `kov cat` shows it, and its form as a line of JSON. Pure."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass

Header = tuple[str, bytes | None]


class BadRecord(ValueError):
    """The text says what is wrong with a line, and what to write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    key: bytes | None
    value: bytes | None
    headers: tuple[Header, ...] = ()
    timestamp_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A record and where it lies."""

    topic: str
    partition: int
    offset: int
    record: Record


def to_json(stored: Stored) -> str:
    """Bytes that are UTF-8 as a string, others as {"base64": "..."}; null is null."""
    record = stored.record
    return json.dumps(
        {
            "topic": stored.topic,
            "partition": stored.partition,
            "offset": stored.offset,
            "timestamp": record.timestamp_ms,
            "key": _shown(record.key),
            "value": _shown(record.value),
            "headers": [[name, _shown(value)] for name, value in record.headers],
        },
        ensure_ascii=False,
    )


def from_json(line: bytes) -> Record:
    """The record of such a line, wherever it lay; all keys may be left out. Raises BadRecord."""
    try:
        told = json.loads(line)
    except ValueError as error:
        raise BadRecord(f"this is not JSON: {error}") from None
    if not isinstance(told, dict):
        raise BadRecord('this is no JSON object; write for example {"key": "a", "value": "b"}')
    timestamp = told.get("timestamp")
    if timestamp is not None and (type(timestamp) is not int or timestamp < 0):
        raise BadRecord(f"timestamp: {timestamp!r} is no number of milliseconds since 1970")
    return Record(
        key=_bytes(told.get("key"), "key"),
        value=_bytes(told.get("value"), "value"),
        headers=_headers(told.get("headers") or []),
        timestamp_ms=timestamp,
    )


def _shown(data: bytes | None) -> object:
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


def _bytes(told: object, where: str) -> bytes | None:
    if told is None:
        return None
    if isinstance(told, str):
        return told.encode("utf-8", "surrogateescape")
    if isinstance(told, dict) and isinstance(told.get("base64"), str):
        try:
            return base64.b64decode(told["base64"], validate=True)
        except binascii.Error:
            raise BadRecord(f"{where}: this is not base64") from None
    raise BadRecord(f'{where}: {told!r} is no string, null or {{"base64": "..."}}')


def _headers(told: object) -> tuple[Header, ...]:
    pairs = list(told.items()) if isinstance(told, dict) else told
    if not isinstance(pairs, list):
        raise BadRecord('headers: write [["name", "value"], ...]')
    headers = []
    for pair in pairs:
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not isinstance(pair[0], str):
            raise BadRecord('headers: write [["name", "value"], ...]')
        headers.append((pair[0], _bytes(pair[1], f"headers: {pair[0]}")))
    return tuple(headers)
