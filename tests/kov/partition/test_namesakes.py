"""Two processes with one node id and one address, as when a kov is replaced: nobody can be sent elsewhere."""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import replace

import pytest
from kio.schema.errors import ErrorCode

from kov.entries import pack
from kov.errors import NotLeader
from kov.partition import control
from kov.partition.identity import ProducerBounds, WriterIdentity, WriterStamp
from kov.partition.limits import Limits
from kov.partition.partition import Partition
from kov.partition.states import State
from tests.builders import batch, idempotent
from tests.kov.partition.asking import code_of, offset_of, send, until, values_of
from tests.kov.partition.scripted import ScriptedLog, partition_on
from tests.simulation.loop import run

LIMITS = Limits(retry_s=0.001, max_retry_s=0.01, deposed_s=0.05)
OTHER = WriterStamp(attempt_id=b"o" * 16, node=WriterIdentity(node_id=2))


@pytest.fixture
def log() -> ScriptedLog:
    return ScriptedLog()


async def deposed(log: ScriptedLog, limits: Limits = LIMITS) -> tuple[Partition, Partition]:
    """A partition, and the namesake that has just deposed it; it doesn't know."""
    former = partition_on(log, node_id=1, limits=limits)
    await offset_of(send(former, batch([b"a"])))
    namesake = partition_on(log, node_id=1, limits=limits)
    await offset_of(send(namesake, batch([b"b"])))
    return former, namesake


async def test_what_is_sent_to_the_deposed_one_is_stored_in_order_when_its_namesake_is_silent(
    log: ScriptedLog, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "kov.partition.ownership")
    former, namesake = await deposed(log)
    sent = [send(former, batch([value])) for value in (b"c", b"d", b"e")]
    await until(lambda: former.state is State.DEPOSED)
    await namesake.close(1)
    sent += [send(former, batch([value])) for value in (b"f", b"g")]
    assert [await offset_of(each) for each in sent] == [2, 3, 4, 5, 6]
    assert values_of(log) == [b"a", b"b", b"c", b"d", b"e", b"f", b"g"]
    assert caplog.text.count(": producers waited\n") == 1
    await former.close(1)


async def test_idempotent_producers_are_judged_after_the_namesakes_last_batch(log: ScriptedLog) -> None:
    former, namesake = await deposed(log)
    stored = await offset_of(send(namesake, idempotent(0)))
    retry, following = send(former, idempotent(0)), send(former, idempotent(1))
    await namesake.close(1)
    assert await offset_of(retry) == stored
    assert await offset_of(following) == stored + 1
    await former.close(1)


def test_a_namesake_that_goes_on_writing_is_not_fought(
    log: ScriptedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In simulated time, without jitter."""
    monkeypatch.setattr(random, "uniform", lambda low, high: (low + high) / 2)

    async def main() -> None:
        former, namesake = await deposed(log, replace(LIMITS, deposed_s=1.0))
        held = send(former, batch([b"x"]))
        asked = asyncio.get_running_loop().time()
        while not held.done():
            await offset_of(send(namesake, batch([b"y"])))
            await asyncio.sleep(0.1)
        waited = asyncio.get_running_loop().time() - asked
        assert await code_of(held) is ErrorCode.not_leader_or_follower
        assert 5 <= waited < 5.2, "five pauses"
        assert b"x" not in values_of(log)
        with pytest.raises(
            NotLeader, match="another process with this one's node id 1 writes partition 0 of orders"
        ):
            send(former, batch([b"x"]))
        await former.close(1)
        await namesake.close(1)

    run(1, main())


def test_what_is_held_keeps_its_deadline(log: ScriptedLog) -> None:
    """In simulated time."""

    async def main() -> None:
        former, namesake = await deposed(log, replace(LIMITS, deposed_s=60))
        plain = send(former, batch([b"x"]), timeout_s=0.1)
        judged_later = send(former, idempotent(0), timeout_s=0.1)
        assert await code_of(plain) is ErrorCode.kafka_storage_error
        assert await code_of(judged_later) is ErrorCode.request_timed_out
        assert former.state is State.DEPOSED
        await former.close(1)
        await namesake.close(1)

    run(1, main())


def test_another_node_behind_the_namesake_ends_the_waiting(log: ScriptedLog) -> None:
    """In simulated time."""

    async def main() -> None:
        former, namesake = await deposed(log, replace(LIMITS, deposed_s=1.0))
        held = send(former, batch([b"x"]))
        await until(lambda: former.state is State.DEPOSED)
        other = partition_on(log, node_id=2, limits=LIMITS)
        while not held.done():
            await offset_of(send(other, batch([b"z"])))
            await asyncio.sleep(0.1)
        with pytest.raises(NotLeader, match="node 2 writes"):
            await held
        for each in (former, namesake, other):
            await each.close(1)

    run(1, main())


async def test_another_nodes_fence_ends_the_waiting_at_once(log: ScriptedLog) -> None:
    former, namesake = await deposed(log)
    held = send(former, batch([b"x"]))
    await until(lambda: former.state is State.DEPOSED)
    fence = control.fence(namesake._view.fold, OTHER, ProducerBounds(), 0)
    log.store([pack(fence.kind, fence.epoch, fence.message)])  # and nothing behind it
    with pytest.raises(NotLeader, match="node 2 writes"):
        await held
    assert former.state is State.DEPOSED
    await former.close(1)
    await namesake.close(1)


async def test_storage_that_cannot_be_asked_does_not_end_the_waiting(
    log: ScriptedLog, caplog: pytest.LogCaptureFixture
) -> None:
    former, namesake = await deposed(log)
    held = send(former, batch([b"c"]))
    await until(lambda: former.state is State.DEPOSED)
    log.unreachable = True
    await until(lambda: caplog.text.count("can't see whether the other writer is alive") > 7)
    assert not held.done()
    log.unreachable = False
    await namesake.close(1)
    assert await offset_of(held) == 2
    await former.close(1)


async def test_closing_answers_what_is_held(log: ScriptedLog) -> None:
    former, namesake = await deposed(log, replace(LIMITS, deposed_s=60))
    held = send(former, batch([b"x"]))
    await until(lambda: former.state is State.DEPOSED)
    await former.close(0.01)
    assert await code_of(held) is ErrorCode.kafka_storage_error
    await namesake.close(1)
