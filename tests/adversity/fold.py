"""What a log stream means, from its raw entries: docs/design.md once more, without kov's code."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from aiokafka.record.default_records import DefaultRecordBatch
from crc32c import crc32c

_ENVELOPE = struct.Struct(">4sBBHiI")
_STAMPS = struct.Struct(">qii")
_FENCE, _KINDS = 1, {1, 2, 3}


class Found(NamedTuple):
    """One record of a partition."""

    offset: int
    timestamp_ms: int
    value: bytes

    @property
    def name(self) -> str:
        return self.value.partition(b":")[0].decode()


@dataclass(slots=True)
class Reading:
    """`records` are valid, in order and dense; `void` lie in the stream and mean nothing."""

    epoch: int = 0
    end: int = 0
    records: list[Found] = field(default_factory=list)
    void: set[str] = field(default_factory=set)
    strange: list[str] = field(default_factory=list)


def fold(entries: Iterable[bytes]) -> Reading:
    reading = Reading()
    for llsn, entry in enumerate(entries, 1):
        if entry[:1] >= b"\x80":
            _take_control(reading, llsn, entry)
        else:
            _take_batch(reading, llsn, entry)
    return reading


def _take_control(reading: Reading, llsn: int, entry: bytes) -> None:
    magic, version, kind, _, epoch, checksum = _ENVELOPE.unpack_from(entry)
    if (magic, version) != (b"\xffkov", 1) or kind not in _KINDS:
        reading.strange.append(f"LLSN {llsn} is no control entry: {entry[:16].hex()}")
    elif crc32c(entry[_ENVELOPE.size :]) != checksum:
        reading.strange.append(f"the control entry at LLSN {llsn} doesn't match its checksum")
    elif kind == _FENCE:
        reading.epoch = max(reading.epoch, epoch)


def _take_batch(reading: Reading, llsn: int, entry: bytes) -> None:
    batch: Any = DefaultRecordBatch(entry)
    if not batch.validate_crc():
        reading.strange.append(f"the batch at LLSN {llsn} doesn't match its checksum")
        return
    base_offset, _, epoch = _STAMPS.unpack_from(entry)
    records = [Found(record.offset, record.timestamp, bytes(record.value)) for record in batch]
    if epoch == reading.epoch and base_offset == reading.end and epoch:
        reading.records += records
        reading.end += len(records)
    else:
        reading.void |= {record.name for record in records}
