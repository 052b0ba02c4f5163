"""Where offsets lie, and the newest batches in memory: both bounded, both exact."""

from __future__ import annotations

from kov.partition.fold import Position
from kov.partition.index import MAX_MARKS, SPACING_ENTRIES, Index
from kov.partition.tail import Tail, TailBudget


def test_floor_is_the_last_mark_at_or_before_the_offset() -> None:
    index = Index()
    for offset in (0, 10, 20):
        index.add(Position(llsn=offset + 1, epoch=1, next_offset=offset))
    for offset, mark in ((0, 0), (9, 0), (10, 10), (19, 10), (20, 20), (999, 20)):
        found = index.floor(offset)
        assert found is not None
        assert found.next_offset == mark


def test_marks_are_sparse_and_sorted_also_when_older_ones_come_later() -> None:
    index = Index()
    index.add(Position(llsn=500, epoch=1, next_offset=500))
    for n in range(400):
        index.passed(Position(llsn=501 + n, epoch=1, next_offset=501 + n), 10)
    assert 400 // SPACING_ENTRIES <= len(index) <= 400 // SPACING_ENTRIES + 2
    assert index.floor(499) is None
    index.add(Position(llsn=3, epoch=1, next_offset=2))
    found = index.floor(499)
    assert found is not None
    assert found.llsn == 3


def test_the_index_is_bounded_and_keeps_its_ends() -> None:
    index = Index()
    for n in range(3 * MAX_MARKS):
        index.add(Position(llsn=n + 1, epoch=1, next_offset=n))
    assert len(index) <= MAX_MARKS
    assert index.first_offset == 0
    newest = index.floor(3 * MAX_MARKS)
    assert newest is not None
    assert newest.next_offset > 3 * MAX_MARKS - MAX_MARKS // 2


def test_a_reader_may_step_the_position_it_was_given() -> None:
    index = Index()
    index.add(Position(llsn=1, epoch=1, next_offset=0))
    first = index.floor(0)
    assert first is not None
    first.llsn = 77
    second = index.floor(0)
    assert second is not None
    assert second.llsn == 1


def test_after_a_trim_the_lost_marks_are_forgotten() -> None:
    index = Index()
    for n in range(10):
        index.add(Position(llsn=n * 10, epoch=1, next_offset=n))
    index.forget_before(41)
    assert index.floor(3) is None
    assert index.first_offset == 4


def test_tail_reads_whole_batches_up_to_the_bound_and_at_least_one() -> None:
    tail = Tail(TailBudget())
    for n in range(5):
        tail.add(n * 10, n * 10 + 10, b"%d" % n * 100)
    assert tail.read(0, 250) == [b"0" * 100, b"1" * 100]
    assert tail.read(19, 1) == [b"1" * 100]
    assert tail.read(20, 1000) == [b"2" * 100, b"3" * 100, b"4" * 100]
    assert tail.read(50, 1000) is None
    assert Tail(TailBudget()).read(0, 1) is None


def test_the_budget_evicts_what_came_first_whichever_partition_it_belongs_to() -> None:
    budget = TailBudget(max_bytes=300)
    one, two = Tail(budget), Tail(budget)
    one.add(0, 1, b"a" * 100)
    two.add(0, 1, b"b" * 100)
    one.add(1, 2, b"c" * 100)
    two.add(1, 2, b"d" * 100)
    assert budget.bytes == 300
    assert one.read(0, 100) is None
    assert one.read(1, 100) == [b"c" * 100]
    assert two.read(0, 100) == [b"b" * 100]


def test_a_jump_forgets_what_came_before_and_evictions_still_fit() -> None:
    budget = TailBudget(max_bytes=400)
    tail = Tail(budget)
    for n in range(3):
        tail.add(n, n + 1, b"x" * 100)
    tail.add(50, 51, b"y" * 100)
    assert tail.read(2, 100) is None
    for n in range(3):
        tail.add(51 + n, 52 + n, b"z" * 100)
    assert budget.bytes == 400
    assert tail.read(50, 1000) == [b"y" * 100, b"z" * 100, b"z" * 100, b"z" * 100]
    tail.add(54, 55, b"w" * 100)
    assert tail.read(50, 100) is None
    assert tail.read(51, 100) == [b"z" * 100]
