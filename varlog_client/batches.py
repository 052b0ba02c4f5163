"""A batch's bytes on their way out, its answer's bytes on their way in.

A request is put together by hand: building the protobuf message first would copy every payload once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TypeAlias

from google.protobuf.message import DecodeError

from varlog_client.callbacks import Callback
from varlog_client.pb import snpb_pb2
from varlog_client.types import GLSN, LLSN, EntryMeta, LogStreamId, TopicId

Payload: TypeAlias = bytes | bytearray | memoryview

_PAYLOAD_TAG = b"\x1a"  # AppendRequest.payload: field 3, length-delimited


class Batch:
    """One that was accepted and is not answered; `since` is when it was accepted, then when it was sent."""

    __slots__ = ("callback", "entries", "request", "since")

    def __init__(self, request: bytes, entries: int, callback: Callback, since: float) -> None:
        self.request = request
        self.entries = entries
        self.callback = callback
        self.since = since


class ProtocolBroken(Exception):
    """A storage node answered what it must not; the message says what."""


def encode_ids(topic_id: TopicId, log_stream_id: LogStreamId) -> bytes:
    """What every request of a stream begins with."""
    return snpb_pb2.AppendRequest(topic_id=topic_id, log_stream_id=log_stream_id).SerializeToString()


def encode_request(ids: bytes, payloads: Sequence[Payload]) -> bytes:
    """An AppendRequest. Copies each payload once; raises `TypeError` for what is no payload."""
    parts: list[Payload] = [ids]
    for payload in payloads:
        size = payload.nbytes if isinstance(payload, memoryview) else len(payload)
        parts += (_header(size), payload)
    return b"".join(parts)


def decode_response(
    response: bytes, topic_id: TopicId, log_stream_id: LogStreamId, *, entries: int
) -> list[EntryMeta]:
    """Where the `entries` of a batch lie: one meta each, LLSNs consecutive. Raises `ProtocolBroken`."""
    try:
        results = snpb_pb2.AppendResponse.FromString(response).results
    except DecodeError as error:
        raise ProtocolBroken("something else than an AppendResponse") from error
    if not entries or len(results) != entries:
        raise ProtocolBroken(f"{len(results)} results for {entries} entries")
    found = [result.meta for result in results]
    metas = [EntryMeta(topic_id, log_stream_id, GLSN(meta.glsn), LLSN(meta.llsn)) for meta in found]
    first, last = metas[0].llsn, metas[-1].llsn
    if first < 1 or last - first != entries - 1:
        raise ProtocolBroken(f"LLSNs {first} to {last} for {entries} entries")
    return metas


@lru_cache(maxsize=1024)
def _header(size: int) -> bytes:
    """What stands before a payload: its tag, and its size as a varint."""
    header = bytearray(_PAYLOAD_TAG)
    while size > 0x7F:
        header.append(size & 0x7F | 0x80)
        size >>= 7
    header.append(size)
    return bytes(header)
