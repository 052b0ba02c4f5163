"""The batches of a partition that aren't answered yet and that no writer holds, and everybody's deadlines.

`waiting`: not judged, never sent by this process since the last fold. `doubtful`: sent and not confirmed.
"""

from __future__ import annotations

from collections import deque

from kio.schema.errors import ErrorCode

from kov.errors import KafkaError
from kov.partition.admission import Admission
from kov.partition.fold import Fold
from kov.partition.pending import PendingBatch, in_doubt, not_stored
from kov.partition.writer import Doubtful, Writer, appended

NEVER = float("inf")


class Backlog:
    def __init__(self) -> None:
        self.admission = Admission()
        self.waiting: deque[PendingBatch] = deque()
        self.doubtful: list[Doubtful] = []

    def take_over(self, writer: Writer) -> None:
        """Ends `writer` and takes what it held, before what waits here already."""
        doubtful, waiting = writer.stop()
        self.doubtful += doubtful
        self.waiting.extendleft(reversed(waiting))

    def settle(self, fold: Fold, start_offset: int, now: float) -> None:
        """Acknowledges what was in doubt and the fold holds; what it doesn't hold waits, in its order.

        Call it only when the fold has passed a fence behind the batches' own one: before that, they may
        still land. What can't be known any more is dropped as unstored is: later ones mustn't overtake it.
        """
        unsettled, unknown = [], []
        for each in self.doubtful:
            end = fold.end_of(each.header.leader_epoch)
            if end is None:  # trimmed before it could be read
                each.batch.fail(in_doubt())
                unknown.append(each.batch)
            elif each.header.base_offset < end:
                each.batch.succeed(appended(each.header, start_offset))
            else:
                unsettled.append(each.batch)
        self.doubtful.clear()
        self.waiting.extendleft(reversed(unsettled))
        self.admission.reset()
        for batch in unknown:
            self.drop(batch, now, None)

    def refuse(self, error: KafkaError) -> None:
        """Answers everything that waits, and says of what is in doubt that it may be stored.

        So may be what wasn't judged, as a retry of a stored one: to its producer 56 would be a lie.
        """
        for doubtful in self.doubtful:
            doubtful.batch.fail(in_doubt())
        denies = error.code is ErrorCode.kafka_storage_error
        for batch in self.waiting:
            batch.fail(in_doubt() if denies and batch.header.idempotent else error)
        self.doubtful.clear()
        self.waiting.clear()
        self.admission.reset()

    def expire(self, now: float, writer: Writer | None) -> float:
        """Answers what is past its time, in doubt with 7, certainly not stored with 56; the next deadline."""
        for batch in self._sent(writer):
            batch.expire(now, in_doubt)
        if writer is not None:
            self._expire_unsent(writer.queue, now, writer)
        self._expire_unsent(self.waiting, now, writer)
        return min((batch.deadline() for batch in self.unanswered(writer)), default=NEVER)

    def unanswered(self, writer: Writer | None) -> list[PendingBatch]:
        """Every batch that isn't settled yet, also those that `writer` holds."""
        queued = writer.queue if writer is not None else ()
        return [*self._sent(writer), *queued, *self.waiting]

    def _sent(self, writer: Writer | None) -> list[PendingBatch]:
        sent = [doubtful.batch for doubtful in self.doubtful]
        if writer is not None:
            sent += [s.batch for run in writer.in_flight for s in run.entries if s.batch is not None]
        return sent

    def _expire_unsent(self, queue: deque[PendingBatch], now: float, writer: Writer | None) -> None:
        for batch in list(queue):
            if batch not in queue:
                continue  # dropped with an earlier one
            if queue is self.waiting and batch.header.idempotent:
                batch.expire(now, in_doubt)  # not judged yet: it may be the retry of a stored one
            else:
                batch.expire(now, lambda: not_stored("its time was over"))
            if not batch.wanted:
                queue.remove(batch)
                self.drop(batch, now, writer)

    def turn_away(self, batch: PendingBatch, now: float) -> None:
        """There is no room for a batch that just came; its producer must send it again before later ones."""
        unjudged = batch.header.idempotent  # it may be the retry of a stored one
        batch.fail(in_doubt() if unjudged else not_stored("too much waits for this partition already"))
        self.admission.drop(batch, now)

    def drop(self, batch: PendingBatch, now: float, writer: Writer | None) -> None:
        """Gives up an unstored batch, and the later ones of its producer: they mustn't overtake it."""
        batch.release()
        self.admission.drop(batch, now)
        if writer is not None:
            self._drop_later(batch, writer.queue, now)
        if not batch.header.idempotent:  # the others are judged later, and it may be its own retry
            self._drop_later(batch, self.waiting, now)

    def _drop_later(self, batch: PendingBatch, queue: deque[PendingBatch], now: float) -> None:
        for later in [later for later in queue if later.producer == batch.producer]:
            queue.remove(later)
            later.fail(not_stored("an earlier batch of its producer was not stored in time"))
            self.admission.drop(later, now)
