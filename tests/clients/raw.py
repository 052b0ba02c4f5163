"""Reading a partition's log stream through `varlog_client`, without Kafka and without any code of kov.

The rule of validity is written down here a second time, on purpose: the two must agree.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from aiokafka.record.default_records import DefaultRecordBatch

from tests.clients.records import Contents, Stored
from varlog_client import LLSN, Log, LogStreamId, TopicId

_ENVELOPE = struct.Struct(">4sBBHiI")
_STAMPS = struct.Struct(">qii")
_FENCE = 1


@dataclass(slots=True)
class Partition:
    """What a log stream holds, with the batches' own facts beside the records."""

    index: int
    epoch: int = 0
    end: int = 0
    void: int = 0
    batches: int = 0
    records: list[Stored] = field(default_factory=list)
    codecs: set[int] = field(default_factory=set)
    producer_ids: set[int] = field(default_factory=set)

    def take(self, payload: bytes) -> None:
        if payload[0] == 0xFF:
            self._take_control(payload)
            return
        batch = DefaultRecordBatch(payload)
        base_offset, _, epoch = _STAMPS.unpack_from(payload)
        if epoch != self.epoch or base_offset != self.end or not self.epoch:
            self.void += 1
            return
        assert batch.validate_crc(), f"the batch stored at offset {base_offset} doesn't match its checksum"
        self.codecs.add(batch.compression_type)
        self.producer_ids.add(batch.producer_id)
        self.records += [_stored(self.index, record) for record in batch]
        self.batches += 1
        self.end = base_offset + batch.last_offset_delta + 1

    def _take_control(self, payload: bytes) -> None:
        magic, version, kind, _, epoch, _ = _ENVELOPE.unpack_from(payload)
        assert (magic, version) == (b"\xffkov", 1), f"not an entry of kov: {payload[:16].hex()}"
        if kind == _FENCE:
            self.epoch = max(self.epoch, epoch)


def _stored(partition: int, record: object) -> Stored:
    r = record
    contents = Contents(r.key, r.value, tuple(r.headers), r.timestamp)  # type: ignore[attr-defined]
    return Stored(partition, r.offset, contents)  # type: ignore[attr-defined]


def folded(index: int, payloads: Iterable[bytes]) -> Partition:
    partition = Partition(index)
    for payload in payloads:
        partition.take(payload)
    return partition


async def payloads(log: Log, topic_id: TopicId, log_stream: LogStreamId) -> list[bytes]:
    """Everything committed in a log stream, in order."""
    last = (await log.peek(topic_id, log_stream)).last.llsn
    async with log.subscribe_to(topic_id, log_stream, LLSN(1), LLSN(last + 1)) as entries:
        return [bytes(entry.data) async for entry in entries]


async def read_raw(log: Log, topic_id: TopicId, log_streams: Sequence[LogStreamId]) -> list[Partition]:
    return [
        folded(index, await payloads(log, topic_id, log_stream))
        for index, log_stream in enumerate(log_streams)
    ]
