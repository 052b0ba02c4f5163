"""How entries lie in the database: pure functions between sequence numbers, keys and stored bytes.

A *record* holds one run of consecutive entries of one append. Its key is

    log stream id | first LLSN | first GLSN | number of entries | checksum      (big-endian)

so that the records of a log stream lie in LLSN order, its last record is found without a scan, and a
position is found by LLSN as well as by GLSN (both grow together) from keys alone, without touching the
entries. The value is the entries as field 3 of an AppendRequest, byte for byte as they came. The
checksum (CRC-32C) covers the rest of the key and the value: LMDB itself has none.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from crc32c import crc32c

_KEY = Struct(">IQQII")
_HEAD = Struct(">IQQI")
_POSITION = Struct(">IQ")
_CHECKSUM = Struct(">I")

PAYLOAD_TAG = 0x1A
"""Field 3, length-delimited: what stands before every entry of a record."""


class Damaged(Exception):
    """Stored bytes are not what was written; `reason` names what is damaged."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class RecordHead(NamedTuple):
    """A record's key."""

    log_stream_id: int
    llsn: int
    glsn: int
    entry_count: int
    checksum: int

    @property
    def last_llsn(self) -> int:
        return self.llsn + self.entry_count - 1

    @property
    def last_glsn(self) -> int:
        return self.glsn + self.entry_count - 1


def position(log_stream_id: int, llsn: int) -> bytes:
    """Sorts before every record of the log stream that begins at `llsn` or later."""
    return _POSITION.pack(log_stream_id, llsn)


def record_key(log_stream_id: int, llsn: int, glsn: int, count: int, body: bytes | memoryview) -> bytes:
    head = _HEAD.pack(log_stream_id, llsn, glsn, count)
    return head + _CHECKSUM.pack(crc32c(body, crc32c(head)))


def parse_key(key: bytes | memoryview) -> RecordHead:
    """Raises `Damaged` if it is no record's key."""
    if len(key) != _KEY.size:
        raise Damaged(f"a key of {len(key)} bytes")
    return RecordHead(*_KEY.unpack(key))


def check(key: bytes | memoryview, head: RecordHead, body: memoryview) -> None:
    """Raises `Damaged` if key and body are not the ones that were written together."""
    if crc32c(body, crc32c(key[: _HEAD.size])) != head.checksum:
        last = head.last_llsn
        raise Damaged(f"log stream {head.log_stream_id}, LLSN {head.llsn} to {last}: checksum mismatch")


def entries(body: memoryview) -> Iterator[memoryview]:
    """The payloads of a checked record, in order."""
    offset, end = 0, len(body)
    while offset < end:
        size, offset = read_varint(body, offset + 1)
        yield body[offset : offset + size]
        offset += size


def read_varint(buffer: bytes | memoryview, offset: int) -> tuple[int, int]:
    """The number at `offset` and the offset behind it. IndexError: there is none."""
    byte = buffer[offset]
    if byte < 0x80:
        return byte, offset + 1
    value, shift = byte & 0x7F, 7
    while shift < 70:
        offset += 1
        byte = buffer[offset]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, offset + 1
        shift += 7
    raise IndexError("a number of more than ten bytes")


def varint(value: int) -> bytes:
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
