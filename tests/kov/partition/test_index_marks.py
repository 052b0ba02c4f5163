"""The index's marks: how dense, how many, and which one a read begins at."""

from __future__ import annotations

import pytest

from kov.partition.fold import Position
from kov.partition.index import MAX_MARKS, SPACING_BYTES, SPACING_ENTRIES, Index


def at(llsn: int, offset: int | None = None) -> Position:
    return Position(llsn=llsn, epoch=1, next_offset=llsn if offset is None else offset)


def mark_at(index: Index, offset: int) -> int | None:
    """The LLSN of the mark that a read of `offset` begins at."""
    found = index.floor(offset)
    return found.llsn if found is not None else None


@pytest.fixture
def index() -> Index:
    """One mark, at the beginning of the stream."""
    made = Index()
    made.add(at(0))
    return made


@pytest.mark.parametrize(
    ("size", "spacing"),
    [(0, SPACING_ENTRIES), (SPACING_BYTES, 1), (SPACING_BYTES - 1, 2), (SPACING_BYTES // 4, 4)],
    ids=["many small ones", "large ones", "almost large ones", "what fits exactly"],
)
def test_marks_are_as_far_apart_as_entries_and_bytes_allow(index: Index, size: int, spacing: int) -> None:
    for llsn in range(1, 4 * spacing):
        index.passed(at(llsn), size)
    assert len(index) == 4
    for n in range(4):
        assert mark_at(index, n * spacing) == n * spacing
        assert mark_at(index, (n + 1) * spacing - 1) == n * spacing


def test_the_first_entry_of_all_is_marked() -> None:
    index = Index()
    index.passed(at(1), 10)
    index.passed(at(2), 10)
    assert len(index) == 1
    assert mark_at(index, 2) == 1


def test_of_two_marks_for_one_offset_the_one_with_less_to_skip_behind_it_stays(index: Index) -> None:
    index.add(at(5, offset=5))
    index.add(at(9, offset=5))  # four void or control entries later
    index.add(at(7, offset=5))
    assert len(index) == 2
    assert (mark_at(index, 4), mark_at(index, 5)) == (0, 9)


def test_a_full_index_thins_out_evenly_and_stays_right(index: Index) -> None:
    for llsn in range(1, MAX_MARKS):
        index.add(at(llsn))
    assert len(index) == MAX_MARKS
    assert mark_at(index, 77) == 77
    index.add(at(MAX_MARKS))
    assert len(index) == MAX_MARKS // 2 + 1
    for offset in range(MAX_MARKS + 1):
        assert mark_at(index, offset) == offset - offset % 2


def test_marks_behind_which_an_entry_is_missing_are_forgotten_and_no_others(index: Index) -> None:
    for llsn in (38, 39, 40):
        index.add(at(llsn))
    index.forget_before(40)  # the first that is left
    assert mark_at(index, 38) is None
    assert [mark_at(index, offset) for offset in (39, 40)] == [39, 40]


def test_by_time_a_read_begins_at_the_last_mark_with_nothing_as_late_before_it() -> None:
    index = Index()
    for llsn, latest_ms in enumerate((-1, 100, 100, 300)):
        index.add(Position(llsn, 1, llsn, latest_ms))
    found = [index.before(ms) for ms in (-1, 0, 100, 101, 300, 301)]
    assert [mark.llsn if mark is not None else None for mark in found] == [None, 0, 0, 2, 2, 3]
    assert found[-1] is not None
    found[-1].llsn = 77
    assert mark_at(index, 3) == 3
