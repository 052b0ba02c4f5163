"""Every move of a partition is a line in the log that says who, in which state, and why."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from typing import cast

import pytest
from kio.schema.errors import ErrorCode

from kov.entries import ControlEntry, unpack
from kov.errors import KafkaError, Leader, NotLeader
from kov.partition.fencing import fence_off
from kov.partition.limits import Limits
from kov.partition.opening import Opening
from kov.partition.partition import Appended, Partition
from kov.partition.states import State
from kov.partition.stream import Stream
from kov.partition.unsealing import Unsealer
from tests.builders import batch
from tests.kov.partition.asking import code_of, offset_of, send, until
from tests.kov.partition.scripted import IDENTITY, ScriptedLog, partition_on, stream_on

LIMITS = Limits(retry_s=0.001, max_retry_s=0.002, deposed_s=0.005)
LINE = re.compile(r"<Partition orders/0 ([A-Z]+) next=\S+ epoch=\d+ [^>]*>: (.*)")


@pytest.fixture
def log() -> ScriptedLog:
    return ScriptedLog()


@pytest.fixture(autouse=True)
def _all_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "kov.partition.ownership")


@pytest.fixture
async def partition(log: ScriptedLog) -> AsyncIterator[Partition]:
    made = partition_on(log, limits=LIMITS)
    yield made
    log.sealed = log.unreachable = False
    log.release()
    await made.close(1)


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, str]]:
    """(level, state, why) of every line since the last call."""
    said = []
    for record in caplog.records:
        match = LINE.fullmatch(record.message)
        if match is not None:
            said.append((record.levelname, match[1], match[2]))
    caplog.clear()
    return said


async def said_soon(caplog: pytest.LogCaptureFixture, count: int) -> list[tuple[str, str, str]]:
    """Waits for `count` more lines."""
    said: list[tuple[str, str, str]] = []
    async with asyncio.timeout(5):
        while len(said) < count:
            said += lines(caplog)
            await asyncio.sleep(0)
    return said


def opened_by(log: ScriptedLog) -> str:
    """What is said when the newest fence took effect."""
    fences = [entry for entry in map(unpack, log.entries) if isinstance(entry, ControlEntry)]
    attempt: bytes = fences[-1].message.writer.attempt_id  # type: ignore[attr-defined]
    return f"opened for writing by {attempt.hex()[:8]}"


async def test_a_life_without_rivals(
    partition: Partition, log: ScriptedLog, caplog: pytest.LogCaptureFixture
) -> None:
    await offset_of(send(partition, batch()))
    assert lines(caplog) == [("INFO", "OPENING", "a producer asks"), ("INFO", "ACTIVE", opened_by(log))]
    log.hold()
    waiting = send(partition, batch())
    await until(lambda: len(log.sent) == 1)
    log.strand(stored=0)
    log.release()
    await offset_of(waiting)
    doubted, active = lines(caplog)
    assert doubted[:2] == ("WARNING", "OPENING")
    assert "cut by the test" in doubted[2]
    assert active == ("INFO", "ACTIVE", opened_by(log))
    await partition.close(1)
    assert lines(caplog) == [("INFO", "CLOSED", "closed")]


async def test_closing_what_was_never_opened_is_hardly_worth_a_line(
    partition: Partition, caplog: pytest.LogCaptureFixture
) -> None:
    assert partition.leader is None
    await partition.close(1)
    assert lines(caplog) == [("DEBUG", "CLOSED", "closed")]


async def deposed_by(log: ScriptedLog, partition: Partition) -> Partition:
    """A successor, node 2, that owns the partition; `partition` knows it."""
    successor = partition_on(log, node_id=2, limits=LIMITS)
    await offset_of(send(successor, batch()))
    assert await code_of(send(partition, batch())) is ErrorCode.not_leader_or_follower
    return successor


async def test_a_deposed_node_names_the_writer_and_comes_back_when_that_is_silent(
    partition: Partition, log: ScriptedLog, caplog: pytest.LogCaptureFixture
) -> None:
    await offset_of(send(partition, batch()))
    successor = await deposed_by(log, partition)
    leader = Leader(node_id=2, epoch=2, addresses={"internal": "node-2:9092"})
    assert partition.leader == leader
    assert ("WARNING", "DEPOSED", "node 2 writes this partition now") in lines(caplog)
    with pytest.raises(NotLeader) as caught:
        send(partition, batch())
    assert caught.value.message == "node 2 writes partition 0 of orders"
    assert caught.value.leader == leader
    await until(lambda: partition.state is State.IDLE)
    assert lines(caplog) == [
        ("INFO", "IDLE", "the other writer has written nothing: free to be opened"),
    ]
    await successor.close(1)
    assert await offset_of(send(partition, batch())) == 2
    assert partition.leader is None


async def test_a_fence_of_nobody_names_nobody(
    partition: Partition, log: ScriptedLog, caplog: pytest.LogCaptureFixture
) -> None:
    await offset_of(send(partition, batch()))
    await fence_off(stream_on(log), IDENTITY, LIMITS)
    lost = send(partition, batch())
    with pytest.raises(NotLeader) as caught:
        await lost
    assert caught.value.message == "another node writes partition 0 of orders"
    assert caught.value.leader is None
    assert partition.leader is None
    assert ("WARNING", "DEPOSED", "it was fenced") in lines(caplog)


async def test_a_deposed_node_follows_who_writes_now(partition: Partition, log: ScriptedLog) -> None:
    await offset_of(send(partition, batch()))
    successor = await deposed_by(log, partition)
    third = partition_on(log, node_id=3, limits=LIMITS)
    await offset_of(send(third, batch()))
    with pytest.raises(NotLeader, match="node 2"):
        send(partition, batch())
    await until(lambda: partition.leader is not None and partition.leader.node_id == 3)
    assert partition.state is State.DEPOSED
    with pytest.raises(NotLeader, match="node 3 writes partition 0 of orders"):
        send(partition, batch())
    await third.close(1)
    await successor.close(1)


async def test_a_deposed_node_that_cannot_look_says_so_and_stays_deposed(
    partition: Partition, log: ScriptedLog, caplog: pytest.LogCaptureFixture
) -> None:
    await offset_of(send(partition, batch()))
    successor = await deposed_by(log, partition)
    lines(caplog)
    log.unreachable = True
    with pytest.raises(NotLeader):
        send(partition, batch())
    blind = "can't see whether the other writer is alive: no replica answers"
    said = await said_soon(caplog, 1)
    assert said == [("WARNING", "DEPOSED", blind)]
    log.unreachable = False
    with pytest.raises(NotLeader):
        send(partition, batch())
    await until(lambda: partition.state is State.IDLE)
    await successor.close(1)


async def test_what_a_deposed_writer_had_stored_is_acknowledged_where_the_log_begins(
    partition: Partition, log: ScriptedLog
) -> None:
    await offset_of(send(partition, batch()))
    log.hold()
    stored = send(partition, batch())
    await until(lambda: len(log.sent) == 1)
    sent = log.sent.popleft()
    log.store(sent.payloads)
    log.holding = None
    successor = partition_on(log, node_id=2, limits=LIMITS)
    await offset_of(send(successor, batch()))
    log.sent.append(sent)
    log.strand(stored=0)
    assert await stored == Appended(base_offset=1, log_append_time_ms=-1, log_start_offset=0)
    assert partition.state is State.DEPOSED
    await successor.close(1)


async def test_what_cannot_be_opened_says_why_to_everybody_until_it_may_be_tried_again(
    partition: Partition, log: ScriptedLog, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Opening, "attempt", lambda self, watch_s: 1 / 0)
        waiting = send(partition, batch())
        (opening,) = [task for task in asyncio.all_tasks() if task.get_name() == "open partition 0 of orders"]
        with pytest.raises(KafkaError) as caught:
            await waiting
    await opening
    why = "opening failed unexpectedly: division by zero"
    assert caught.value.message == f"the batch was not stored: {why}"
    with pytest.raises(KafkaError) as caught:
        send(partition, batch())
    assert caught.value.message == why
    await until(lambda: partition.state is State.IDLE)
    assert lines(caplog) == [
        ("INFO", "OPENING", "a producer asks"),
        ("ERROR", "OPENING", "opening failed"),
        ("WARNING", "FAILED", why),
        ("INFO", "IDLE", "may be tried again"),
    ]
    assert await offset_of(send(partition, batch())) == 0


# Waiting


async def test_a_wait_is_said_with_its_reason_at_once_and_then_in_a_whisper(
    partition: Partition, log: ScriptedLog, caplog: pytest.LogCaptureFixture
) -> None:
    log.unreachable = True
    waiting = send(partition, batch())
    said = await said_soon(caplog, 4)
    assert said[1] == ("WARNING", "OPENING", "can't be opened now: no replica answers")
    assert set(said[2:]) == {("DEBUG", "OPENING", "still can't be opened: no replica answers")}
    log.unreachable = False
    await offset_of(waiting)
    lines(caplog)
    log.hold()
    waiting = send(partition, batch())
    await until(lambda: len(log.sent) == 1)
    log.unreachable = True
    log.strand(stored=0)
    said = await said_soon(caplog, 2)
    assert said[1] == ("WARNING", "OPENING", "can't be opened now: no replica answers"), "a new wait"
    log.unreachable = False
    log.release()
    await offset_of(waiting)


class Unseals:
    def __init__(self, log: ScriptedLog) -> None:
        self._log = log

    async def consider(self, stream: Stream) -> None:
        self._log.sealed = False


@pytest.mark.parametrize("unseals", [False, True])
async def test_a_sealed_stream_is_said_to_be_waited_for_or_unsealed(
    log: ScriptedLog, caplog: pytest.LogCaptureFixture, unseals: bool
) -> None:
    unsealer = cast("Unsealer", Unseals(log)) if unseals else None
    log.sealed = True
    partition = partition_on(log, limits=LIMITS, unsealer=unsealer)
    waiting = send(partition, batch())
    said = await said_soon(caplog, 2)
    how = "unseals it when that is safe" if unseals else "waits until it is unsealed"
    assert said[1] == ("WARNING", "OPENING", f"log stream 1 of Varlog topic 1 is sealed; kov {how}")
    log.sealed = False
    await offset_of(waiting)
    await partition.close(1)
