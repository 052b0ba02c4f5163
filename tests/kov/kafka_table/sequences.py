"""What a partition answers to idempotent batches: a script, and questions that may be asked behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kio.schema.errors import ErrorCode

from kov.records import MAX_SEQUENCE
from tests.builders import batch
from tests.kov.kafka_table.batches import HOUR_MS, now_ms
from tests.kov.kafka_table.rows import produce
from tests.kov.kafka_table.side import Side
from tests.kov.wire.requests import Entity

_STORED, _GAP, _FENCED, _BAD, _TIME = (
    ErrorCode.none,
    ErrorCode.out_of_order_sequence_number,
    ErrorCode.invalid_producer_epoch,
    ErrorCode.invalid_record,
    ErrorCode.invalid_timestamp,
)
_TIME_MS: Final = now_ms()
"""One time for every run of the script in this process: a retry is the same batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One batch and what Kafka answers; `offset` is -1 where it is refused."""

    id: str
    sequence: int
    count: int = 1
    epoch: int = 0
    producer: int = 1
    late: bool = False
    code: ErrorCode = _STORED
    offset: int = -1

    def request(self, side: Side, version: int, topic: str, index: int) -> Entity:
        data = batch(
            [b"%d" % n for n in range(self.count)],
            producer_id=self.producer,
            epoch=self.epoch,
            sequence=self.sequence,
            timestamp_ms=_TIME_MS + (2 * HOUR_MS if self.late else 0),
        )
        return produce(side, version, {topic: [{"index": index, "records": data}]})


SCRIPT: Final = (
    Step(id="the first batch of a new producer", sequence=0, offset=0),
    Step(id="the next", sequence=1, offset=1),
    Step(id="a duplicate of the last", sequence=1, offset=1),
    Step(id="a duplicate of the one before", sequence=0, offset=0),
    Step(id="a gap", sequence=5, code=_GAP),
    Step(id="after a gap the expected one is taken", sequence=2, count=3, offset=2),
    Step(id="part of a stored batch is no duplicate", sequence=2, count=2, code=_GAP),
    Step(id="more than a stored batch is no duplicate", sequence=2, count=4, code=_GAP),
    Step(id="the fourth", sequence=5, offset=5),
    Step(id="the fifth", sequence=6, offset=6),
    Step(id="the first is still one of the last five", sequence=0, offset=0),
    Step(id="the sixth", sequence=7, offset=7),
    Step(id="a duplicate older than the last five", sequence=0, code=_GAP),
    Step(id="the oldest of the last five", sequence=1, offset=1),
    Step(id="a newer epoch that doesn't begin at 0", sequence=8, epoch=1, code=_GAP),
    Step(id="a newer epoch", sequence=0, epoch=1, offset=8),
    Step(id="the older epoch", sequence=8, code=_FENCED),
    Step(id="a duplicate in the older epoch", sequence=7, code=_FENCED),
    Step(id="on in the newer epoch", sequence=1, epoch=1, offset=9),
    Step(id="an epoch far ahead", sequence=0, epoch=32767, offset=10),
    Step(id="an unknown producer may begin anywhere", producer=2, sequence=17, offset=11),
    Step(id="and must go on from there", producer=2, sequence=20, code=_GAP),
    Step(id="and goes on", producer=2, sequence=18, offset=12),
    Step(id="an unknown producer in a later epoch", producer=3, epoch=5, sequence=9, offset=13),
    Step(id="up to the last sequence", producer=4, sequence=MAX_SEQUENCE - 1, count=2, offset=14),
    Step(id="the sequence wraps to 0", producer=4, sequence=0, offset=16),
    Step(id="a duplicate from before the wrap", producer=4, sequence=MAX_SEQUENCE - 1, count=2, offset=14),
    Step(id="across the wrap", producer=5, sequence=MAX_SEQUENCE - 1, count=4, offset=17),
    Step(id="on behind the wrap", producer=5, sequence=2, offset=21),
    Step(id="a duplicate across the wrap", producer=5, sequence=MAX_SEQUENCE - 1, count=4, offset=17),
    Step(id="after the last sequence a gap is a gap", producer=5, sequence=4, code=_GAP),
    Step(id="the epoch of a producer without one", producer=6, epoch=-1, sequence=0, offset=22),
    Step(id="an epoch below that", producer=7, epoch=-2, sequence=0, code=_FENCED),
    Step(id="a negative sequence", producer=8, sequence=-1, code=_BAD),
    Step(id="order: a record's time before a duplicate", producer=2, sequence=18, late=True, code=_TIME),
    Step(id="order: a record's time before a gap", producer=2, sequence=40, late=True, code=_TIME),
    Step(id="order: a record's time before the epoch", sequence=0, late=True, code=_TIME),
)

ASKED_AGAIN: Final = (
    Step(id="a duplicate of the last", producer=2, sequence=18, offset=12),
    Step(id="a duplicate of the one before", producer=2, sequence=17, offset=11),
    Step(id="a gap", producer=2, sequence=20, code=_GAP),
    Step(id="a duplicate in the newest epoch", sequence=0, epoch=32767, offset=10),
    Step(id="an older epoch", sequence=2, epoch=1, code=_FENCED),
    Step(id="a duplicate in an older epoch", sequence=1, epoch=1, code=_FENCED),
    Step(id="a duplicate from before the wrap", producer=4, sequence=MAX_SEQUENCE - 1, count=2, offset=14),
    Step(id="a duplicate across the wrap", producer=5, sequence=MAX_SEQUENCE - 1, count=4, offset=17),
    Step(id="an epoch that can't be", producer=9, epoch=-2, sequence=0, code=_FENCED),
)
"""Asked behind the script: they change nothing, so the answers are the same however often they are asked."""
