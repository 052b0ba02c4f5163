"""Batches with one fault each, made when they are sent, since some faults are about the time."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from typing import Final

from aiokafka.record.default_records import DefaultRecordBatchBuilder

from tests.builders import batch, patched

HOUR_MS: Final = 3_600_000

# Where a header field lies, and its form.
BASE_OFFSET, LENGTH, MAGIC, CRC, ATTRIBUTES, LAST_DELTA, MAX_TIME, PRODUCER, COUNT = (
    (0, ">q"), (8, ">i"), (16, ">b"), (17, ">I"), (21, ">h"), (23, ">i"), (35, ">q"), (43, ">q"), (57, ">i"),
)  # fmt: skip


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def good(values: int = 3) -> bytes:
    """A batch that every topic takes."""
    return batch([b"value"] * values, keys=[b"key"] * values, timestamp_ms=now_ms())


def changed(field: tuple[int, str], value: int, *, checksum: bool = True) -> Callable[[], bytes]:
    return lambda: patched(good(), *field, value, checksum=checksum)


def timed(offset_ms: int, count: int = 1, codec: int = 0) -> Callable[[], bytes]:
    """Records from `offset_ms` after now on, a millisecond apart."""
    return lambda: batch([b"v"] * count, keys=[b"k"] * count, codec=codec, timestamp_ms=now_ms() + offset_ms)


def stamped(data: bytes, max_timestamp: int | None = None) -> bytes:
    """`data` with the timestamp type LogAppendTime, as no producer may send it."""
    with_bit = patched(data, *ATTRIBUTES, 0x08)
    return with_bit if max_timestamp is None else patched(with_bit, *MAX_TIME, max_timestamp)


def keyed(*keys: bytes | None, codec: int = 0) -> Callable[[], bytes]:
    return lambda: batch([b"v"] * len(keys), keys=list(keys), codec=codec, timestamp_ms=now_ms())


def holding(payload: Callable[[bytes], bytes], codec: int = 0) -> Callable[[], bytes]:
    """A batch that counts three records, whose payload is made from that of three good ones."""

    def made() -> bytes:
        data = good()
        changed = payload(data[61:])
        head = bytearray(data[:61])
        struct.pack_into(">i", head, LENGTH[0], 49 + len(changed))
        return patched(bytes(head) + changed, *ATTRIBUTES, codec)

    return made


def apart(first_ms: int, delta_ms: int) -> bytes:
    """Two records with keys, `delta_ms` apart."""
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=0, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=-1,
        batch_size=1 << 20,
    )  # fmt: skip
    builder.append(0, first_ms, b"k", b"v", [])
    builder.append(1, first_ms + delta_ms, b"k", b"v", [])
    return bytes(builder.build())
