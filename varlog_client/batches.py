"""A batch's bytes on their way out, its answer's bytes on their way in.

A request is put together by hand: building the protobuf message first would copy every payload once more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TypeAlias, overload

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
    if memoryview not in set(map(type, payloads)):  # there `len` counts items, not bytes
        sizes = set(map(len, payloads))
        if len(sizes) == 1:  # the usual batch, put together without a step for each payload
            return _header(sizes.pop()).join((ids, *payloads))
    parts: list[Payload] = [ids]
    for payload in payloads:
        size = payload.nbytes if isinstance(payload, memoryview) else len(payload)
        parts += (_header(size), payload)
    return b"".join(parts)


class Metas(Sequence[EntryMeta]):
    """Where the entries of a batch lie; a meta is made when it is looked at. Equal to a list of the same."""

    __slots__ = ("_log_stream_id", "_results", "_topic_id")

    def __init__(
        self, topic_id: TopicId, log_stream_id: LogStreamId, results: Sequence[snpb_pb2.AppendResult]
    ) -> None:
        self._topic_id = topic_id
        self._log_stream_id = log_stream_id
        self._results = results

    def __len__(self) -> int:
        return len(self._results)

    @overload
    def __getitem__(self, index: int) -> EntryMeta: ...
    @overload
    def __getitem__(self, index: slice) -> list[EntryMeta]: ...
    def __getitem__(self, index: int | slice) -> EntryMeta | list[EntryMeta]:
        if isinstance(index, slice):
            return [self._meta(result) for result in self._results[index]]
        return self._meta(self._results[index])

    def __iter__(self) -> Iterator[EntryMeta]:
        return map(self._meta, self._results)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, list | Metas):
            return NotImplemented
        return len(self) == len(other) and all(map(EntryMeta.__eq__, self, other))

    __hash__ = None  # type: ignore[assignment]  # as lists have none

    def __repr__(self) -> str:
        return repr(list(self))

    def _meta(self, result: snpb_pb2.AppendResult) -> EntryMeta:
        meta = result.meta
        return EntryMeta(self._topic_id, self._log_stream_id, GLSN(meta.glsn), LLSN(meta.llsn))


def decode_response(
    response: bytes, topic_id: TopicId, log_stream_id: LogStreamId, *, entries: int
) -> Sequence[EntryMeta]:
    """Where the `entries` of a batch lie: one meta each, LLSNs consecutive. Raises `ProtocolBroken`."""
    try:
        results = snpb_pb2.AppendResponse.FromString(response).results
    except DecodeError as error:
        raise ProtocolBroken("something else than an AppendResponse") from error
    if not entries or len(results) != entries:
        raise ProtocolBroken(f"{len(results)} results for {entries} entries")
    first, last = results[0].meta.llsn, results[-1].meta.llsn
    if first < 1 or last - first != entries - 1:
        raise ProtocolBroken(f"LLSNs {first} to {last} for {entries} entries")
    return Metas(topic_id, log_stream_id, results)


@lru_cache(maxsize=1024)
def _header(size: int) -> bytes:
    """What stands before a payload: its tag, and its size as a varint."""
    header = bytearray(_PAYLOAD_TAG)
    while size > 0x7F:
        header.append(size & 0x7F | 0x80)
        size >>= 7
    header.append(size)
    return bytes(header)
