"""Batches that were accepted and then dropped: what must come again, in which order, and for how long."""

from __future__ import annotations

import asyncio

import pytest
from kio.schema.errors import ErrorCode

from kov.budget import Budget
from kov.partition import admission
from kov.partition.admission import EXPECTED_FOR_S, Admission, Admitted, Shared
from kov.partition.pending import PendingBatch, Waiter
from kov.partition.producers import Accept, Producer, Reject, Sequenced
from kov.records import parse
from tests.builders import batch, idempotent


async def pending(data: bytes) -> PendingBatch:
    loop = asyncio.get_running_loop()
    return PendingBatch(
        data, parse(data), None, Waiter(loop.create_future(), loop.time() + 10), Budget(1 << 30)
    )


async def accepted(held: Admission, sequence: int, count: int = 1, *, producer_id: int = 7) -> PendingBatch:
    made = await pending(idempotent(sequence, count, producer_id=producer_id))
    held.accept(made)
    return made


async def dropped(held: Admission, *sequences: int, producer_id: int = 7, now: float = 0) -> None:
    """Accepts them in their order and drops them in the given one."""
    batches = {
        sequence: await accepted(held, sequence, producer_id=producer_id) for sequence in sorted(sequences)
    }
    for sequence in sequences:
        held.drop(batches[sequence], now)


def verdict(
    held: Admission, sequence: int, count: int = 1, *, producer_id: int = 7, epoch: int = 0, stored: int = 4
) -> Admitted:
    """On a batch of a producer whose batch `stored` is in the log."""
    known = {producer_id: Producer(0, (Sequenced(stored, stored, 100, -1),))}
    return held.judge(known, parse(idempotent(sequence, count, producer_id=producer_id, epoch=epoch)))


def code_of(admitted: Admitted) -> ErrorCode:
    assert isinstance(admitted, Reject)
    return admitted.error.code


NOT_STORED = ErrorCode.kafka_storage_error
OUT_OF_ORDER = ErrorCode.out_of_order_sequence_number


# Retries of what is in flight


async def test_only_the_very_same_batch_is_a_retry_of_one_in_flight() -> None:
    held = Admission()
    first = await accepted(held, 5, 3)
    second = await accepted(held, 8)
    assert verdict(held, 5, 3) == Shared(first)
    assert verdict(held, 8) == Shared(second)
    for sequence, count, epoch in ((5, 2, 0), (6, 2, 0), (7, 2, 0), (8, 2, 0)):
        assert code_of(verdict(held, sequence, count, epoch=epoch)) is OUT_OF_ORDER
    assert code_of(verdict(held, 8, epoch=1)) is OUT_OF_ORDER
    held.settle(first)
    assert verdict(held, 8) == Shared(second)
    held.settle(second)
    assert verdict(held, 5) == Accept()


async def test_a_batch_without_a_producer_is_nobodys_to_repeat() -> None:
    held = Admission()
    made = await pending(batch())
    held.accept(made)
    held.drop(made, 0)
    assert verdict(held, 6, producer_id=-1, stored=5) == Accept()


# What must come again


async def test_whichever_was_dropped_first_the_earliest_must_come_again_first() -> None:
    for order in ((5, 6, 7), (7, 6, 5), (6, 5, 7)):
        held = Admission()
        await dropped(held, *order)
        assert verdict(held, 5) == Accept()
        assert [code_of(verdict(held, sequence)) for sequence in (6, 7, 8)] == [NOT_STORED] * 3


async def test_what_was_dropped_must_come_again_in_turn_until_all_of_it_has() -> None:
    held = Admission()
    await dropped(held, 5, 6, 7)
    for sequence in (5, 6, 7):
        again = await accepted(held, sequence)
        if sequence < 7:
            assert code_of(verdict(held, sequence + 2)) is NOT_STORED
        held.settle(again)
        assert verdict(held, sequence + 1, stored=sequence) == Accept()
    assert code_of(verdict(held, 9, stored=7)) is OUT_OF_ORDER, "nothing is missing any more: a real gap"


async def test_what_an_epoch_left_unsent_does_not_bind_the_next_one() -> None:
    held = Admission()
    await dropped(held, 9)
    newer = await pending(idempotent(0, epoch=1))
    held.drop(newer, 0)
    assert verdict(held, 0, epoch=1) == Accept()
    assert code_of(verdict(held, 1, epoch=1)) is NOT_STORED
    assert verdict(held, 5) == Accept()
    assert code_of(verdict(held, 10)) is OUT_OF_ORDER


# How long and how many


async def test_a_dropped_sequence_is_remembered_for_its_time_and_no_longer() -> None:
    held = Admission()
    await dropped(held, 5)
    await dropped(held, 5, producer_id=8, now=EXPECTED_FOR_S - 1)
    assert code_of(verdict(held, 6)) is NOT_STORED
    await dropped(held, 5, producer_id=9, now=EXPECTED_FOR_S)
    assert code_of(verdict(held, 6)) is OUT_OF_ORDER
    assert code_of(verdict(held, 6, producer_id=8)) is NOT_STORED


async def test_sending_one_of_the_dropped_again_does_not_lengthen_the_time_of_the_others() -> None:
    held = Admission()
    await dropped(held, 5, 6)
    held.settle(await accepted(held, 5))
    await dropped(held, 5, producer_id=9, now=EXPECTED_FOR_S)
    assert code_of(verdict(held, 7, stored=5)) is OUT_OF_ORDER


async def test_of_too_many_producers_the_longest_untouched_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(admission, "MAX_EXPECTED", 3)
    held = Admission()
    for producer_id in (1, 2, 3, 1):
        await dropped(held, 5, producer_id=producer_id)
    codes = [code_of(verdict(held, 6, producer_id=producer_id)) for producer_id in (1, 2, 3)]
    assert codes == [NOT_STORED] * 3
    await dropped(held, 5, producer_id=4)
    codes = [code_of(verdict(held, 6, producer_id=producer_id)) for producer_id in (1, 2, 3, 4)]
    assert codes == [NOT_STORED, OUT_OF_ORDER, NOT_STORED, NOT_STORED]


async def test_after_a_fold_what_was_accepted_is_judged_anew_and_what_was_dropped_still_expected() -> None:
    held = Admission()
    await dropped(held, 5)
    await accepted(held, 0, producer_id=8)
    held.reset()
    assert code_of(verdict(held, 6)) is NOT_STORED
    assert code_of(verdict(held, 1, producer_id=8)) is OUT_OF_ORDER
