"""Every request is answered by its own time, in simulated time; and what one batch is to its requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager

import pytest
from kio.schema.errors import ErrorCode

from kov import records
from kov.budget import Budget
from kov.errors import KafkaError
from kov.partition.limits import Limits
from kov.partition.partition import Appended, Partition
from kov.partition.pending import PendingBatch, Waiter, in_doubt, not_stored
from kov.partition.states import State
from tests.builders import batch, idempotent
from tests.kov.partition.asking import offset_of, send, until, values_of
from tests.kov.partition.scripted import ScriptedLog, partition_on
from tests.simulation.loop import run

SLACK_S = 0.02
NOT_STORED = ErrorCode.kafka_storage_error
IN_DOUBT = ErrorCode.request_timed_out


def simulated(main: Coroutine[object, object, None]) -> None:
    run(1, main)


@asynccontextmanager
async def opened(log: ScriptedLog) -> AsyncIterator[Partition]:
    partition = partition_on(log, limits=Limits(retry_s=0.05, max_retry_s=0.5))
    await offset_of(send(partition, batch([b"first"])))
    yield partition
    log.unreachable = False
    log.release()
    await partition.close(1)


def now() -> float:
    return asyncio.get_running_loop().time()


async def check_ends(future: asyncio.Future[Appended], code: ErrorCode, at_s: float) -> None:
    """It is answered `code` at `at_s`, not before and hardly later."""
    await asyncio.wait([future], timeout=60)
    assert at_s <= now() <= at_s + SLACK_S
    error = future.exception()
    assert isinstance(error, KafkaError)
    assert error.code is code
    assert error.message


# In flight, queued, waiting


@pytest.mark.parametrize("order", [(1.0, 2.0, 3.0), (3.0, 1.0, 2.0), (2.0, 3.0, 1.0)])
def test_requests_in_flight_are_each_answered_at_their_own_time(order: tuple[float, ...]) -> None:
    async def main() -> None:
        log = ScriptedLog()
        async with opened(log) as partition:
            log.hold()
            begun = now()
            futures = {at: send(partition, batch(), timeout_s=at, source=object()) for at in order[:2]}
            await until(lambda: len(log.sent) == 2)
            for at_s, future in sorted(futures.items()):
                await check_ends(future, IN_DOUBT, begun + at_s)

    simulated(main())


@pytest.mark.parametrize("order", [(1.0, 2.0, 3.0), (3.0, 1.0, 2.0), (2.0, 3.0, 1.0)])
def test_requests_in_the_queue_are_each_answered_at_their_own_time(order: tuple[float, ...]) -> None:
    async def main() -> None:
        log = ScriptedLog()
        async with opened(log) as partition:
            log.hold()
            sent = [send(partition, batch(), timeout_s=30) for _ in range(2)]
            begun = now()
            futures = {at: send(partition, batch(), timeout_s=at, source=object()) for at in order}
            for at_s, future in sorted(futures.items()):
                await check_ends(future, NOT_STORED, begun + at_s)
            log.release()
            assert [await offset_of(each) for each in sent] == [1, 2]

    simulated(main())


@pytest.mark.parametrize("order", [(1.0, 2.0, 3.0), (3.0, 1.0, 2.0), (2.0, 3.0, 1.0)])
def test_while_storage_is_away_each_request_is_answered_at_its_own_time(order: tuple[float, ...]) -> None:
    async def main() -> None:
        log = ScriptedLog()
        log.unreachable = True
        partition = partition_on(log)
        begun = now()
        plain = {at: send(partition, batch(), timeout_s=at, source=object()) for at in order}
        sequenced = {
            at: send(partition, idempotent(0, producer_id=int(at)), timeout_s=at + 0.5) for at in order
        }
        for at_s in sorted(order):
            await check_ends(plain[at_s], NOT_STORED, begun + at_s)
            await check_ends(sequenced[at_s], IN_DOUBT, begun + at_s + 0.5)
        await partition.close(1)

    simulated(main())


def test_what_is_in_doubt_is_answered_at_its_own_time_while_it_cant_be_settled() -> None:
    async def main() -> None:
        log = ScriptedLog()
        async with opened(log) as partition:
            log.hold()
            begun = now()
            sooner, later = (send(partition, batch(), timeout_s=at, source=object()) for at in (1.0, 2.0))
            await until(lambda: len(log.sent) == 2)
            log.unreachable = True
            log.strand(stored=0)
            await check_ends(sooner, IN_DOUBT, begun + 1.0)
            await check_ends(later, IN_DOUBT, begun + 2.0)

    simulated(main())


def test_a_request_that_comes_after_an_expiry_is_answered_at_its_time_too() -> None:
    async def main() -> None:
        log = ScriptedLog()
        async with opened(log) as partition:
            log.hold()
            for _ in range(3):
                begun = now()
                await check_ends(send(partition, batch(), timeout_s=1, source=object()), IN_DOUBT, begun + 1)
                log.complete()

    simulated(main())


def test_an_answered_request_lets_the_next_one_have_its_time() -> None:
    async def main() -> None:
        log = ScriptedLog()
        async with opened(log) as partition:
            assert await offset_of(send(partition, batch(), timeout_s=1)) == 1
            log.hold()
            begun = now()
            await check_ends(send(partition, batch(), timeout_s=5), IN_DOUBT, begun + 5)

    simulated(main())


def test_a_retry_waits_for_the_batch_in_flight_until_its_own_time() -> None:
    async def main() -> None:
        log = ScriptedLog()
        async with opened(log) as partition:
            log.hold()
            begun = now()
            first = send(partition, idempotent(0), timeout_s=1)
            retry = send(partition, idempotent(0), timeout_s=3)
            await check_ends(first, IN_DOUBT, begun + 1)
            await check_ends(retry, IN_DOUBT, begun + 3)
            last = send(partition, idempotent(0), timeout_s=3)
            log.release()
            assert await offset_of(last) == 1

    simulated(main())


def test_what_expires_takes_along_only_later_batches_of_its_own_connection() -> None:
    async def main() -> None:
        log = ScriptedLog()
        async with opened(log) as partition:
            log.hold()
            sent = [send(partition, batch(), timeout_s=30, source=object()) for _ in range(2)]
            ours, theirs = object(), object()
            begun = now()
            before = send(partition, batch([b"theirs"]), source=theirs, timeout_s=30)
            expiring = send(partition, batch([b"ours"]), source=ours, timeout_s=1)
            behind = send(partition, batch([b"behind"]), source=ours, timeout_s=30)
            await check_ends(expiring, NOT_STORED, begun + 1)
            await check_ends(behind, NOT_STORED, begun + 1)
            log.release()
            assert [await offset_of(each) for each in (*sent, before)] == [1, 2, 3]
            assert values_of(log)[-1] == b"theirs"

    simulated(main())


def test_given_up_by_its_connection_a_queued_batch_takes_later_ones_along_when_its_turn_comes() -> None:
    """They must not overtake it: the connection sends all of them again, in order."""

    async def main() -> None:
        log = ScriptedLog()
        async with opened(log) as partition:
            await offset_of(send(partition, idempotent(0)))
            log.hold()
            sent = [send(partition, batch(), source=object()) for _ in range(2)]
            await until(lambda: len(log.sent) == 2)
            given_up, behind = send(partition, idempotent(1)), send(partition, idempotent(2))
            given_up.cancel()
            log.release()
            await asyncio.wait([*sent, behind])
            error = behind.exception()
            assert isinstance(error, KafkaError)
            assert error.code is NOT_STORED
            assert await offset_of(send(partition, idempotent(1))) == 4

    simulated(main())


def test_no_time_is_over_before_it_is() -> None:
    async def main() -> None:
        log = ScriptedLog()
        async with opened(log) as partition:
            log.sealed = True
            waiting = send(partition, batch(), timeout_s=100)
            await asyncio.sleep(98)
            assert partition.state is State.OPENING
            assert not waiting.done()
            log.sealed = False
            assert await offset_of(waiting) == 1

    simulated(main())


def test_without_an_end_to_its_time_a_request_just_waits() -> None:
    async def main() -> None:
        log = ScriptedLog()
        async with opened(log) as partition:
            log.hold()
            patient = send(partition, batch(), timeout_s=float("inf"))
            begun = now()
            await check_ends(send(partition, batch(), timeout_s=1, source=object()), IN_DOUBT, begun + 1)
            await asyncio.sleep(10_000)
            assert not patient.done()
            log.release()
            assert await offset_of(patient) == 1

    simulated(main())


# One batch and its requests


def pending(room: Budget, *deadlines: float) -> PendingBatch:
    data = batch([b"v"] * 3, producer_id=7, epoch=2, sequence=5)
    loop = asyncio.get_running_loop()
    first, *others = [
        PendingBatch(data, records.parse(data), "connection", Waiter(loop.create_future(), deadline), room)
        for deadline in deadlines
    ]
    for other in others:
        first.join(other)
    return first


async def test_a_batch_names_its_producer() -> None:
    assert repr(pending(Budget(1), 1.0)) == "<PendingBatch n=3 producer=7/2:5>"


async def test_requests_whose_time_is_over_are_answered_and_the_others_wait() -> None:
    made = pending(Budget(1), 1.0, 2.0, 3.0)
    made.expire(2.0, in_doubt)
    assert [waiter.future.done() for waiter in made.waiters] == [True, True, False]
    assert (made.wanted, made.deadline()) == (True, 3.0)
    made.expire(3.0, lambda: not_stored("of the test"))
    assert (made.wanted, made.deadline()) == (False, float("inf"))
    codes = [error.code for each in made.waiters if isinstance(error := each.future.exception(), KafkaError)]
    assert codes == [IN_DOUBT, IN_DOUBT, NOT_STORED]


async def test_a_retry_takes_no_room_beside_the_batch_it_shares() -> None:
    room = Budget(1)
    made = pending(room, 1.0, 2.0)
    assert room.used == len(made.records)
    made.release()
    made.release()
    assert room.used == 0


async def test_an_answer_reaches_every_request_that_still_waits() -> None:
    room = Budget(1)
    appended = Appended(base_offset=1, log_append_time_ms=-1, log_start_offset=0)
    for refused in (False, True):
        made = pending(room, 1.0, 2.0, 3.0)
        made.waiters[0].future.cancel()
        error = not_stored("of the test")
        made.fail(error) if refused else made.succeed(appended)
        for waiter in made.waiters[1:]:
            assert waiter.future.exception() is (error if refused else None)
        assert room.used == 0


def test_the_answers_name_what_is_known() -> None:
    assert in_doubt().code is IN_DOUBT
    assert in_doubt().message == "the storage didn't confirm the batch in time; it may be stored or not"
    assert not_stored("of a test").code is NOT_STORED
    assert not_stored("of a test").message == "the batch was not stored: of a test"
