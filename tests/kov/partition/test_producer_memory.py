"""What is remembered of a producer, and what the verdicts on its batches say."""

from __future__ import annotations

import pytest
from kio.schema.errors import ErrorCode

from kov.partition.producer_states import message_of, producer_of
from kov.partition.producers import Accept, Expected, Producer, Reject, Sequenced, follows, judge
from kov.records import BatchHeader, parse
from tests.builders import batch

HALF = 2**30
STORED = Producer(3, (Sequenced(0, 4, 100, -1),))


def header(sequence: int, count: int = 1, epoch: int = 3) -> BatchHeader:
    return parse(batch([b"x"] * count, producer_id=7, epoch=epoch, sequence=sequence))


def rejected(batch: BatchHeader, stored: Producer | None, expected: Expected | None = None) -> Reject:
    verdict = judge(stored, None, expected, batch)
    assert isinstance(verdict, Reject)
    return verdict


def test_a_producer_comes_back_from_a_control_entry_as_it_was() -> None:
    producer = Producer(3, (Sequenced(0, 4, 100, -1), Sequenced(5, 5, 105, 1_700_000_000_000)), 42)
    assert producer_of(message_of(7, producer)) == producer
    assert message_of(7, producer).producer_id == 7


def test_batches_of_an_older_epoch_are_no_duplicates_in_the_new_one() -> None:
    newer = STORED.advanced(4, Sequenced(0, 0, 105, -1))
    assert judge(newer, None, None, header(1, 4, epoch=4)) == Accept()
    retried = newer.advanced(4, Sequenced(1, 1, 106, -1))
    assert retried.batches == (Sequenced(0, 0, 105, -1), Sequenced(1, 1, 106, -1))


def test_an_earlier_batch_dropped_later_leaves_the_last_one_expected() -> None:
    assert Expected(0, 17, 19).widened(Expected(0, 15, 15)) == Expected(0, 15, 19)


def test_behind_is_less_than_half_of_the_circle() -> None:
    assert follows(HALF - 1, 0)
    assert not follows(HALF, 0)
    assert not follows(0, 0)
    assert follows(100, 0)


def test_a_refused_epoch_is_final_and_the_answer_names_the_known_one() -> None:
    verdict = rejected(header(5, epoch=2), STORED)
    assert verdict.error.code is ErrorCode.invalid_producer_epoch
    assert verdict.final, "it kills the producer: ownership must be proven before"
    assert verdict.error.message == "producer 7 sent epoch 2, epoch 3 is known already"


@pytest.mark.parametrize(("stored", "known"), [(STORED, 3), (None, -1)])
def test_an_epoch_that_no_producer_has_is_refused(stored: Producer | None, known: int) -> None:
    verdict = rejected(header(0, epoch=-2), stored)
    assert verdict.error.code is ErrorCode.invalid_producer_epoch
    assert verdict.final
    assert verdict.error.message.endswith(f"sent epoch -2, epoch {known} is known already")


def test_without_an_epoch_a_producer_id_is_taken_as_it_is() -> None:
    assert judge(None, None, None, header(0, epoch=-1)) == Accept()


def test_a_refused_sequence_is_named_beside_the_one_that_comes_next() -> None:
    assert rejected(header(9), STORED).error.message.endswith("sent the sequence 9 where 5 comes next")


def test_behind_a_dropped_batch_the_answer_names_it_and_needs_no_proof() -> None:
    verdict = rejected(header(6), STORED, Expected(3, 5, 5))
    assert verdict.final is False
    assert "the sequence 5 was not stored, so 6 behind it can't be either" in verdict.error.message
