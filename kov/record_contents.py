"""The records inside a batch, as far as a check needs them: when, and whether there is a key.

Off the hot path: records are read only for topics whose configuration asks for it, and in batches whose
header is suspicious. Records are Kafka's format v2: a varint length, then attributes, timestamp delta, offset
delta, key and value, each behind its length (-1: null), and headers.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from mmap import mmap
from typing import Final, NamedTuple

import cramjam
from kio.schema.errors import ErrorCode

from kov.errors import KafkaError
from kov.records import HEADER_SIZE, LOG_APPEND_TIME_BIT, BatchHeader, read_header

MAX_CONTENTS_BYTES: Final = 64 * 1024 * 1024
MAX_RECORDS: Final = 500_000  # about a second: everybody else waits meanwhile
_LEAST_RECORD_SIZE: Final = 7
_XERIAL_MAGIC: Final = b"\x82SNAPPY\0"
_XERIAL_HEADER_SIZE: Final = 16
_BLOCK_SIZE: Final = struct.Struct(">i")
_GZIP: Final = 31  # zlib's window bits for a gzip stream


class Record(NamedTuple):
    timestamp_ms: int
    has_key: bool


def read(batch: bytes | memoryview, header: BatchHeader) -> list[Record]:
    """Every record of a batch, as a reader would see its time.

    Raises `KafkaError`: -1 for a payload that doesn't decompress or a codec that doesn't exist, 10 for one
    that grows beyond `MAX_CONTENTS_BYTES` or holds more than `MAX_RECORDS`, 87 for records that aren't what
    the header promises.
    """
    payload = _decompressed(header.codec, memoryview(batch)[HEADER_SIZE:])
    if MAX_RECORDS < header.record_count <= len(payload) // _LEAST_RECORD_SIZE:
        text = f"{header.record_count} records are more than the {MAX_RECORDS} that can be looked at"
        raise KafkaError(ErrorCode.message_too_large, text)
    stamped_ms = header.max_timestamp if header.attributes & LOG_APPEND_TIME_BIT else None
    try:
        records = list(_records(payload, header.record_count, header.base_timestamp, stamped_ms))
    except (IndexError, _Malformed):
        text = f"the payload doesn't hold the {header.record_count} records that the batch counts"
        raise KafkaError(ErrorCode.invalid_record, text) from None
    return records


def first_since(batch: bytes | memoryview, timestamp_ms: int) -> tuple[int, int]:
    """Position in the batch and time of the first record that isn't older than `timestamp_ms`.

    Position 0 and the batch's largest time where there is none, or where the records can't be read.
    """
    header = read_header(batch)
    try:
        for position, record in enumerate(read(batch, header)):
            if record.timestamp_ms >= timestamp_ms:
                return position, record.timestamp_ms
    except KafkaError:
        pass  # stored as it came: nobody has looked into it before
    return 0, header.max_timestamp


class _Malformed(Exception):
    pass


def _records(
    payload: bytes | memoryview, count: int, base_ms: int, stamped_ms: int | None
) -> Iterator[Record]:
    at = 0
    if count > len(payload) // _LEAST_RECORD_SIZE:
        raise _Malformed
    for _ in range(count):
        length, at = _varint(payload, at)
        end = at + length
        delta_ms, at = _varint(payload, at + 1)  # behind the attributes
        _, at = _varint(payload, at)  # the offset delta
        key_size, at = _varint(payload, at)
        value_size, at = _varint(payload, at + max(key_size, 0))
        if _behind_headers(payload, at + max(value_size, 0)) != end:
            raise _Malformed
        yield Record(base_ms + delta_ms if stamped_ms is None else stamped_ms, key_size >= 0)
        at = end
    if at != len(payload):
        raise _Malformed


def _behind_headers(payload: bytes | memoryview, at: int) -> int:
    """Where the record ends whose headers, their count first, begin at `at`."""
    count, at = _varint(payload, at)
    if count < 0:
        raise _Malformed
    for _ in range(count):
        key_size, at = _varint(payload, at)
        if key_size < 0:
            raise _Malformed
        value_size, at = _varint(payload, at + key_size)
        at += max(value_size, 0)
    return at


def _varint(data: bytes | memoryview, at: int) -> tuple[int, int]:
    """A zigzag varint at `at`, and where it ends. IndexError where the data ends before."""
    byte = data[at]
    value, shift = byte & 0x7F, 7
    while byte >= 0x80:
        at += 1
        byte = data[at]
        value |= (byte & 0x7F) << shift
        shift += 7
        if shift > 70:
            raise _Malformed
    return (value >> 1) ^ -(value & 1), at + 1


def _decompressed(codec: int, payload: memoryview) -> bytes | memoryview:
    if codec == 0:
        return payload
    if codec not in _DECOMPRESS:
        raise KafkaError(ErrorCode.unknown_server_error, f"unknown compression codec {codec}")
    try:
        return _DECOMPRESS[codec](payload)
    except (cramjam.DecompressionError, zlib.error, ValueError, struct.error) as error:
        text = f"the records don't decompress: {error}"
        raise KafkaError(ErrorCode.unknown_server_error, text) from error


def _gunzip(payload: memoryview) -> bytes:
    stream = zlib.decompressobj(_GZIP)
    data = stream.decompress(payload, MAX_CONTENTS_BYTES)
    if stream.unconsumed_tail:
        raise _too_large()
    if not stream.eof:
        raise ValueError("the gzip stream is cut")
    return data


def _unsnappy(payload: memoryview) -> bytes:
    """Raw snappy, or the framing of Java's snappy: a header, then blocks with their sizes."""
    if bytes(payload[: len(_XERIAL_MAGIC)]) != _XERIAL_MAGIC:
        return _unsnappy_block(payload, MAX_CONTENTS_BYTES)
    blocks, at, room = [], _XERIAL_HEADER_SIZE, MAX_CONTENTS_BYTES
    while at < len(payload):
        (size,) = _BLOCK_SIZE.unpack_from(payload, at)
        at += _BLOCK_SIZE.size
        if not 0 <= size <= len(payload) - at:
            raise ValueError("a snappy block is cut")
        blocks.append(_unsnappy_block(payload[at : at + size], room))
        room -= len(blocks[-1])
        at += size
    return b"".join(blocks)


def _unsnappy_block(block: memoryview, room: int) -> bytes:
    if cramjam.snappy.decompress_raw_len(block) > room:
        raise _too_large()
    return bytes(cramjam.snappy.decompress_raw(block))


def _bounded(decompress_into: Callable[[memoryview, mmap], int]) -> Callable[[memoryview], bytes]:
    """Decompression into a mapping of the largest size, which is memory only as far as it is written."""

    def decompress(payload: memoryview) -> bytes:
        with mmap(-1, MAX_CONTENTS_BYTES) as room:
            size = decompress_into(payload, room)
            if size >= MAX_CONTENTS_BYTES:
                raise _too_large()
            return room[:size]

    return decompress


def _too_large() -> KafkaError:
    text = f"the records take more than {MAX_CONTENTS_BYTES} bytes when they are decompressed"
    return KafkaError(ErrorCode.message_too_large, text)


_DECOMPRESS: Final[dict[int, Callable[[memoryview], bytes]]] = {
    1: _gunzip,
    2: _unsnappy,
    3: _bounded(cramjam.lz4.decompress_into),
    4: _bounded(cramjam.zstd.decompress_into),
}
