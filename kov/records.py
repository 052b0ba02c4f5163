"""The header of a Kafka record batch (format v2): find it, read it, stamp it.

Nothing here looks at a record: the batch stays as the producer sent it, still compressed. What a batch has to
be like is checked in `record_checks`.

    0 base offset · 8 length · 12 leader epoch · 16 magic · 17 CRC-32C of all from 21 on · 21 attributes
    23 last offset delta · 27 base timestamp · 35 max timestamp · 43 producer id · 51 producer epoch
    53 base sequence · 57 record count · 61 records
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from crc32c import crc32c
from kio.schema.errors import ErrorCode

from kov.errors import KafkaError

HEADER_SIZE: Final = 61
_FRAMING: Final = 12  # base offset and length: what `length` doesn't count
_CRC_FROM: Final = 21
_MIN_LEGACY_SIZE: Final = 14  # the smallest record overhead of any message format
_MAGIC_AT: Final = 16
_ATTRIBUTES_AT: Final = 22  # the byte that holds all of them
_MAGIC: Final = 2
_MAX_INT32: Final = 2**31 - 1
_HEADER: Final = struct.Struct(">qiibIhiqqqhii")
_STAMP: Final = struct.Struct(">q")
_EPOCH: Final = struct.Struct(">i")
_LENGTH: Final = struct.Struct(">i")
_TIMES: Final = struct.Struct(">hiqq")
_CRC: Final = struct.Struct(">I")

CODEC_MASK: Final = 0x07
CODEC_ZSTD: Final = 4
LOG_APPEND_TIME_BIT: Final = 0x08
TRANSACTIONAL_BIT: Final = 0x10
CONTROL_BIT: Final = 0x20
NO_PRODUCER_ID: Final = -1
MAX_SEQUENCE: Final = 2**31 - 1


class BatchHeader(NamedTuple):
    base_offset: int
    length: int
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    base_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    record_count: int

    @property
    def codec(self) -> int:
        return self.attributes & CODEC_MASK

    @property
    def idempotent(self) -> bool:
        """Kafka takes any negative producer id for none."""
        return self.producer_id > NO_PRODUCER_ID

    @property
    def last_sequence(self) -> int:
        """Sequences wrap from 2^31-1 to 0, so arithmetic is modulo 2^31."""
        return (self.base_sequence + self.record_count - 1) & MAX_SEQUENCE


def read_header(batch: bytes | memoryview) -> BatchHeader:
    """The header as it stands; nothing is checked but that `batch` is long enough (`struct.error`)."""
    return BatchHeader._make(_HEADER.unpack_from(batch))


def parse(records: bytes | memoryview | None) -> BatchHeader:
    """The header of the one batch that `sole_batch` finds; raises what that raises."""
    return read_header(sole_batch(records))


def sole_batch(records: bytes | memoryview | None) -> bytes | memoryview:
    """The only record batch of a Produce request's records, without the cut batch that may follow it.

    Raises `KafkaError`: 87 for none, several, a cut one or an older format; 2 for what no format has; -1 for
    a length that Kafka can't add to. The order is that of `ProduceRequest.validateRecords` over
    `ByteBufferLogInputStream.nextBatch`.
    """
    data = b"" if records is None else records
    size = _batch_size(data, 0)
    if size is None:
        raise KafkaError(ErrorCode.invalid_record, "the request has no whole record batch for this partition")
    if data[_MAGIC_AT] != _MAGIC:
        raise KafkaError(
            ErrorCode.invalid_record,
            f"message format v{data[_MAGIC_AT]} is not allowed here, only v{_MAGIC} record batches",
        )
    if size < len(data) and _batch_size(data, size) is not None:
        raise KafkaError(
            ErrorCode.invalid_record, "the records of a partition must be exactly one record batch"
        )
    if size < HEADER_SIZE:
        raise KafkaError(ErrorCode.corrupt_message, "the record batch is smaller than its header")
    return data if size == len(data) else data[:size]


def _batch_size(data: bytes | memoryview, at: int) -> int | None:
    """The size of the batch of any format that begins at `at`; None where there is no whole one."""
    left = len(data) - at
    if left < _FRAMING:
        return None
    length: int = _LENGTH.unpack_from(data, at + 8)[0]
    if length < _MIN_LEGACY_SIZE:
        raise KafkaError(ErrorCode.corrupt_message, f"a record batch claims a length of {length} bytes")
    if left <= _MAGIC_AT:
        return None
    magic = data[at + _MAGIC_AT]
    if magic > _MAGIC:
        raise KafkaError(ErrorCode.corrupt_message, f"no message format has the magic byte {magic}")
    if length > _MAX_INT32 - _FRAMING:
        raise KafkaError(ErrorCode.unknown_server_error, f"no record batch can have {length} bytes")
    size = _FRAMING + length
    return size if size <= left else None


def is_transactional(records: bytes | memoryview | None) -> bool:
    """Whether the records begin with a whole batch of a transaction. Looks at nothing else, never raises."""
    if records is None or len(records) < HEADER_SIZE or not records[_ATTRIBUTES_AT] & TRANSACTIONAL_BIT:
        return False
    header = read_header(records)
    return header.magic == _MAGIC and 0 <= header.length <= len(records) - _FRAMING


def stamp(batch: bytes | memoryview, base_offset: int, epoch: int) -> bytes:
    """A copy of `batch` at its place in the log. Both fields lie outside the checksum."""
    view = memoryview(batch)
    return b"".join((_STAMP.pack(base_offset), view[8:12], _EPOCH.pack(epoch), view[16:]))


def with_append_time(batch: bytes | memoryview, header: BatchHeader, now_ms: int) -> bytes:
    """A copy of `batch` with the timestamp type LogAppendTime, its max timestamp `now_ms`, a new checksum.

    As in Kafka, the records keep the producer's deltas: readers take the batch's max timestamp instead.
    """
    return _with_times(batch, header, header.attributes | LOG_APPEND_TIME_BIT, now_ms)


def with_create_time(batch: bytes | memoryview, header: BatchHeader) -> bytes:
    """A copy of `batch` with the timestamp type CreateTime and a new checksum."""
    return _with_times(batch, header, header.attributes & ~LOG_APPEND_TIME_BIT, header.max_timestamp)


def _with_times(batch: bytes | memoryview, header: BatchHeader, attributes: int, max_timestamp: int) -> bytes:
    copy = bytearray(batch)
    _TIMES.pack_into(copy, 21, attributes, header.last_offset_delta, header.base_timestamp, max_timestamp)
    _CRC.pack_into(copy, 17, checksum(copy))
    return bytes(copy)


def checksum(batch: bytes | bytearray | memoryview) -> int:
    """The CRC-32C that belongs into `batch`'s header."""
    return crc32c(memoryview(batch)[_CRC_FROM:])
