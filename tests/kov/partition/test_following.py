"""Following a partition that somebody else writes: for how long, and through what. In simulated time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

import pytest

from kov.entries import Kind, pack
from kov.partition import control
from kov.partition.fold import Fold
from kov.partition.identity import NOBODY, PartitionIdentity, ProducerBounds, WriterStamp
from kov.partition.limits import Limits
from kov.partition.partition import Partition
from tests.builders import batch
from tests.kov.partition.asking import offset_of, send
from tests.kov.partition.scripted import IDENTITY, ScriptedLog, partition_on
from tests.simulation.loop import run

LIMITS = Limits(follow_s=60.0, max_retry_s=1.0)


def simulated(main: Coroutine[object, object, None]) -> None:
    run(1, main)


def followers() -> list[asyncio.Task[object]]:
    name = "follow log stream 1 of Varlog topic 1"
    return [task for task in asyncio.all_tasks() if task.get_name() == name]


def follower_on(log: ScriptedLog) -> Partition:
    return partition_on(log, node_id=2, limits=LIMITS)


async def write(log: ScriptedLog) -> None:
    writer = partition_on(log)
    await offset_of(send(writer, batch()))
    await writer.close(1)


def test_nobody_follows_before_somebody_waits_and_never_twice() -> None:
    async def main() -> None:
        reader = follower_on(ScriptedLog())
        await reader.read(0, max_bytes=1)
        assert not followers()
        for _ in range(3):
            reader.advanced(0)
        assert len(followers()) == 1
        await reader.close(1)
        assert not followers()

    simulated(main())


def test_what_nobody_asks_for_any_more_is_not_followed_any_more() -> None:
    async def main() -> None:
        log = ScriptedLog()
        reader = follower_on(log)
        waiting = reader.advanced(0)
        await asyncio.sleep(59)
        assert len(followers()) == 1
        await asyncio.sleep(2)
        assert not followers()
        await write(log)
        await asyncio.sleep(1)
        assert not waiting.done()
        again = reader.advanced(0)
        await asyncio.sleep(1)
        assert again.done()
        assert waiting.done()
        await reader.close(1)

    simulated(main())


def test_who_asks_now_and_then_is_served_by_one_follower() -> None:
    async def main() -> None:
        log = ScriptedLog()
        reader = follower_on(log)
        waiting = reader.advanced(0)
        (first,) = followers()
        for _ in range(5):
            await asyncio.sleep(40)
            waiting = reader.advanced(0)
            assert followers() == [first]
        await write(log)
        await asyncio.sleep(0.1)
        assert waiting.done()
        assert followers() == [first]
        await reader.close(1)

    simulated(main())


def test_a_follower_gets_over_storage_that_was_away_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        log = ScriptedLog()
        await write(log)
        log.unreachable = True
        reader = follower_on(log)
        waiting = reader.advanced(0)
        await asyncio.sleep(2.5)
        assert not waiting.done()
        said = [each.message for each in caplog.records if each.levelname == "WARNING"]
        text = "log stream 1 of Varlog topic 1 can't be followed now: no replica answers"
        assert said == [text] * 3, "every max_retry_s"
        log.unreachable = False
        await asyncio.sleep(1)
        assert waiting.done()
        await reader.close(1)

    simulated(main())


def test_the_log_of_another_partition_is_not_followed_and_that_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        log = ScriptedLog()
        await write(log)
        reader = follower_on(log)
        waiting = reader.advanced(1)
        await asyncio.sleep(1)
        other = Fold(PartitionIdentity(cluster_id=1, topic_uuid=IDENTITY.topic_uuid, index=3))
        stamp = WriterStamp(attempt_id=b"x" * 16, node=NOBODY)
        log.store([pack(Kind.FENCE, 9, control.fence(other, stamp, ProducerBounds(), 0).message)])
        await asyncio.sleep(1)
        assert not followers()
        assert not waiting.done()
        (said,) = [each.message for each in caplog.records if each.levelname == "ERROR"]
        assert said.startswith("log stream 1 of Varlog topic 1 can't be read: entry 3 says that this log")
        await reader.close(1)

    simulated(main())


def test_a_partition_written_here_is_not_followed() -> None:
    async def main() -> None:
        log = ScriptedLog()
        partition = follower_on(log)
        log.hold(lambda payload: True)
        opening = send(partition, batch())
        waiting = partition.advanced(0)
        assert not followers(), "nor while it opens"
        log.release()
        await opening
        assert waiting.done()
        partition.advanced(1)
        assert not followers()
        await partition.close(1)

    simulated(main())
