from __future__ import annotations

import asyncio

import pytest

from varlog_client import Closed
from varlog_client.slots import Slots


async def started(*waits: asyncio.Task[None]) -> None:
    for _ in waits:
        await asyncio.sleep(0)


async def test_a_freed_slot_goes_to_who_waits_longest_and_nobody_overtakes() -> None:
    slots = Slots(1)
    assert slots.take()
    first, second = asyncio.create_task(slots.wait()), asyncio.create_task(slots.wait())
    await started(first, second)
    slots.free()
    assert not slots.take()
    await first
    assert not second.done()
    slots.free()
    await second
    assert slots.taken == 1


async def test_a_slot_freed_to_a_waiter_cancelled_before_it_ran_is_not_lost() -> None:
    slots = Slots(1)
    assert slots.take()
    first, second = asyncio.create_task(slots.wait()), asyncio.create_task(slots.wait())
    await started(first, second)
    slots.free()
    first.cancel()
    await second
    assert first.cancelled()
    slots.free()
    assert slots.taken == 0


async def test_a_slot_freed_while_a_waiter_is_being_cancelled_goes_to_the_next() -> None:
    slots = Slots(1)
    assert slots.take()
    first, second = asyncio.create_task(slots.wait()), asyncio.create_task(slots.wait())
    await started(first, second)
    first.cancel()
    slots.free()
    await second
    assert first.cancelled()
    assert slots.taken == 1


async def test_closing_tells_who_waits_also_one_that_was_just_promised_a_slot() -> None:
    slots = Slots(1)
    assert slots.take()
    promised, waiting = asyncio.create_task(slots.wait()), asyncio.create_task(slots.wait())
    await started(promised, waiting)
    slots.free()
    slots.close(Closed("closed"))
    for task in (promised, waiting):
        with pytest.raises(Closed):
            await task
    assert slots.taken == 0
