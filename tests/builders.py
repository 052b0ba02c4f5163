"""Record batches as a producer sends them, built by aiokafka: an implementation that isn't ours."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from aiokafka.record.default_records import DefaultRecordBatchBuilder
from crc32c import crc32c


def batch(
    values: Sequence[bytes | None] = (b"v",),
    *,
    keys: Sequence[bytes | None] | None = None,
    producer_id: int = -1,
    epoch: int = -1,
    sequence: int = -1,
    codec: int = 0,
    timestamp_ms: int = 1_700_000_000_000,
) -> bytes:
    """One v2 batch of `values`, with offsets from 0 and timestamps one apart."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=codec,
        is_transactional=0,
        producer_id=producer_id,
        producer_epoch=epoch,
        base_sequence=sequence,
        batch_size=1 << 30,
    )
    for n, value in enumerate(values):
        key = keys[n] if keys is not None else None
        builder.append(n, timestamp_ms + n, key, value, [])
    return bytes(builder.build())


def idempotent(sequence: int, count: int = 1, *, producer_id: int = 7, epoch: int = 0) -> bytes:
    """A batch of `count` records whose values name producer, epoch and sequence."""
    values = [b"%d/%d/%d" % (producer_id, epoch, sequence + n) for n in range(count)]
    return batch(values, producer_id=producer_id, epoch=epoch, sequence=sequence)


def patched(data: bytes, at: int, form: str, value: int, *, checksum: bool = True) -> bytes:
    """`data` with one header field overwritten, and its checksum made right again unless told not to."""
    copy = bytearray(data)
    struct.pack_into(form, copy, at, value)
    if checksum:
        struct.pack_into(">I", copy, 17, crc32c(bytes(copy[21:])))
    return bytes(copy)
