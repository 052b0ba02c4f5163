"""Which batches are accepted but not settled, per producer, and which sequences were dropped. Pure.

`Partition` asks it for a verdict on every idempotent batch, against the folded table; what it accepted is
remembered here until it is settled or dropped, so that a retry meets the batch in flight.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from kov.partition.pending import PendingBatch
from kov.partition.producers import Accept, Duplicate, Expected, Producer, Reject, judge
from kov.records import BatchHeader

MAX_EXPECTED: Final = 10_000
EXPECTED_FOR_S: Final = 900.0


@dataclass(frozen=True, slots=True)
class Shared:
    """The batch is a retry of `batch`, which is in flight: both have one outcome."""

    batch: PendingBatch


Admitted = Accept | Duplicate | Reject | Shared


class Admission:
    def __init__(self) -> None:
        self._pending: dict[int, deque[PendingBatch]] = {}
        self._expected: dict[int, tuple[Expected, float]] = {}

    def judge(self, producers: Mapping[int, Producer], header: BatchHeader) -> Admitted:
        """The verdict on an idempotent batch; changes nothing."""
        pending = self._pending.get(header.producer_id)
        if pending:
            for batch in pending:
                if _same(batch.header, header):
                    return Shared(batch)
        newest = pending[-1].header if pending else None
        held = self._expected.get(header.producer_id)
        return judge(
            producers.get(header.producer_id),
            (newest.producer_epoch, newest.last_sequence) if newest else None,
            held[0] if held else None,
            header,
        )

    def accept(self, batch: PendingBatch) -> None:
        """Remembers an accepted batch until `settle` or `drop`; without a producer id there is nothing to."""
        if not batch.header.idempotent:
            return
        header = batch.header
        self._pending.setdefault(header.producer_id, deque()).append(batch)
        held = self._expected.pop(header.producer_id, None)
        expected = held[0].behind(header) if held is not None else None
        if held is not None and expected is not None:
            self._expected[header.producer_id] = (expected, held[1])

    def settle(self, batch: PendingBatch) -> None:
        """Forgets a batch that is in the folded table now."""
        pending = self._pending.get(batch.header.producer_id)
        if pending and batch in pending:
            pending.remove(batch)
            if not pending:
                del self._pending[batch.header.producer_id]

    def drop(self, batch: PendingBatch, now: float) -> None:
        """Forgets a batch that is not stored: its producer must send it again before anything later."""
        self.settle(batch)
        header = batch.header
        if not header.idempotent:
            return
        expected = Expected(header.producer_epoch, header.base_sequence, header.last_sequence)
        held = self._expected.pop(header.producer_id, None)
        if held is not None and held[0].epoch == expected.epoch:
            expected = held[0].widened(expected)
        self._expected[header.producer_id] = (expected, now + EXPECTED_FOR_S)
        self._forget_expected(now)

    def reset(self) -> None:
        """Forgets what was accepted: everything is judged anew after a fold. Dropped sequences stay."""
        self._pending.clear()

    def _forget_expected(self, now: float) -> None:
        """Bounds the table: the oldest come first in it, since every change puts a producer last."""
        while self._expected:
            producer_id, (_, until) = next(iter(self._expected.items()))
            if until > now and len(self._expected) <= MAX_EXPECTED:
                return
            del self._expected[producer_id]


def _same(a: BatchHeader, b: BatchHeader) -> bool:
    return (
        a.producer_epoch == b.producer_epoch
        and a.base_sequence == b.base_sequence
        and a.last_sequence == b.last_sequence
    )
