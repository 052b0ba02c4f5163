"""What becomes of unanswered batches: at their deadlines, when a writer ends, when all is refused."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import cast

import pytest
from kio.schema.errors import ErrorCode

from kov.budget import Budget
from kov.entries import BatchEntry
from kov.errors import KafkaError, NotLeader
from kov.partition.backlog import NEVER, Backlog
from kov.partition.fold import Fold, Position
from kov.partition.pending import Appended, PendingBatch, Waiter, in_doubt, not_stored
from kov.partition.producers import Accept, Producer, Reject, Sequenced
from kov.partition.writer import Doubtful, Run, Stamped, Writer
from kov.records import parse
from tests.builders import batch, idempotent
from tests.kov.partition.scripted import IDENTITY

ONE, OTHER = object(), object()  # connections
IN_DOUBT = in_doubt().message
LATE = not_stored("its time was over").message
BEHIND = not_stored("an earlier batch of its producer was not stored in time").message


@dataclass
class Held:
    """As much of a writer as the backlog looks at."""

    queue: deque[PendingBatch] = field(default_factory=deque)
    in_flight: tuple[Run, ...] = ()

    @property
    def writer(self) -> Writer:
        return cast("Writer", self)

    def stop(self) -> tuple[list[Doubtful], list[PendingBatch]]:
        sent = [s.batch for run in self.in_flight for s in run.entries]
        return [Doubtful(batch.header, batch) for batch in sent if batch is not None], list(self.queue)


@pytest.fixture
def room() -> Budget:
    return Budget(1 << 30)


@dataclass
class Made:
    room: Budget

    def batch(self, deadline: float, data: bytes | None = None, source: object = ONE) -> PendingBatch:
        data = batch() if data is None else data
        waiter = Waiter(asyncio.get_running_loop().create_future(), deadline)
        return PendingBatch(data, parse(data), source, waiter, self.room)


@pytest.fixture
async def made(room: Budget) -> Made:
    return Made(room)


def answer(to: PendingBatch) -> str | Appended | None:
    """What was answered: None for nothing yet."""
    (waiter,) = to.waiters
    if not waiter.future.done():
        return None
    error = waiter.future.exception()
    return waiter.future.result() if error is None else str(error)


def run_of(*batches: PendingBatch) -> Run:
    """An append of them, and of a snapshot that is nobody's."""
    entries = [Stamped(b"", BatchEntry(each.header, 0), each) for each in batches]
    return Run(7, (*entries, Stamped(b"", BatchEntry(parse(batch()), 0), None)))


def doubtful(each: PendingBatch, offset: int, epoch: int = 1) -> Doubtful:
    return Doubtful(each.header._replace(base_offset=offset, leader_epoch=epoch), each)


# Deadlines


async def test_each_batch_is_answered_at_its_deadline_by_where_it_is(made: Made) -> None:
    backlog = Backlog()
    sent, queued = made.batch(5), made.batch(6, source=OTHER)
    held = Held(deque([queued]), (run_of(sent),))
    in_question = made.batch(7)
    backlog.doubtful.append(doubtful(in_question, 0))
    unjudged, plain = made.batch(8, idempotent(0)), made.batch(9, source=object())
    backlog.waiting.extend([unjudged, plain])
    everybody = (sent, queued, in_question, unjudged, plain)
    answers = [IN_DOUBT, LATE, IN_DOUBT, IN_DOUBT, LATE]
    assert backlog.expire(4.9, held.writer) == 5
    for n in range(5):
        assert [answer(each) for each in everybody] == [*answers[:n], *[None] * (5 - n)]
        expected = 6 + n if n < 4 else NEVER
        assert backlog.expire(5 + n, held.writer) == expected
    assert [answer(each) for each in everybody] == answers


async def test_what_expired_in_doubt_is_still_to_be_settled_and_the_rest_is_gone(
    made: Made, room: Budget
) -> None:
    backlog = Backlog()
    kept = made.batch(1)
    backlog.doubtful.append(doubtful(kept, 0))
    backlog.waiting.append(made.batch(1))
    backlog.expire(2, None)
    assert not backlog.waiting
    assert backlog.unanswered(None) == [kept]
    assert room.used == len(kept.records)


async def test_where_nobody_waits_there_is_no_deadline() -> None:
    assert Backlog().expire(1, None) == NEVER


async def test_without_a_producer_all_later_ones_of_the_connection_go_and_no_others(made: Made) -> None:
    for queue_of in ("writer", "backlog"):
        backlog, held = Backlog(), Held()
        queue = held.queue if queue_of == "writer" else backlog.waiting
        late, behind, also_behind = made.batch(1), made.batch(9), made.batch(1)
        other, late_other = made.batch(9, source=OTHER), made.batch(1, source=object())
        queue.extend([late, behind, other, also_behind, late_other])
        assert backlog.expire(2, held.writer) == 9
        assert [answer(each) for each in (late, behind, also_behind)] == [LATE, BEHIND, BEHIND]
        assert [answer(each) for each in (other, late_other)] == [None, LATE]
        assert list(queue) == [other]


async def test_before_it_is_judged_a_producers_later_batch_is_left_to_be_judged(made: Made) -> None:
    """The late one may be the retry of a stored one: then the later one is in order."""
    backlog = Backlog()
    late, later = made.batch(1, idempotent(3)), made.batch(9, idempotent(4))
    backlog.waiting.extend([late, later])
    backlog.expire(2, None)
    assert (answer(late), answer(later)) == (IN_DOUBT, None)
    assert list(backlog.waiting) == [later]


