"""Who waits for a partition's end to grow, and what a view holds while it does."""

from __future__ import annotations

import asyncio
import gc
import weakref

from kov import records
from kov.entries import unpack
from kov.partition import control
from kov.partition.fold import Fold, Meaning
from kov.partition.identity import NOBODY, ProducerBounds, WriterStamp
from kov.partition.index import SPACING_ENTRIES
from kov.partition.tail import Tail, TailBudget
from kov.partition.view import View
from tests.builders import batch
from tests.kov.partition.scripted import IDENTITY

STAMP = WriterStamp(attempt_id=b"v" * 16, node=NOBODY)


def view_with(batches: int) -> View:
    """Behind a fence and so many batches of one record."""
    fold = Fold(IDENTITY)
    fold.apply(1, control.fence(fold, STAMP, ProducerBounds(), 0))
    view = View(TailBudget())
    view.load(fold)
    for _ in range(batches):
        grow(view)
    return view


def grow(view: View) -> None:
    position = view.fold.position
    payload = records.stamp(batch(), position.next_offset, position.epoch)
    assert view.apply(position.llsn + 1, unpack(payload), payload) is Meaning.BATCH


async def test_what_lies_below_the_end_is_not_waited_for() -> None:
    view = view_with(3)
    assert view.advanced(2).done()
    waiting = view.advanced(3)
    assert not waiting.done()
    grow(view)
    assert waiting.done()


async def test_all_who_wait_are_woken_each_at_its_own_offset() -> None:
    view = view_with(0)
    first, again, later = view.advanced(0), view.advanced(0), view.advanced(1)
    grow(view)
    assert [each.done() for each in (first, again, later)] == [True, True, False]
    grow(view)
    assert later.done()


async def test_whoever_gives_up_waiting_disturbs_nobody() -> None:
    view = view_with(0)
    given_up, waiting = view.advanced(0), view.advanced(0)
    given_up.cancel()
    other = view.advanced(0)
    grow(view)
    assert waiting.done()
    assert other.done()


async def test_who_waits_no_more_is_not_held_on_to() -> None:
    view = view_with(0)
    given_up, served = view.advanced(5), view.advanced(0)
    held = [weakref.ref(given_up), weakref.ref(served)]
    given_up.cancel()
    grow(view)
    await asyncio.sleep(0)
    del given_up, served
    gc.collect()
    assert [each() for each in held] == [None, None]


async def test_before_it_is_loaded_one_can_wait_too() -> None:
    view = View(TailBudget())
    assert not view.loaded
    waiting, beyond = view.advanced(0), view.advanced(2)
    view.load(view_with(2).fold)
    assert [waiting.done(), beyond.done()] == [True, False]


async def test_when_there_will_be_nothing_more_all_are_woken() -> None:
    view = view_with(0)
    given_up, waiting, other = view.advanced(0), view.advanced(0), view.advanced(5)
    given_up.cancel()
    view.wake_all()
    assert waiting.done()
    assert other.done()


async def test_loading_anew_forgets_batches_and_marks_of_before() -> None:
    view = view_with(3)
    assert view.tail.read(0, 1000) is not None
    later = Fold(IDENTITY)
    later.position.llsn, later.position.epoch, later.position.next_offset = 40, 2, 30
    later.last_control_llsn = 17
    view.load(later)
    assert view.tail.read(0, 1000) is None
    assert view.index.floor(29) is None
    floor = view.index.floor(30)
    assert floor is not None
    assert (floor.llsn, floor.next_offset, view.oldest_control, view.end_offset) == (40, 30, 17, 30)


async def test_a_repair_sets_the_view_back_to_what_it_declares() -> None:
    view = view_with(3)
    declared = Fold(IDENTITY)
    declared.position.llsn, declared.position.epoch, declared.position.next_offset = 4, 1, 1
    entry = control.repair(declared, STAMP, None, 0)
    assert view.apply(5, entry, b"") is Meaning.REPAIR
    assert view.end_offset == 1
    assert view.tail.read(0, 1000) is None
    grow(view)
    assert view.end_offset == 2
    assert view.tail.read(1, 1000) is not None


def test_a_batch_of_exactly_the_room_that_is_left_is_read_along() -> None:
    tail = Tail(TailBudget())
    for n in range(3):
        tail.add(n, n + 1, b"x" * 100)
    assert tail.read(0, 200) == [b"x" * 100] * 2
    assert tail.read(0, 199) == [b"x" * 100]


def test_evictions_of_forgotten_batches_leave_the_newer_ones_alone() -> None:
    """Each batch was counted once, whether it is forgotten or not."""
    budget = TailBudget(max_bytes=400)
    tail = Tail(budget)
    for n in range(4):
        tail.add(n, n + 1, b"a" * 100)
    tail.clear()
    for n in range(4):
        tail.add(50 + n, 51 + n, b"b" * 100)
        assert tail.read(50, 1000) == [b"b" * 100] * (n + 1)
    for n in range(4):
        tail.add(54 + n, 55 + n, b"c" * 100)
        assert tail.read(50 + n, 1000) is None
        assert tail.read(51 + n, 1000) == [b"b" * 100] * (3 - n) + [b"c" * 100] * (n + 1)
    assert budget.bytes == 400


def test_evictions_are_counted_right_whenever_batches_are_forgotten() -> None:
    budget = TailBudget(max_bytes=400)
    tail = Tail(budget)
    for n in range(7):
        tail.add(n, n + 1, b"a" * 100)
    assert tail.read(3, 1000) == [b"a" * 100] * 4
    tail.clear()
    for n in range(4):
        tail.add(50 + n, 51 + n, b"b" * 100)
        assert tail.read(50, 1000) == [b"b" * 100] * (n + 1)
    assert budget.bytes == 400


def test_a_view_marks_positions_as_entries_pass() -> None:
    view = view_with(4 * SPACING_ENTRIES)
    floor = view.index.floor(2 * SPACING_ENTRIES)
    assert floor is not None
    assert SPACING_ENTRIES <= floor.next_offset <= 2 * SPACING_ENTRIES
    assert floor.llsn == floor.next_offset + 1, "the fence takes no offset"
