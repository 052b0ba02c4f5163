"""The rows of the facts' table "What Apache Kafka answers" that a single batch can ask for.

A row is what one partition of a request carries and what Kafka answers. The same rows are sent to kov, where
the answer is held against this table, and to kov and a real Apache Kafka, where the answers are held against
each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import cramjam
from kio.schema.errors import ErrorCode

from tests.builders import batch, patched
from tests.kov.kafka_table.batches import (
    ATTRIBUTES,
    BASE_OFFSET,
    COUNT,
    CRC,
    HOUR_MS,
    LAST_DELTA,
    LENGTH,
    MAGIC,
    MAX_TIME,
    PRODUCER,
    apart,
    changed,
    good,
    holding,
    keyed,
    now_ms,
    stamped,
    timed,
)
from tests.kov.kafka_table.side import Side, asking
from tests.kov.wire.requests import Entity

_TIMEOUT: Final = timedelta(seconds=10)
VERSIONS: Final = (3, 8, 13)
"""The versions at which a row is asked, unless it has its own: each differs from the last in the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`code` is what Kafka says. `bad_records`: the indexes it lists (KIP-467). `whole`: Kafka refuses the
    request's other partitions too. `only`: the versions at which the row is asked."""

    id: str
    code: ErrorCode
    records: Callable[[], bytes | None]
    topic: str = "plain"
    acks: int = -1
    bad_records: tuple[int, ...] = ()
    whole: bool = False
    only: tuple[int, ...] = VERSIONS

    @property
    def spares_others(self) -> bool:
        """Whether kov takes the request's other batches: the fault is the batch's, not the request's."""
        return self.acks in {-1, 0, 1} and self.code is not ErrorCode.transactional_id_authorization_failed

    @property
    def index(self) -> int:
        return 2 if self.topic == "plain" else 0

    def request(self, side: Side, version: int) -> Entity:
        """The row's batch between two good ones."""
        bad: dict[str, object] = {"index": self.index, "records": self.records()}
        before: dict[str, object] = {"index": 0, "records": good()}
        behind: dict[str, object] = {"index": 1, "records": good()}
        if self.topic == "plain":
            return produce(side, version, {"plain": [before, bad, behind]}, acks=self.acks)
        return produce(side, version, {self.topic: [bad], "plain": [before, behind]}, acks=self.acks)


def produce(
    side: Side, version: int, topics: dict[str, list[dict[str, object]]], *, acks: int = -1, **fields: object
) -> Entity:
    """A Produce request; topics are named, or given by id where the version has ids."""
    data = [
        {"name": name, "topic_id": side.uuids.get(name), "partition_data": parts}
        for name, parts in topics.items()
    ]
    return asking(0, version, acks=acks, timeout=_TIMEOUT, topic_data=data, **fields)


_NONE, _CORRUPT, _INVALID, _UNKNOWN, _TIME = (
    ErrorCode.none,
    ErrorCode.corrupt_message,
    ErrorCode.invalid_record,
    ErrorCode.unknown_server_error,
    ErrorCode.invalid_timestamp,
)

FORM: Final = (
    Row(id="no batch: empty", code=_INVALID, records=lambda: b""),
    Row(id="no batch: eleven bytes", code=_INVALID, records=lambda: bytes(11)),
    Row(id="no batch: truncated by a byte", code=_INVALID, records=lambda: good()[:-1]),
    Row(id="no batch: truncated in the header", code=_INVALID, records=lambda: good()[:40]),
    Row(id="no batch: truncated before the magic", code=_INVALID, records=lambda: good()[:16]),
    Row(id="no batch: a length far beyond the end", code=_INVALID,
        records=changed(LENGTH, 2**31 - 13, checksum=False)),
    Row(id="magic 0", code=_INVALID, records=changed(MAGIC, 0, checksum=False)),
    Row(id="magic 1", code=_INVALID, records=changed(MAGIC, 1, checksum=False)),
    Row(id="two batches", code=_INVALID, records=lambda: good() + good()),
    Row(id="a batch and a truncated one", code=_NONE, records=lambda: good() + good()[:-1]),
    Row(id="a batch and five bytes", code=_NONE, records=lambda: good() + b"12345"),
    Row(id="a batch and a bad magic", code=_CORRUPT,
        records=lambda: good() + changed(MAGIC, 3, checksum=False)()),
    Row(id="a batch and zeros", code=_CORRUPT, records=lambda: good() + bytes(12)),
    Row(id="magic 3", code=_CORRUPT, records=changed(MAGIC, 3, checksum=False), whole=True),
    Row(id="magic -1", code=_CORRUPT, records=changed(MAGIC, -1, checksum=False), whole=True),
    Row(id="size field 13", code=_CORRUPT, records=changed(LENGTH, 13, checksum=False), whole=True),
    Row(id="size field 0", code=_CORRUPT, records=changed(LENGTH, 0, checksum=False), whole=True),
    Row(id="size field -1", code=_CORRUPT, records=changed(LENGTH, -1, checksum=False), whole=True),
    Row(id="size field alone", code=_CORRUPT, records=lambda: bytes(12), whole=True),
    Row(id="size field of the largest int", code=_UNKNOWN, whole=True,
        records=changed(LENGTH, 2**31 - 1, checksum=False)),
    Row(id="size field below a v2 header", code=_CORRUPT,
        records=lambda: patched(good()[:61], *LENGTH, 20, checksum=False)),
    Row(id="zstd before v7", code=ErrorCode.unsupported_compression_type, only=(3, 6),
        records=lambda: batch([b"v"], codec=4, timestamp_ms=now_ms())),
    Row(id="zstd from v7", code=_NONE, only=(7, 13),
        records=lambda: batch([b"v"], codec=4, timestamp_ms=now_ms())),
    Row(id="transactional batch", code=ErrorCode.transactional_id_authorization_failed, whole=True,
        records=changed(ATTRIBUTES, 0x10)),
)  # fmt: skip
"""`ProduceRequest.validateRecords` and what comes before it."""

