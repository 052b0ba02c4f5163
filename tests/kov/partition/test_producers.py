"""The verdicts on idempotent batches, row by row of what Apache Kafka does."""

from __future__ import annotations

import pytest
from kio.schema.errors import ErrorCode

from kov.partition.producers import Accept, Duplicate, Expected, Producer, Reject, Sequenced, Verdict, judge
from kov.records import BatchHeader, parse
from tests.builders import batch

MAX = 2**31 - 1


def header(sequence: int, count: int = 1, epoch: int = 0) -> BatchHeader:
    return parse(batch([b"x"] * count, producer_id=7, epoch=epoch, sequence=sequence))


def stored(*batches: tuple[int, int], epoch: int = 0) -> Producer:
    """A producer that stored batches of (first, last) sequence, at offsets 100, 101, ..."""
    producer: Producer | None = None
    for n, (first, last) in enumerate(batches):
        one = Sequenced(first, last, 100 + n, -1)
        producer = producer.advanced(epoch, one) if producer else Producer(epoch, (one,))
    assert producer is not None
    return producer


def code_of(verdict: Verdict) -> ErrorCode:
    assert isinstance(verdict, Reject)
    return verdict.error.code


@pytest.mark.parametrize("sequence", [0, 1, 17, MAX])
def test_unknown_producer_may_begin_with_any_sequence(sequence: int) -> None:
    assert judge(None, None, None, header(sequence)) == Accept()


def test_next_sequence_is_accepted_and_wraps() -> None:
    assert judge(stored((0, 4)), None, None, header(5)) == Accept()
    assert judge(stored((MAX - 1, MAX)), None, None, header(0)) == Accept()
    assert judge(stored((MAX - 1, 0)), None, None, header(1)) == Accept()


@pytest.mark.parametrize("sequence", [6, 100, 3])
def test_gap_and_overlap_are_out_of_order(sequence: int) -> None:
    verdict = judge(stored((0, 4)), None, None, header(sequence))
    assert code_of(verdict) is ErrorCode.out_of_order_sequence_number
    assert isinstance(verdict, Reject)
    assert verdict.final


def test_retry_of_the_last_five_returns_the_first_offset() -> None:
    producer = stored(*[(n, n) for n in range(6)])
    for sequence in range(1, 6):
        verdict = judge(producer, None, None, header(sequence))
        assert isinstance(verdict, Duplicate)
        assert verdict.original.base_offset == 100 + sequence


def test_retry_of_the_sixth_last_is_out_of_order_and_never_46() -> None:
    verdict = judge(stored(*[(n, n) for n in range(6)]), None, None, header(0))
    assert code_of(verdict) is ErrorCode.out_of_order_sequence_number


def test_same_first_sequence_with_another_length_is_no_duplicate() -> None:
    assert isinstance(judge(stored((0, 4)), None, None, header(0, 3)), Reject)


def test_older_epoch_is_refused_and_newer_begins_at_zero() -> None:
    producer = stored((0, 4), epoch=3)
    assert code_of(judge(producer, None, None, header(5, epoch=2))) is ErrorCode.invalid_producer_epoch
    assert judge(producer, None, None, header(0, epoch=4)) == Accept()
    assert code_of(judge(producer, None, None, header(5, epoch=4))) is ErrorCode.out_of_order_sequence_number


def test_batches_in_flight_count_for_the_sequence() -> None:
    assert judge(stored((0, 0)), (0, 4), None, header(5)) == Accept()
    assert isinstance(judge(stored((0, 0)), (0, 4), None, header(1)), Reject)
    assert code_of(judge(None, (2, 0), None, header(1, epoch=1))) is ErrorCode.invalid_producer_epoch


def test_behind_a_dropped_batch_the_answer_is_not_stored_and_not_out_of_order() -> None:
    expected = Expected(0, 5, 5)
    for producer in (stored((0, 4)), None):
        behind = judge(producer, None, expected, header(6))
        assert code_of(behind) is ErrorCode.kafka_storage_error
        assert isinstance(behind, Reject)
        assert not behind.final
        assert judge(producer, None, expected, header(5)) == Accept()


def test_a_new_epoch_is_not_held_by_a_dropped_batch() -> None:
    assert judge(stored((0, 4)), None, Expected(0, 5, 5), header(0, epoch=1)) == Accept()


def test_a_dropped_retry_of_a_stored_batch_holds_nothing() -> None:
    assert judge(stored((0, 9)), None, Expected(0, 5, 5), header(10)) == Accept()


def test_of_several_dropped_batches_each_must_be_sent_again_in_turn() -> None:
    expected = Expected(0, 17, 19).widened(Expected(0, 15, 15)).widened(Expected(0, 21, 21))
    assert expected == Expected(0, 15, 21)
    assert expected.behind(header(12, 3)) == expected
    after = expected.behind(header(15, 2))
    assert after == Expected(0, 17, 21)
    assert after.behind(header(17, 4)) == Expected(0, 21, 21)
    assert after.behind(header(17, 5)) is None
    assert after.behind(header(0, epoch=1)) is None


def test_dropped_batches_around_the_wrap() -> None:
    expected = Expected(0, MAX, MAX).widened(Expected(0, 0, 1))
    assert expected == Expected(0, MAX, 1)
    assert expected.behind(header(MAX)) == Expected(0, 0, 1)
