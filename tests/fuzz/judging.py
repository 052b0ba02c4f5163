"""What kov owes a request, told without kov: an answer, a closed connection, silence, or patience."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import Enum
from typing import Final, cast

from kio.static.protocol import Entity, Payload

from kov.handlers import APIS
from kov.wire.schema import request_type, response_type
from tests.fuzz import layout
from tests.fuzz.layout import Layout, Malformed, What
from tests.fuzz.mutating import HEAD
from tests.kov.kafka_table.side import decoded

API_VERSIONS: Final = 18
PRODUCE: Final = 0
FETCH: Final = 1
MOST_REQUEST_BYTES: Final = 104_857_600
"""Kafka's `socket.request.max.bytes`: it closes the connection upon the size of a larger request, unread."""
PATIENT_MS: Final = 2_000
_LAST_DATE_MS: Final = 253_402_300_799_999  # of the year 9999
"""A fetch that may wait for longer isn't waited for."""
_LONG_BYTES: Final = 10_000
_ACLS: Final = frozenset({29, 30, 31})
_NEVER_UNKNOWN: Final = (
    "resource_type",
    "resource_type_filter",
    "resource_pattern_type",
    "pattern_type_filter",
    "operation",
    "permission_type",
)


class Owed(Enum):
    ANSWER = "an answer"
    CLOSE = "a closed connection"
    SILENCE = "no answer, and a closed connection where something is refused"
    EITHER = "an answer or a closed connection"
    WAIT = "an answer some day"


def owed(frame: bytes) -> Owed:
    """For a request without its size."""
    if not HEAD.size <= len(frame) <= MOST_REQUEST_BYTES:
        return Owed.CLOSE
    api_key, version, _ = HEAD.unpack_from(frame)
    if api_key not in APIS:
        return Owed.CLOSE
    if version not in APIS[api_key].versions:
        return Owed.ANSWER if api_key == API_VERSIONS else Owed.CLOSE
    try:
        found = layout.of_request(frame, request_type(api_key, version))
    except Malformed:
        return Owed.CLOSE
    if found.doubtful:
        return Owed.EITHER
    return _of_whole(api_key, frame, found)


def _of_whole(api_key: int, frame: bytes, found: Layout) -> Owed:
    if api_key == PRODUCE and number(frame, found, "acks") == 0:
        return Owed.SILENCE
    if api_key == FETCH and number(frame, found, "max_wait") > PATIENT_MS:
        return Owed.WAIT
    if api_key in _ACLS and any(0 in _numbers(frame, found, name) for name in _NEVER_UNKNOWN):
        return Owed.CLOSE  # as Kafka
    return Owed.EITHER if _is_long(frame, found) else Owed.ANSWER


def _is_long(frame: bytes, found: Layout) -> bool:
    """Whether an answer that repeats its texts, in messages too, may have no form in an old version."""
    texts = (frame[span.begin : span.end] for span in found.spans if span.what is What.TEXT)
    return any(len(str(text, "utf-8", "replace").encode()) > _LONG_BYTES for text in texts)


def number(frame: bytes, found: Layout, name: str) -> int:
    """The first number of that name."""
    return next(_numbers(frame, found, name))


def _numbers(frame: bytes, found: Layout, name: str) -> Iterator[int]:
    for span in found.spans:
        if span.what is What.NUMBER and span.name == name:
            yield int.from_bytes(frame[span.begin : span.end], "big", signed=True)


class WrongAnswer(Exception):
    """What kov sent isn't the answer to what it was sent."""


def answer_to(frame: bytes, data: bytes) -> Payload:
    """The answer `data`, without its size, to the request `frame`, as kio reads it. Raises `WrongAnswer`.

    kio's reader ends the process where a length isn't true, so all of it is walked through before. Python's
    dates end with the year 9999: a later time of a record, which Kafka stores and tells as well, reads as 0.
    """
    api_key, version, correlation_id = HEAD.unpack_from(frame)
    if version not in APIS[api_key].versions:
        version = 0
    if len(data) < 4 or struct.unpack_from(">i", data) != (correlation_id,):
        raise WrongAnswer(f"the answer to request {correlation_id} begins with {data[:4].hex()}")
    schema = response_type(api_key, version)
    try:
        found = layout.of_answer(data, schema, tagged_header=_has_tags(schema))
        if found.doubtful or found.end != len(data):
            raise Malformed(f"it ends at {found.end} of {len(data)}")
        return decoded(api_key, version, _within_dates(data, found))
    except (Malformed, AssertionError, ValueError, OverflowError) as error:
        raise WrongAnswer(f"the answer can't be read: {error!r}") from error


def _within_dates(data: bytes, found: Layout) -> bytes:
    changed = bytearray(data)
    for span in found.spans:
        if span.what is What.NUMBER and span.name == "log_append_time":
            told = int.from_bytes(data[span.begin : span.end], "big", signed=True)
            if told > _LAST_DATE_MS:
                changed[span.begin : span.end] = bytes(8)
    return bytes(changed)


def _has_tags(schema: type[Payload]) -> bool:
    header = cast("type[Entity]", schema.__header_schema__)
    return header.__flexible__