LOG: Final = (
    Row(id="CRC mismatch", code=_CORRUPT, records=changed(CRC, 12345, checksum=False)),
    Row(id="CRC mismatch in the records", code=_CORRUPT, records=lambda: good()[:-1] + b"x"),
    Row(id="base offset 5", code=_INVALID, records=changed(BASE_OFFSET, 5)),
    Row(id="base offset -1", code=_INVALID, records=changed(BASE_OFFSET, -1)),
    Row(id="above max.message.bytes", code=ErrorCode.message_too_large, topic="small",
        records=lambda: batch([bytes(600)], timestamp_ms=now_ms())),
    Row(id="above max.message.bytes by default", code=ErrorCode.message_too_large,
        records=lambda: batch([bytes(1_100_000)], timestamp_ms=now_ms())),
    Row(id="below max.message.bytes", code=_NONE, topic="small", records=good),
    Row(id="order: size before CRC", code=ErrorCode.message_too_large, topic="small",
        records=lambda: patched(batch([bytes(600)], timestamp_ms=now_ms()), *CRC, 1, checksum=False)),
    Row(id="order: base offset before size", code=_INVALID, topic="small",
        records=lambda: patched(batch([bytes(600)], timestamp_ms=now_ms()), *BASE_OFFSET, 1)),
    Row(id="order: CRC before counts", code=_CORRUPT,
        records=lambda: patched(changed(COUNT, 0)(), *CRC, 1, checksum=False)),
    Row(id="order: codec before counts", code=_UNKNOWN, only=(8, 13),
        records=lambda: patched(changed(COUNT, 0)(), *ATTRIBUTES, 5)),
    *(Row(id=f"codec {codec}", code=_UNKNOWN, only=(8, 13), records=changed(ATTRIBUTES, codec))
      for codec in (5, 6, 7)),
    Row(id="codec 5 before v7", code=_UNKNOWN, only=(3,), whole=True, records=changed(ATTRIBUTES, 5)),
    Row(id="record count 0", code=_INVALID, records=changed(COUNT, 0)),
    Row(id="record count -1", code=_INVALID, records=changed(COUNT, -1)),
    Row(id="record count 9 of 3 offsets", code=_INVALID, records=changed(COUNT, 9)),
    Row(id="last offset delta -1", code=_INVALID, records=changed(LAST_DELTA, -1)),
    Row(id="last offset delta 7 of 3 records", code=_INVALID, records=changed(LAST_DELTA, 7)),
    Row(id="control batch", code=_INVALID, records=changed(ATTRIBUTES, 0x20)),
    Row(id="producer id without a sequence", code=_INVALID, records=changed(PRODUCER, 8)),
    Row(id="a negative producer id is none", code=_NONE, records=changed(PRODUCER, -2)),
    Row(id="a sequence without a producer id", code=_NONE, records=lambda: patched(good(), 53, ">i", 5)),
    Row(id="a leader epoch of the client's own", code=_NONE, records=lambda: patched(good(), 12, ">i", 99)),
    Row(id="unknown attribute bits", code=_NONE, records=changed(ATTRIBUTES, 0x80)),
)  # fmt: skip
"""`UnifiedLog` and the header's checks of `LogValidator`."""

