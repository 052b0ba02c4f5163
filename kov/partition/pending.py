"""One batch between its arrival and its answer, and everybody who waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from kio.schema.errors import ErrorCode

from kov.budget import Budget
from kov.errors import KafkaError
from kov.records import BatchHeader


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """Where a batch lies. `log_append_time_ms` is -1 where the topic keeps the producer's timestamps."""

    base_offset: int
    log_append_time_ms: int
    log_start_offset: int


@dataclass(frozen=True, slots=True)
class Waiter:
    """One request's share in a batch; `deadline` is in the event loop's time."""

    future: asyncio.Future[Appended]
    deadline: float


class PendingBatch:
    """A batch that isn't answered yet.

    `refusal` is set while it waits for a claim to prove that refusing it is right: then the claim is
    appended in its place and never the batch itself. Its bytes count in `room` until it is answered for good
    or dropped: also when nobody waits for it any more.
    """

    __slots__ = ("_held", "_room", "header", "records", "refusal", "source", "waiters")

    def __init__(
        self, records: bytes, header: BatchHeader, source: object, waiter: Waiter, room: Budget
    ) -> None:
        self._room = room
        self._held = len(records)
        room.take(self._held)
        self.records = records
        self.header = header
        self.source = source
        self.waiters = [waiter]
        self.refusal: KafkaError | None = None

    def __repr__(self) -> str:
        h = self.header
        return (
            f"<PendingBatch n={h.record_count} producer={h.producer_id}/{h.producer_epoch}:{h.base_sequence}>"
        )

    @property
    def producer(self) -> object:
        """Whose order the batch stands in: its producer id, or without one its connection."""
        return self.header.producer_id if self.header.idempotent else self.source

    @property
    def wanted(self) -> bool:
        """Whether any request still waits for it."""
        return any(not waiter.future.done() for waiter in self.waiters)

    def join(self, other: PendingBatch) -> None:
        """A retry of this batch shares its outcome, and so lengthens its life."""
        self.waiters += other.waiters
        other.release()

    def deadline(self) -> float:
        """When the next of its waiters gives up; infinity where nobody waits."""
        return min((w.deadline for w in self.waiters if not w.future.done()), default=float("inf"))

    def release(self) -> None:
        """It is held no longer. Idempotent."""
        self._room.give(self._held)
        self._held = 0

    def succeed(self, appended: Appended) -> None:
        self.release()
        for waiter in self.waiters:
            if not waiter.future.done():
                waiter.future.set_result(appended)

    def fail(self, error: KafkaError) -> None:
        self.release()
        for waiter in self.waiters:
            _end(waiter, error)

    def expire(self, now: float, error: Callable[[], KafkaError]) -> None:
        """Answers the requests whose time is over; the others go on waiting."""
        for waiter in self.waiters:
            if waiter.deadline <= now and not waiter.future.done():
                _end(waiter, error())


def _end(waiter: Waiter, error: KafkaError) -> None:
    if not waiter.future.done():
        waiter.future.set_exception(error)
        waiter.future.exception()  # marked as seen: a batch may have no reader, and that is no defect


def in_doubt() -> KafkaError:
    """The answer where a batch may be stored: the only retriable code librdkafka takes that way."""
    return KafkaError(
        ErrorCode.request_timed_out, "the storage didn't confirm the batch in time; it may be stored or not"
    )


def not_stored(reason: str) -> KafkaError:
    """The answer where a batch certainly isn't stored and never will be."""
    return KafkaError(ErrorCode.kafka_storage_error, f"the batch was not stored: {reason}")