async def test_behind_a_judged_batch_that_expired_its_producer_begins_again_there(made: Made) -> None:
    backlog = Backlog()
    late, later, other = (
        made.batch(1, idempotent(3)),
        made.batch(9, idempotent(4)),
        made.batch(9, idempotent(0, producer_id=8)),
    )
    for each in (late, later, other):
        backlog.admission.accept(each)
    held = Held(deque([late, later, other]))
    backlog.expire(2, held.writer)
    assert [answer(each) for each in (late, later, other)] == [LATE, BEHIND, None]
    assert list(held.queue) == [other]
    stored = {7: Producer(0, (Sequenced(2, 2, 100, -1),))}
    refused = backlog.admission.judge(stored, parse(idempotent(5)))
    assert isinstance(refused, Reject)
    assert refused.error.code is ErrorCode.kafka_storage_error


@pytest.mark.parametrize(
    ("data", "said"),
    [(batch(), not_stored("too much waits for this partition already").message), (idempotent(0), IN_DOUBT)],
    ids=["without a producer", "unjudged"],
)
async def test_what_there_is_no_room_for_is_told_so(made: Made, room: Budget, data: bytes, said: str) -> None:
    backlog = Backlog()
    turned_away = made.batch(9, data)
    backlog.turn_away(turned_away, 1)
    assert answer(turned_away) == said
    assert room.used == 0


# When a writer ends


async def test_what_a_writer_held_goes_before_what_waits_and_stays_in_order(made: Made) -> None:
    backlog = Backlog()
    first, second, third, fourth, fifth, sixth = (made.batch(9) for _ in range(6))
    backlog.doubtful.append(doubtful(first, 0))
    backlog.waiting.append(sixth)
    held = Held(deque([fourth, fifth]), (run_of(second), run_of(third)))
    assert backlog.unanswered(held.writer) == [first, second, third, fourth, fifth, sixth]
    backlog.take_over(held.writer)
    assert [each.batch for each in backlog.doubtful] == [first, second, third]
    assert list(backlog.waiting) == [fourth, fifth, sixth]


def fold_with(*epochs: tuple[int, int]) -> Fold:
    """One that knows these epochs, by their first offsets."""
    newest, offset = epochs[-1]
    fold = Fold(IDENTITY, Position(50, newest, offset))
    fold.epochs = [(epoch, begin, 10 * epoch) for epoch, begin in epochs]
    return fold


async def test_what_the_fold_holds_is_acknowledged_and_the_rest_waits_in_its_order(made: Made) -> None:
    backlog = Backlog()
    stored, lost, also_lost, waiting = (made.batch(9) for _ in range(4))
    backlog.doubtful += [doubtful(stored, 4), doubtful(lost, 5), doubtful(also_lost, 6)]
    backlog.waiting.append(waiting)
    backlog.settle(fold_with((1, 0), (2, 5)), 3, 0.0)
    assert answer(stored) == Appended(base_offset=4, log_append_time_ms=-1, log_start_offset=3)
    assert list(backlog.waiting) == [lost, also_lost, waiting]
    assert not backlog.doubtful


async def test_where_the_end_of_its_epoch_was_trimmed_a_batch_may_be_stored(made: Made) -> None:
    backlog = Backlog()
    sent = made.batch(9)
    backlog.doubtful.append(doubtful(sent, 4))
    backlog.settle(fold_with((2, 5), (3, 6)), 5, 0.0)
    assert answer(sent) == IN_DOUBT
    assert not backlog.waiting


async def test_behind_a_batch_that_may_be_stored_nothing_of_its_producer_overtakes_it(made: Made) -> None:
    """Simulation, seed 8660: the held batches behind it met 45, which ends their producer."""
    backlog = Backlog()
    plain, sequenced = made.batch(9), made.batch(9, idempotent(24))
    later, later_sequenced = made.batch(9), made.batch(9, idempotent(26))
    backlog.doubtful += [doubtful(plain, 4), doubtful(sequenced, 5)]
    backlog.waiting += [later, later_sequenced]
    backlog.settle(fold_with((2, 5), (3, 6)), 5, 0.0)
    assert answer(plain) == answer(sequenced) == IN_DOUBT
    assert "not stored" in str(answer(later))
    assert list(backlog.waiting) == [later_sequenced]
    known = {7: Producer(epoch=0, batches=(Sequenced(23, 23, 3, -1),))}
    verdict = backlog.admission.judge(known, later_sequenced.header)
    assert isinstance(verdict, Reject)
    assert verdict.error.code is ErrorCode.kafka_storage_error
    assert not verdict.final
    assert backlog.admission.judge(known, sequenced.header) == Accept()


# When nothing can be stored here


@pytest.mark.parametrize(
    ("error", "unjudged"),
    [(not_stored("the disk is gone"), IN_DOUBT), (NotLeader("node 2 writes it", None), "node 2 writes it")],
    ids=["a certain answer", "not the leader"],
)
async def test_refusing_says_certainly_only_what_is_certain(
    made: Made, room: Budget, error: KafkaError, unjudged: str
) -> None:
    backlog = Backlog()
    sent, plain, sequenced = made.batch(9), made.batch(9), made.batch(9, idempotent(0))
    backlog.doubtful.append(doubtful(sent, 0))
    backlog.waiting.extend([plain, sequenced])
    backlog.refuse(error)
    assert [answer(each) for each in (sent, plain, sequenced)] == [IN_DOUBT, error.message, unjudged]
    assert not backlog.unanswered(None)
    assert room.used == 0
