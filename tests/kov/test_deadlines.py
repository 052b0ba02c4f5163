"""One timer for all waits."""

from __future__ import annotations

import asyncio

import pytest

from kov.deadlines import TICK_S, Deadlines


@pytest.fixture
async def timers(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When each timer that is set would ring."""
    found: list[float] = []
    loop = asyncio.get_running_loop()
    call_at = loop.call_at

    def watched(when: float, *rest: object) -> asyncio.TimerHandle:
        found.append(when)
        return call_at(when, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "call_at", watched)
    return found


async def test_waits_end_in_their_order_and_never_too_early() -> None:
    deadlines, loop = Deadlines(), asyncio.get_running_loop()
    ended, all_ended = list[tuple[float, float]](), asyncio.Event()
    begun = loop.time()
    for wait_s in (0.04, 0.0, 0.02, 0.06, -1.0):
        deadline = begun + wait_s

        def end(deadline: float = deadline) -> None:
            ended.append((deadline, loop.time()))
            if len(ended) == 5:
                all_ended.set()

        deadlines.add(deadline, end)
    async with asyncio.timeout(5):
        await all_ended.wait()
    assert [deadline for deadline, _ in ended] == sorted(deadline for deadline, _ in ended)
    assert all(at >= deadline for deadline, at in ended)
    assert len(deadlines) == 0


async def test_a_thousand_waits_set_one_timer(timers: list[float]) -> None:
    deadlines, far = Deadlines(), asyncio.get_running_loop().time() + 30
    told = list[int]()
    for n in range(1000):
        deadlines.add(far + n * TICK_S / 10, lambda n=n: told.append(n))  # type: ignore[misc]
    assert len(deadlines) == 1000
    assert len(timers) == 1
    deadlines.add(far - 10, lambda: told.append(-1))
    assert len(timers) == 2  # an earlier one took its place
    deadlines.end_all()
    assert len(told) == 1001


async def test_what_is_forgotten_is_not_ended() -> None:
    deadlines, loop = Deadlines(), asyncio.get_running_loop()
    ended, last = list[str](), asyncio.Event()
    soon = loop.time() + 0.02
    deadlines.add(soon, lambda: ended.append("kept"))
    unwanted = lambda: ended.append("unwanted")  # noqa: E731
    deadlines.add(soon, unwanted)
    deadlines.forget(soon, unwanted)
    deadlines.forget(soon + 99, unwanted)  # was never added
    deadlines.add(soon + TICK_S, last.set)
    async with asyncio.timeout(5):
        await last.wait()
    assert ended == ["kept"]


async def test_when_all_are_over_later_ones_end_at_once() -> None:
    deadlines, ended = Deadlines(), list[int]()
    far = asyncio.get_running_loop().time() + 1000
    for n in range(3):
        deadlines.add(far + n, lambda n=n: ended.append(n))  # type: ignore[misc]
    deadlines.end_all()
    deadlines.end_all()
    deadlines.add(far, lambda: ended.append(3))
    assert ended == [0, 1, 2, 3]
