"""Two nodes that both believe to write a partition: one is frozen and woken, or both get requests."""

from __future__ import annotations

import asyncio
import signal
import time

import pytest

from tests.builders import batch
from tests.frozen.conftest import Nodes
from tests.frozen.ledger import Ledger, check, check_order, fences
from tests.frozen.talk import NOT_LEADER, STORED, Talk
from tests.frozen.writing import stored, talks, writing

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]


@pytest.mark.parametrize("seconds", [3, pytest.param(60, marks=pytest.mark.slow)])
async def test_a_node_frozen_under_load_settles_what_it_stored_and_gives_way(
    pair: Nodes, seconds: float
) -> None:
    place, ledger = pair.place(), Ledger()
    async with talks(pair) as (to_first, to_second, log):
        async with writing("first", to_first, place, ledger) as first:
            await stored(first, 100)
            pair.first.process.send_signal(signal.SIGSTOP)
            async with writing("second", to_second, place, ledger) as second:
                await stored(second, 50)
                await asyncio.sleep(seconds)
                pair.first.process.send_signal(signal.SIGCONT)
                await stored(second, 50)
        answers = await check(log, place, ledger, *pair.addresses)
        for load in (first, second):
            check_order(answers, load.sent)
        assert {answer.code for value, answer in answers.items() if value in second.sent} == {STORED}
        assert await fences(log, place) <= 4  # one each, one that came too late, and one more


async def test_two_nodes_with_requests_all_the_time_end_with_one_writer(pair: Nodes) -> None:
    place, ledger = pair.place(), Ledger()
    async with talks(pair) as (to_first, to_second, log):
        begun = time.monotonic()
        async with (
            writing("first", to_first, place, ledger) as first,
            writing("second", to_second, place, ledger) as second,
        ):
            await asyncio.sleep(6)
        winner, loser = sorted((first, second), key=lambda load: -load.stored_at)
        assert winner.stored_at - begun > 5.5
        assert loser.stored_at - begun < 3
        answers = await check(log, place, ledger, *pair.addresses)
        assert answers[loser.sent[-1]].code == NOT_LEADER
        assert await fences(log, place) <= 4


@pytest.mark.slow
async def test_two_nodes_with_a_request_now_and_then_take_turns_no_faster_than_once_a_second(
    pair: Nodes,
) -> None:
    """Nobody writes all the time, so a node may think that the other one is gone."""
    place, seconds = pair.place(), 20
    async with talks(pair) as (*both, log):
        until = time.monotonic() + seconds

        async def now_and_then(name: bytes, talk: Talk) -> int:
            number = 0
            while time.monotonic() < until:
                await talk.produce_until_stored(place.topic, batch([b"%s %d" % (name, number)]))
                number += 1
                await asyncio.sleep(0.5)
            return number

        written = await asyncio.gather(now_and_then(b"first", both[0]), now_and_then(b"second", both[1]))
        assert min(written) >= 1
        assert await fences(log, place) <= seconds + 4
