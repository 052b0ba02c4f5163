"""How a history is read: up to the tail, back to older batches, and where it begins after a trim."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest

from kov import records
from kov.entries import pack
from kov.partition import control
from kov.partition.fold import Fold, Position
from kov.partition.history import History, StoredBatch
from kov.partition.identity import ProducerBounds, WriterIdentity, WriterStamp
from kov.partition.index import SPACING_ENTRIES
from kov.partition.limits import Limits
from kov.partition.partition import Partition
from kov.partition.recovery import FIRST_WINDOW
from kov.partition.tail import TailBudget
from kov.partition.view import View
from tests.builders import batch
from tests.kov.partition.asking import offset_of, send, until
from tests.kov.partition.scripted import IDENTITY, ScriptedLog, partition_on, stream_on
from varlog_client.errors import Unavailable
from varlog_client.types import LogStreamId, LogStreamState, TopicId

FIRST_MS = 1_700_000_000_000
WITHIN_S = 5.0  # a read of what isn't there waits for ever


@pytest.fixture
def log() -> ScriptedLog:
    return ScriptedLog()


@pytest.fixture
def history(log: ScriptedLog) -> History:
    return history_on(log)


def history_on(log: ScriptedLog) -> History:
    return History(stream_on(log), IDENTITY, View(TailBudget()))


async def wrote(writer: Partition, count: int, first: int = 0) -> None:
    for n in range(first, first + count):
        await offset_of(send(writer, batch([b"%d" % n], timestamp_ms=FIRST_MS + n)))


async def written(log: ScriptedLog, *counts: int, snapshot_entries: int = 10_000) -> None:
    """Each count by a writer of its own: so many batches of one record behind a fence."""
    first = 0
    for count in counts:
        writer = partition_on(log, limits=Limits(retry_s=0.001, snapshot_entries=snapshot_entries))
        await wrote(writer, count, first)
        await writer.close(1)
        first += count


async def offsets_of(history: History, offset: int) -> list[int]:
    async with asyncio.timeout(WITHIN_S), aclosing(history.batches(offset)) as batches:
        return [stored.base_offset async for stored in batches]


async def know_epochs(history: History, since: int) -> None:
    async with asyncio.timeout(WITHIN_S):
        await history.know_epochs(since)


# Up to the tail


async def test_looking_says_whether_all_that_is_committed_was_seen(
    log: ScriptedLog, history: History
) -> None:
    await written(log, 3)
    assert await history.look() is True
    assert await history.is_complete() is True
    log.primary_answers = False
    assert await history.look() is False, "a backup may not have heard of the newest"
    assert await history.is_complete() is False
    log.primary_answers = True
    await written(log, 1)
    assert await history.is_complete() is False
    assert await history.look() is True
    assert history.view.end_offset == 4


async def test_a_view_that_a_writer_feeds_is_not_touched(log: ScriptedLog, history: History) -> None:
    await written(log, 3)
    await history.look()
    history.view.owned = True
    assert await history.look() is True
    await written(log, 1)
    assert await history.look() is False
    assert history.view.end_offset == 3


async def test_a_trim_of_what_was_folded_already_does_not_begin_anew(
    log: ScriptedLog, history: History
) -> None:
    await written(log, 3)
    await history.look()
    known, fold = len(log.entries), history.view.fold
    await written(log, 3)
    log.trim(known)
    assert await history.look() is True
    assert history.view.fold is fold
    assert (history.view.end_offset, history.view.start_offset) == (6, 3)


async def test_a_trim_of_what_was_not_folded_yet_begins_anew(log: ScriptedLog, history: History) -> None:
    await written(log, 3)
    await history.look()
    known, fold = len(log.entries), history.view.fold
    await written(log, 3, 2)
    log.trim(known + 1)
    assert await history.look() is True
    assert history.view.fold is not fold
    assert (history.view.end_offset, history.view.start_offset) == (8, 6)


async def test_two_who_catch_up_at_once_take_every_entry_once(log: ScriptedLog, history: History) -> None:
    await written(log, 3)
    await history.look()
    await written(log, 20)
    await asyncio.gather(*[history.catch_up(len(log.entries)) for _ in range(3)])
    assert history.view.end_offset == 23
    assert history.view.fold.position.llsn == len(log.entries)


async def test_following_begins_by_itself_and_needs_nothing_that_was_folded(
    log: ScriptedLog, history: History
) -> None:
    writer = partition_on(log)
    await wrote(writer, 3)
    following = asyncio.create_task(history.follow())
    await until(lambda: history.view.loaded and history.view.end_offset == 3)
    following.cancel()
    await asyncio.wait([following])
    log.trim(len(log.entries))
    following = asyncio.create_task(history.follow())
    await wrote(writer, 2)
    await until(lambda: history.view.end_offset == 5)
    following.cancel()
    await asyncio.wait([following])
    await writer.close(1)


async def test_while_every_replica_is_sealing_the_tail_is_not_guessed(
    log: ScriptedLog, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    await written(log, 3)
    state = replace(await history.stream.peek(), readable=False)

    async def peek(topic_id: TopicId, log_stream_id: LogStreamId) -> LogStreamState:
        return state

    monkeypatch.setattr(log, "peek", peek)
    with pytest.raises(Unavailable) as caught:
        await history.look()
    assert str(caught.value) == (
        "log stream 1 of Varlog topic 1: every replica is sealing, its tail isn't known yet"
    )
    assert not history.view.loaded


async def test_looking_at_a_log_that_begins_at_its_first_entry_reads_each_entry_once(
    log: ScriptedLog, history: History
) -> None:
    await written(log, 20, 20, snapshot_entries=7)
    assert len(log.entries) < FIRST_WINDOW
    log.read = 0
    await history.look()
    await history.look()
    assert log.read == len(log.entries)


# Older batches


async def test_stored_batches_come_with_all_that_is_asked_about_them(
    log: ScriptedLog, history: History
) -> None:
    await written(log, 1, 2)
    await history.look()
    async with asyncio.timeout(WITHIN_S), aclosing(history.batches(1)) as batches:
        found = [stored async for stored in batches]
    assert found == [
        StoredBatch(1, 2, FIRST_MS + 1, 2, log.entries[3]),
        StoredBatch(2, 3, FIRST_MS + 2, 2, log.entries[4]),
    ]


async def test_what_was_passed_on_a_way_back_need_not_be_passed_again(
    log: ScriptedLog, history: History
) -> None:
    count = 4 * SPACING_ENTRIES
    await written(log, count)
    await history.look()
    assert await offsets_of(history, 0) == list(range(count))
    log.read = 0
    async with asyncio.timeout(WITHIN_S), aclosing(history.batches(count - 2 * SPACING_ENTRIES)) as batches:
        assert (await anext(batches)).base_offset == count - 2 * SPACING_ENTRIES
    assert log.read <= SPACING_ENTRIES


async def test_older_batches_are_found_over_many_control_entries(log: ScriptedLog, history: History) -> None:
    await written(log, 30, 30, snapshot_entries=7)
    await history.look()
    for offset in (59, 31, 30, 29, 1, 0):
        assert await offsets_of(history, offset) == list(range(offset, 60))


async def test_before_a_repair_the_batches_of_a_log_that_was_not_trimmed_are_still_found(
    log: ScriptedLog, history: History
) -> None:
    stamp = WriterStamp(attempt_id=b"a" * 16, node=WriterIdentity(node_id=1))
    fence = control.fence(Fold(IDENTITY), stamp, ProducerBounds(), 0)
    declared = Fold(IDENTITY, Position(llsn=2, epoch=1, next_offset=500))
    repair = control.repair(declared, stamp, None, 0)
    log.store(
        [
            pack(fence.kind, fence.epoch, fence.message),
            records.stamp(batch([b"before"]), 0, 1),
            pack(repair.kind, repair.epoch, repair.message),
            records.stamp(batch([b"behind"]), 500, 1),
        ]
    )
    await history.look()
    assert history.view.end_offset == 501
    assert await offsets_of(history, 500) == [500]
    assert await offsets_of(history, 0) == [0, 500]


# By time


async def test_of_a_trimmed_log_a_time_before_everything_finds_its_beginning(
    log: ScriptedLog, history: History
) -> None:
    await written(log, 20, 5)
    log.trim(4)
    await history.look()
    assert history.view.start_offset == 20
    async with asyncio.timeout(WITHIN_S), aclosing(history.batches_since(FIRST_MS - 5)) as batches:
        assert (await anext(batches)).base_offset == 20


# Epochs


async def test_fences_are_read_back_as_far_as_epochs_are_asked_for_and_no_further(
    log: ScriptedLog, history: History
) -> None:
    await written(log, 3, 0, 2, 1, 1)
    await history.look()
    epochs = history.view.fold.epochs
    everything = [(1, 0, 1), (2, 3, 5), (3, 5, 8), (4, 6, 10)]
    for since in (4, 3):
        log.read = 0
        await know_epochs(history, since)
        assert log.read == 0
    for since, known in ((2, 2), (1, 1), (0, 1), (-1, 1)):
        log.read = 0
        await know_epochs(history, since)
        assert log.read == 1
        assert epochs == everything[known - 1 :]


async def test_two_who_ask_for_epochs_at_once_learn_each_once(log: ScriptedLog, history: History) -> None:
    await written(log, 1, 1, 1, 1)
    await history.look()
    await asyncio.gather(know_epochs(history, 0), know_epochs(history, 2))
    assert history.view.fold.epochs == [(1, 0, 1), (2, 1, 3), (3, 2, 5), (4, 3, 7)]


async def test_without_a_fence_no_epoch_is_known(log: ScriptedLog, history: History) -> None:
    await history.look()
    await know_epochs(history, 0)
    assert history.view.fold.epochs == []


# Beginnings


async def test_without_its_first_entry_a_log_begins_at_the_next_state_it_holds(
    log: ScriptedLog, history: History
) -> None:
    await written(log, 4, 4)
    log.trim(1)
    await history.look()
    assert history.view.start_offset == 4
    assert await offsets_of(history, 4) == [4, 5, 6, 7]


async def test_a_log_whose_first_entry_is_a_fence_begins_there(log: ScriptedLog, history: History) -> None:
    await written(log, 4, 4)
    log.trim(5)
    await history.look()
    assert history.view.start_offset == 4


async def test_a_beginning_that_moved_is_found_when_asked_for(log: ScriptedLog, history: History) -> None:
    await written(log, 4, 4, 4)
    await history.look()
    assert history.view.start_offset == 0
    log.trim(3)
    await history.find_start()
    assert history.view.start_offset == 4
    assert await offsets_of(history, 4) == list(range(4, 12))


async def test_where_everything_was_trimmed_the_beginning_is_the_end(
    log: ScriptedLog, history: History
) -> None:
    await written(log, 1)
    await history.look()
    writer = partition_on(log)
    await wrote(writer, SPACING_ENTRIES, first=1)  # the last mark lies one entry before the end
    await history.look()
    assert history.view.index.floor(history.view.end_offset) != history.view.fold.position
    log.trim(len(log.entries))
    await history.find_start()
    assert history.view.start_offset == history.view.end_offset == 1 + SPACING_ENTRIES
    await writer.close(1)
