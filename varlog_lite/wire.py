"""The messages of the hot path, read and written without message objects.

An append is parsed only as far as needed: the two ids and where each payload begins and ends; the
payload bytes go to the store as they lie in the request. Answers to reads are joined from a prefix and
the stored bytes, one copy. All functions are pure.
"""

from __future__ import annotations

from typing import NamedTuple

from google.protobuf.message import DecodeError

from varlog_client.pb import snpb_pb2
from varlog_lite.layout import PAYLOAD_TAG, read_varint, varint

MAX_RUN_BYTES = 256 * 1024
"""A run is cut once it has this size, so a reader in the middle of a large batch checks little more
than it needs; a single larger entry is a run of its own."""

_TOPIC_TAG, _LOG_STREAM_TAG = 0x08, 0x10


class MalformedRequest(Exception):
    """The bytes are no AppendRequest."""


class Run(NamedTuple):
    """Consecutive payloads of one request, as they lie on the wire; stored as one record."""

    body: memoryview
    entry_count: int


class AppendRequest(NamedTuple):
    topic_id: int
    log_stream_id: int
    runs: list[Run]
    entry_count: int


def parse_append(raw: bytes) -> AppendRequest:
    """Raises MalformedRequest. The runs point into `raw`: no payload is copied."""
    try:
        topic_id, offset = _optional_id(raw, _TOPIC_TAG, 0)
        log_stream_id, offset = _optional_id(raw, _LOG_STREAM_TAG, offset)
        runs = _runs(raw, offset)
    except IndexError as error:
        raise MalformedRequest from error
    if runs is None:
        return _parse_unusual(raw)
    return AppendRequest(topic_id, log_stream_id, runs, sum(run.entry_count for run in runs))


def _optional_id(raw: bytes, tag: int, offset: int) -> tuple[int, int]:
    if offset >= len(raw) or raw[offset] != tag:
        return 0, offset
    value, offset = read_varint(raw, offset + 1)
    return _int32(value), offset


def _int32(value: int) -> int:
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value & 0x80000000 else value


def _runs(raw: bytes, offset: int) -> list[Run] | None:
    """The payloads from `offset` on; None where another field stands among them."""
    view, end = memoryview(raw), len(raw)
    runs: list[Run] = []
    start, count = offset, 0
    while offset < end:
        if raw[offset] != PAYLOAD_TAG:
            return None
        size, offset = read_varint(raw, offset + 1)
        offset += size
        if offset > end:
            raise MalformedRequest
        count += 1
        if offset - start >= MAX_RUN_BYTES:
            runs.append(Run(view[start:offset], count))
            start, count = offset, 0
    if count:
        runs.append(Run(view[start:end], count))
    return runs


def _parse_unusual(raw: bytes) -> AppendRequest:
    """Any other legal order of fields, and fields unknown to us: rewritten into the usual form."""
    try:
        request = snpb_pb2.AppendRequest.FromString(raw)
    except DecodeError as error:
        raise MalformedRequest from error
    usual = snpb_pb2.AppendRequest(payload=request.payload).SerializeToString()
    runs = _runs(usual, 0) or []
    return AppendRequest(request.topic_id, request.log_stream_id, runs, len(request.payload))


def append_response(topic_id: int, log_stream_id: int, glsn: int, llsn: int, count: int) -> bytes:
    """An AppendResponse for `count` entries from (glsn, llsn) on."""
    head = b"\x08" + varint(topic_id) + b"\x10" + varint(log_stream_id) + b"\x18"
    results = []
    for index in range(count):
        meta = head + varint(glsn + index) + b"\x20" + varint(llsn + index)
        # A meta has at most 34 bytes, so each of the three lengths is a single byte.
        results.append(bytes((0x0A, len(meta) + 2, 0x0A, len(meta))) + meta)
    return b"".join(results)


def subscribe_response(glsn: int, llsn: int, payload: memoryview) -> bytes:
    prefix = b"\x08" + varint(glsn) + b"\x10" + varint(llsn) + b"\x1a" + varint(len(payload))
    return b"".join((prefix, payload))


class SubscribeToEncoder:
    """Makes SubscribeToResponses of one log stream. They carry no GLSN, as in Varlog."""

    def __init__(self, topic_id: int, log_stream_id: int) -> None:
        self._ids = b"\x08" + varint(topic_id) + b"\x10" + varint(log_stream_id) + b"\x20"

    def __call__(self, _glsn: int, llsn: int, payload: memoryview) -> bytes:
        meta = self._ids + varint(llsn)
        inner = b"\x0a" + varint(len(meta)) + meta + b"\x12" + varint(len(payload))
        prefix = b"\x0a" + varint(len(inner) + len(payload)) + inner
        return b"".join((prefix, payload))
