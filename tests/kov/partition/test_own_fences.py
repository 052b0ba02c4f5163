"""What an opening's fence says, and what is read of the log behind it."""

from __future__ import annotations

import asyncio
import time

import pytest

from kov.entries import ControlEntry, pack, unpack
from kov.partition import control
from kov.partition.fold import Fold
from kov.partition.history import History
from kov.partition.identity import ProducerBounds, WriterIdentity, WriterStamp, writer_of
from kov.partition.limits import Limits
from kov.partition.opening import Deposed, Opening, Outcome, Owned, Void
from kov.partition.tail import TailBudget
from kov.partition.view import View
from kov.pb.control_pb2 import Fence
from tests.kov.partition.asking import until
from tests.kov.partition.scripted import IDENTITY, ScriptedLog, stream_on
from varlog_client.errors import StreamBroken

NODE = WriterIdentity(node_id=4, addresses={"internal": "node-4:9092"})
RIVAL = WriterStamp(attempt_id=b"r" * 16, node=WriterIdentity(node_id=8))
LIMITS = Limits(producers=ProducerBounds(max_producers=12, expiration_ms=3456))


@pytest.fixture
def log() -> ScriptedLog:
    return ScriptedLog()


@pytest.fixture
def opening(log: ScriptedLog) -> Opening:
    return Opening(History(stream_on(log), IDENTITY, View(TailBudget())), NODE, LIMITS, None)


def store_fence(log: ScriptedLog, epoch: int) -> None:
    """By a rival."""
    entry = control.fence(Fold(IDENTITY), RIVAL, ProducerBounds(), 0)
    log.store([pack(entry.kind, epoch, entry.message)])


async def attempt(opening: Opening) -> Outcome:
    async with asyncio.timeout(5):
        return await opening.attempt(3.5)


async def test_a_fence_says_who_wrote_it_when_and_within_which_bounds(
    log: ScriptedLog, opening: Opening
) -> None:
    begun_ms = time.time_ns() // 1_000_000
    owned = await attempt(opening)
    assert isinstance(owned, Owned)
    entry = unpack(log.entries[0])
    assert isinstance(entry, ControlEntry)
    assert isinstance(entry.message, Fence)
    assert (
        writer_of(entry.message.writer)
        == owned.stamp
        == WriterStamp(attempt_id=owned.stamp.attempt_id, node=NODE)
    )
    assert begun_ms <= entry.message.time_ms <= time.time_ns() // 1_000_000
    assert opening.history.view.fold.bounds == LIMITS.producers
    assert log.watches_s == [3.5]


async def test_a_fence_with_nothing_between_is_not_read_back(log: ScriptedLog, opening: Opening) -> None:
    store_fence(log, 1)
    assert isinstance(await attempt(opening), Owned)
    assert log.read == 1
    assert opening.history.view.fold.position.llsn == 2


async def test_what_lies_between_is_read_up_to_the_fence_and_no_further(
    log: ScriptedLog, opening: Opening
) -> None:
    log.hold(lambda payload: True)
    attempting = asyncio.create_task(attempt(opening))
    await until(lambda: len(log.sent) == 1)
    log.store([b"another program's", b"entries"])
    log.complete()
    log.store([b"behind"])
    assert isinstance(await attempting, Owned)
    assert log.read == 3
    assert opening.history.view.fold.position.llsn == 3


async def test_a_rival_of_the_same_epoch_that_came_first_makes_a_fence_void(
    log: ScriptedLog, opening: Opening
) -> None:
    log.hold(lambda payload: True)
    attempting = asyncio.create_task(attempt(opening))
    await until(lambda: len(log.sent) == 1)
    appender = log.sent[0].appender
    store_fence(log, 1)
    log.complete()
    assert await attempting == Void()
    assert appender.closed
    assert await attempt(opening) == Deposed(RIVAL)


async def test_an_own_fence_in_doubt_that_was_stored_is_no_rivals(log: ScriptedLog, opening: Opening) -> None:
    log.hold(lambda payload: True)
    attempting = asyncio.create_task(attempt(opening))
    await until(lambda: len(log.sent) == 1)
    log.strand(stored=1)
    with pytest.raises(StreamBroken):
        await attempting
    log.release()
    assert isinstance(await attempt(opening), Owned)
    assert opening.history.view.fold.position.epoch == 2


async def test_an_attempt_that_is_given_up_closes_its_appender(log: ScriptedLog, opening: Opening) -> None:
    log.hold(lambda payload: True)
    attempting = asyncio.create_task(attempt(opening))
    await until(lambda: len(log.sent) == 1)
    attempting.cancel()
    await asyncio.wait([attempting])
    assert log.sent[0].appender.closed
    log.release()  # the late answer bothers nobody
    assert isinstance(await attempt(opening), Owned)


async def test_who_held_the_epoch_does_not_fence_over_a_newer_one(log: ScriptedLog) -> None:
    store_fence(log, 3)
    history = History(stream_on(log), IDENTITY, View(TailBudget()))
    assert await attempt(Opening(history, NODE, LIMITS, 2)) == Deposed(RIVAL)
    assert len(log.entries) == 1
    assert isinstance(await attempt(Opening(history, NODE, LIMITS, 3)), Owned)
