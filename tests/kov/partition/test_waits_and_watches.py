"""How long a partition that can't be opened rests, how long it watches an append, and what it gives back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import cast

import pytest

from kov.entries import ControlEntry, unpack
from kov.partition import ownership
from kov.partition.limits import Limits
from kov.partition.partition import Partition
from kov.partition.states import State
from kov.partition.stream import Stream
from kov.partition.unsealing import Unsealer
from tests.builders import batch
from tests.kov.partition.asking import offset_of, send, until, values_of
from tests.kov.partition.scripted import ScriptedLog, partition_on

LIMITS = Limits(retry_s=0.25, max_retry_s=1.5, watch_s=2.0, max_watch_s=9.0, deposed_s=0.05)
QUICK = Limits(retry_s=0.001, max_retry_s=0.01, deposed_s=0.05)


@pytest.fixture
def log() -> ScriptedLog:
    return ScriptedLog()


@pytest.fixture
def rests(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made, before their jitter and without their length."""
    made: list[float] = []

    async def rest(pause_s: float) -> None:
        made.append(pause_s)
        await asyncio.sleep(0)

    monkeypatch.setattr(ownership, "_rest", rest)
    return made


@pytest.fixture
async def partition(log: ScriptedLog, rests: list[float]) -> AsyncIterator[Partition]:
    made = partition_on(log, limits=LIMITS)
    yield made
    log.sealed = log.unreachable = False
    log.release()
    await made.close(1)


async def broken(log: ScriptedLog) -> None:
    """Waits for an append of data and breaks its stream."""
    await until(lambda: len(log.sent) == 1)
    log.strand(stored=0)


# How long


async def test_attempts_to_open_rest_longer_and_longer_up_to_a_bound(
    partition: Partition, log: ScriptedLog, rests: list[float]
) -> None:
    log.unreachable = True
    waiting = send(partition, batch())
    await until(lambda: len(rests) == 5)
    assert rests[:5] == [0.25, 0.5, 1.0, 1.5, 1.5]
    log.unreachable = False
    assert await offset_of(waiting) == 0
    assert log.watches_s == [2.0], "no append was in doubt"


async def test_each_doubt_in_a_row_doubles_watch_and_rest_and_a_confirmed_batch_ends_the_row(
    partition: Partition, log: ScriptedLog, rests: list[float]
) -> None:
    await offset_of(send(partition, batch()))
    log.hold()
    waiting = send(partition, batch())
    for _ in range(4):
        await broken(log)
        await until(lambda: partition.state is State.ACTIVE)
    assert log.watches_s == [2.0, 4.0, 8.0, 9.0, 9.0]
    assert rests == [0.5, 1.0, 1.5], "none at the first doubt"
    await until(lambda: len(log.sent) == 1)
    log.complete()
    assert await offset_of(waiting) == 1
    waiting = send(partition, batch())
    await broken(log)
    await until(lambda: partition.state is State.ACTIVE)
    assert log.watches_s[5:] == [4.0]
    assert len(rests) == 3
    log.release()
    assert await offset_of(waiting) == 2


async def test_a_storage_that_takes_nothing_for_very_long_is_still_asked(
    partition: Partition, log: ScriptedLog
) -> None:
    await offset_of(send(partition, batch()))
    partition._ownership._doubts_in_a_row = 5000  # some days of them
    log.hold()
    waiting = send(partition, batch())
    await broken(log)
    log.release()
    assert await offset_of(waiting) == 1
    assert log.watches_s == [2.0, 9.0]


# What is given back


async def test_the_appender_of_an_ended_writer_is_closed_before_the_next_fence(
    partition: Partition, log: ScriptedLog
) -> None:
    await offset_of(send(partition, batch()))
    log.hold(lambda payload: True)
    waiting = send(partition, batch())
    await until(lambda: len(log.sent) == 1)
    ended = log.sent[0].appender
    log.strand(stored=0)
    await until(lambda: len(log.sent) == 1)
    assert isinstance(unpack(log.sent[0].payloads[0]), ControlEntry)
    assert ended.closed
    log.release()
    assert await offset_of(waiting) == 1


async def test_the_appender_of_a_fence_that_failed_is_closed_and_the_next_one_serves(
    partition: Partition, log: ScriptedLog
) -> None:
    log.hold(lambda payload: True)
    waiting = send(partition, batch())
    await until(lambda: len(log.sent) == 1)
    failed = log.sent[0].appender
    log.strand(stored=0)
    await until(lambda: len(log.sent) == 1)
    second = log.sent[0].appender
    assert failed.closed
    log.release()
    assert await offset_of(waiting) == 0
    assert not second.closed
    assert failed.pipeline == second.pipeline == LIMITS.pipeline


async def test_closing_ends_an_opening_that_is_under_way(log: ScriptedLog) -> None:
    opening = partition_on(log, limits=QUICK)
    log.unreachable = True
    send(opening, batch())
    await until(lambda: opening.state is State.OPENING)
    (task,) = [task for task in asyncio.all_tasks() if task.get_name() == "open partition 0 of orders"]
    await opening.close(0)
    assert task.cancelled()


async def test_closing_ends_the_wait_for_another_writers_silence(log: ScriptedLog) -> None:
    deposed = partition_on(log, limits=replace(QUICK, deposed_s=60))
    await offset_of(send(deposed, batch([b"a"])))
    successor = partition_on(log, node_id=2)
    await offset_of(send(successor, batch([b"b"])))
    lost = send(deposed, batch([b"x"]))
    await until(lambda: deposed.state is State.DEPOSED)
    assert lost.exception() is not None
    before = asyncio.all_tasks()
    for _ in range(3):
        with pytest.raises(Exception, match="node 2"):
            send(deposed, batch([b"x"]))
    (waiting,) = asyncio.all_tasks() - before
    await deposed.close(1)
    assert waiting.cancelled()
    await successor.close(1)


# Sealed streams


class Unseals:
    """An unsealer that finds it safe at the third time."""

    def __init__(self, log: ScriptedLog) -> None:
        self._log = log
        self.asked: list[str] = []

    async def consider(self, stream: Stream) -> None:
        self.asked.append(str(stream))
        if len(self.asked) == 3:
            self._log.sealed = False


async def test_a_sealed_stream_is_given_to_the_unsealer_at_each_attempt(
    log: ScriptedLog, rests: list[float]
) -> None:
    unseals = Unseals(log)
    log.sealed = True
    partition = partition_on(log, unsealer=cast("Unsealer", unseals))
    assert await offset_of(send(partition, batch([b"a"]))) == 0
    assert unseals.asked == ["log stream 1 of Varlog topic 1"] * 3
    assert values_of(log) == [b"a"]
    await partition.close(1)
