"""The header of a Kafka record batch (format v2): parse it, check it, stamp it.

Nothing here looks at a record: the batch stays as the producer sent it, still compressed. The layout and
the order of the checks are Kafka's (`ProduceRequest.validateRecords`, then `UnifiedLog`, then
`LogValidator`).

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
_HEADER: Final = struct.Struct(">qiibIhiqqqhii")
_STAMP: Final = struct.Struct(">q")
_EPOCH: Final = struct.Struct(">i")
_LENGTH: Final = struct.Struct(">i")
_TIMES: Final = struct.Struct(">hiqq")
_CRC: Final = struct.Struct(">I")

CODEC_MASK: Final = 0x07
CODEC_ZSTD: Final = 4
LOG_APPEND_TIME_BIT: Final = 0x08
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
        return self.producer_id != NO_PRODUCER_ID

    @property
    def last_sequence(self) -> int:
        """Sequences wrap from 2^31-1 to 0, so arithmetic is modulo 2^31."""
        return (self.base_sequence + self.record_count - 1) & MAX_SEQUENCE


def read_header(batch: bytes | memoryview) -> BatchHeader:
    """The header as it stands; nothing is checked but that `batch` is long enough (`struct.error`)."""
    return BatchHeader._make(_HEADER.unpack_from(batch))


def parse(records: bytes | memoryview | None) -> BatchHeader:
    """The header of a Produce request's records, which are exactly one whole v2 batch.

    Raises `KafkaError`: 87 for none, several, or a cut one, or an older format; 2 for what no format
    has. (`ProduceRequest.validateRecords`, `ByteBufferLogInputStream.nextBatchSize`.)
    """
    size = len(records) if records is not None else 0
    if records is None or size <= 16:
        raise KafkaError(ErrorCode.invalid_record, "the request has no record batch for this partition")
    length: int = _LENGTH.unpack_from(records, 8)[0]
    magic = records[16]
    if length < _MIN_LEGACY_SIZE:
        raise KafkaError(ErrorCode.corrupt_message, f"the record batch claims a length of {length} bytes")
    if magic > 2:
        raise KafkaError(ErrorCode.corrupt_message, f"no message format has the magic byte {magic}")
    if _FRAMING + length > size:
        raise KafkaError(ErrorCode.invalid_record, "the record batch is cut short")
    if magic != 2:
        raise KafkaError(
            ErrorCode.invalid_record, f"message format v{magic} is not allowed here, only v2 record batches"
        )
    if _FRAMING + length < HEADER_SIZE:
        raise KafkaError(ErrorCode.corrupt_message, "the record batch is smaller than its header")
    if _FRAMING + length < size:
        raise KafkaError(
            ErrorCode.invalid_record, "the records of a partition must be exactly one record batch"
        )
    return read_header(records)


def check(batch: bytes | memoryview, header: BatchHeader, max_message_bytes: int) -> None:
    """Refuses what Kafka's log refuses, in its order; `header` is what `parse` returned for `batch`."""
    if header.base_offset != 0:
        raise _invalid(f"the base offset of a new batch must be 0, not {header.base_offset}")
    if len(batch) > max_message_bytes:
        raise KafkaError(
            ErrorCode.message_too_large,
            f"the record batch has {len(batch)} bytes, max.message.bytes allows {max_message_bytes}",
        )
    if crc32c(memoryview(batch)[_CRC_FROM:]) != header.crc:
        raise KafkaError(ErrorCode.corrupt_message, "the record batch doesn't match its checksum")
    _check_contents(header)


def _check_contents(header: BatchHeader) -> None:
    if header.record_count <= 0 or header.last_offset_delta != header.record_count - 1:
        raise _invalid(
            f"the batch counts {header.record_count} records, but ends at offset {header.last_offset_delta}"
        )
    if header.attributes & CONTROL_BIT:
        raise _invalid("clients are not allowed to write control batches")
    if header.idempotent and header.base_sequence < 0:
        raise _invalid(f"producer id {header.producer_id} comes with the sequence {header.base_sequence}")
    if header.attributes & LOG_APPEND_TIME_BIT:
        raise KafkaError(
            ErrorCode.invalid_timestamp, "a producer must not set the timestamp type LogAppendTime"
        )
    if header.codec > CODEC_ZSTD:
        raise KafkaError(ErrorCode.unknown_server_error, f"unknown compression codec {header.codec}")


def _invalid(message: str) -> KafkaError:
    return KafkaError(ErrorCode.invalid_record, message)


def stamp(batch: bytes | memoryview, base_offset: int, epoch: int) -> bytes:
    """A copy of `batch` at its place in the log. Both fields lie outside the checksum."""
    view = memoryview(batch)
    return b"".join((_STAMP.pack(base_offset), view[8:12], _EPOCH.pack(epoch), view[16:]))


def with_append_time(batch: bytes | memoryview, header: BatchHeader, now_ms: int) -> bytes:
    """A copy of `batch` with the timestamp type LogAppendTime, its max timestamp `now_ms`, a new checksum.

    As in Kafka, the records keep the producer's deltas: readers take the batch's max timestamp instead.
    """
    copy = bytearray(batch)
    attributes = header.attributes | LOG_APPEND_TIME_BIT
    _TIMES.pack_into(copy, 21, attributes, header.last_offset_delta, header.base_timestamp, now_ms)
    _CRC.pack_into(copy, 17, crc32c(memoryview(copy)[_CRC_FROM:]))
    return bytes(copy)