RECORDS: Final = (
    Row(id="two hours ahead, by default", code=_TIME, bad_records=(0,), records=timed(2 * HOUR_MS)),
    Row(id="ahead: every record is listed", code=_TIME, bad_records=(0, 1, 2),
        records=timed(2 * HOUR_MS, 3)),
    Row(id="ahead: only the late records are listed", code=_TIME, bad_records=(1,),
        records=lambda: apart(now_ms(), 2 * HOUR_MS)),
    Row(id="half an hour ahead, by default", code=_NONE, records=timed(HOUR_MS // 2)),
    Row(id="long ago, by default", code=_NONE, records=timed(-1000 * HOUR_MS)),
    Row(id="no timestamp", code=_NONE, records=lambda: batch([b"v"], timestamp_ms=-1)),
    Row(id="a late timestamp in the header alone", code=_NONE,
        records=lambda: patched(good(), *MAX_TIME, now_ms() + 2 * HOUR_MS)),
    Row(id="beyond after.max", code=_TIME, topic="bounded", bad_records=(0, 1), records=timed(120_000, 2)),
    Row(id="within after.max", code=_NONE, topic="bounded", records=timed(30_000, 2)),
    Row(id="beyond before.max", code=_TIME, topic="bounded", bad_records=(0,), records=timed(-2 * HOUR_MS)),
    Row(id="beyond before.max, a later record", code=_TIME, topic="bounded", bad_records=(1,),
        records=lambda: apart(now_ms(), -2 * HOUR_MS)),
    *(Row(id=f"beyond before.max, codec {codec}", code=_TIME, topic="bounded", only=(8, 13),
          bad_records=(0, 1),          records=timed(-2 * HOUR_MS, 2, codec)) for codec in (1, 2, 3, 4)),
    Row(id="LogAppendTime set by the client", code=_NONE, records=lambda: stamped(good())),
    Row(id="LogAppendTime set by the client, without a time", code=_TIME, bad_records=(0, 1, 2),
        records=lambda: stamped(good(), -1)),
    Row(id="LogAppendTime set by the client, late", code=_TIME, bad_records=(0, 1, 2),
        records=lambda: stamped(good(), now_ms() + 2 * HOUR_MS)),
    Row(id="LogAppendTime set by the client of such a topic", code=_TIME, topic="append-time",
        bad_records=(0, 1, 2), records=lambda: stamped(good())),
    Row(id="any time on a LogAppendTime topic", code=_NONE, topic="append-time", records=timed(9 * HOUR_MS)),
    Row(id="null key on a compacted topic", code=_INVALID, topic="compacted", bad_records=(0,),
        records=keyed(None)),
    Row(id="null keys among others", code=_INVALID, topic="compacted", bad_records=(1, 3),
        records=keyed(b"a", None, b"", None)),
    *(Row(id=f"null key, codec {codec}", code=_INVALID, topic="compacted", only=(8, 13), bad_records=(1,),
          records=keyed(b"a", None, codec=codec)) for codec in (1, 2, 3, 4)),
    Row(id="null key and a late record", code=_TIME, topic="compacted", bad_records=(0, 1),
        records=lambda: batch([b"v", b"v"], keys=[None, b"k"], timestamp_ms=now_ms() + 2 * HOUR_MS)),
    Row(id="null key on a compacted LogAppendTime topic", code=_INVALID, topic="compacted-append-time",
        bad_records=(0,), records=keyed(None)),
    Row(id="keys on a compacted topic", code=_NONE, topic="compacted", records=good),
    Row(id="gzip that doesn't decompress", code=_UNKNOWN, topic="compacted",
        records=holding(lambda data: bytes(cramjam.gzip.compress(data))[:-9], 1)),
    *(Row(id=f"codec {codec} that doesn't decompress", code=_UNKNOWN, topic="compacted", only=(8, 13),
          records=holding(lambda _: b"\xff" * 30, codec)) for codec in (1, 2, 3, 4)),
    Row(id="fewer records than counted", code=_INVALID, topic="compacted",
        records=lambda: patched(changed(COUNT, 4)(), *LAST_DELTA, 3)),
    Row(id="more records than counted", code=_INVALID, topic="compacted",
        records=lambda: patched(changed(COUNT, 2)(), *LAST_DELTA, 1)),
    Row(id="bytes behind the last record", code=_INVALID, topic="compacted",
        records=holding(lambda data: data + b"x")),
    Row(id="a record cut short", code=_INVALID, topic="compacted", records=holding(lambda data: data[:-3])),
    Row(id="gzip of fewer records than counted", code=_INVALID, topic="compacted",
        records=holding(lambda data: bytes(cramjam.gzip.compress(data[: len(data) // 3])), 1)),
)  # fmt: skip
"""The checks of single records, and how they combine."""

REQUEST: Final = (
    *(Row(id=f"acks {acks}", code=ErrorCode.invalid_required_acks, records=good, acks=acks, whole=True)
      for acks in (2, -2, 32767)),
    Row(id="acks 1", code=_NONE, records=good, acks=1),
    Row(id="order: form before acks", code=_INVALID, records=lambda: b"", acks=2, whole=True),
    Row(id="order: acks before CRC", code=ErrorCode.invalid_required_acks, acks=2, whole=True,
        records=changed(CRC, 1, checksum=False)),
)  # fmt: skip

ROWS: Final = (*FORM, *LOG, *RECORDS, *REQUEST)
