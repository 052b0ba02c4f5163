"""Two nodes that both believe to write a partition: one is frozen and woken, or both get requests."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.builders import batch
from tests.frozen.conftest import Nodes, Varlog, make_places, running
from tests.frozen.ledger import Ledger, Place, check, check_order, fences
from tests.frozen.talk import NOT_LEADER, NOT_STORED, STORED, Talk, talking
from varlog_client import Log

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]

_WINDOW = 4
_PAUSE_S = 0.02


@dataclass
class Writing:
    """A producer without ids that never tries again and stays with its node, whatever that says."""

    name: str
    talk: Talk
    topic: str
    ledger: Ledger
    sent: list[bytes] = field(default_factory=list)
    stored_at: float = 0.0
    stored: int = 0

    async def run(self) -> None:
        unanswered: set[asyncio.Task[None]] = set()
        try:
            while True:
                while len(unanswered) < _WINDOW:
                    unanswered.add(asyncio.create_task(self._send()))
                _, unanswered = await asyncio.wait(unanswered, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if unanswered:
                await asyncio.wait(unanswered)

    async def _send(self) -> None:
        value = b"%s %d" % (self.name.encode(), len(self.sent))
        self.sent.append(value)
        answer = self.talk.produce(self.topic, batch([value]), timeout_s=10)
        self.ledger.note(value, answer)
        if (await answer).code == STORED:
            self.stored += 1
            self.stored_at = time.monotonic()
        await asyncio.sleep(_PAUSE_S)


@asynccontextmanager
async def writing(name: str, talk: Talk, place: Place, ledger: Ledger) -> AsyncIterator[Writing]:
    """Until left; all that was sent is answered then."""
    load = Writing(name, talk, place.topic, ledger)
    task = asyncio.create_task(load.run())
    try:
        yield load
    finally:
        task.cancel()
        await asyncio.wait([task])


async def stored(load: Writing, more: int) -> None:
    goal = load.stored + more
    async with asyncio.timeout(60):
        while load.stored < goal:
            await asyncio.sleep(0.01)


@asynccontextmanager
async def talks(nodes: Nodes) -> AsyncIterator[tuple[Talk, Talk, Log]]:
    async with (
        talking(nodes.first.address) as first,
        talking(nodes.second.address) as second,
        await nodes.log() as log,
    ):
        yield first, second, log


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


@pytest.mark.parametrize("which", ["another topic", "another partition"])
async def test_a_log_stream_that_holds_another_partition_is_left_alone(
    varlog: Varlog, tmp_path: Path, which: str
) -> None:
    mine, spare = await make_places(varlog, 2)
    name, index, theirs = "other", 0, [mine.log_stream]
    if which == "another partition":
        name, index, theirs = mine.topic, 1, [spare.log_stream, mine.log_stream]
    nodes = Nodes(tmp_path, varlog, [mine], {name: theirs})
    async with running(nodes), talks(nodes) as (to_first, to_second, log):
        place, ledger = nodes.place(), Ledger()
        async with writing("first", to_first, place, ledger) as first:
            await stored(first, 5)
            for _ in range(20):
                refused = await to_second.produce(name, batch([b"no"]), index=index)
                assert refused.code == NOT_STORED
                assert refused.message is not None
                assert "says that this log stream belongs to partition 0 of topic" in refused.message
            await stored(first, 20)
        await check(log, place, ledger, nodes.first.address)
        assert await fences(log, place) == 1
    assert "belongs to partition 0 of topic" in nodes.second.log.read_text()


async def test_two_nodes_that_give_a_new_log_stream_to_two_partitions_end_with_one(
    varlog: Varlog, tmp_path: Path
) -> None:
    [mine] = await make_places(varlog, 1)
    nodes = Nodes(tmp_path, varlog, [mine], {"other": [mine.log_stream]})
    other = Place("other", mine.topic_id, mine.log_stream)
    async with running(nodes), talks(nodes) as (to_first, to_second, log):
        ledger = Ledger()
        async with (
            writing("first", to_first, mine, ledger) as first,
            writing("second", to_second, other, ledger) as second,
        ):
            await asyncio.sleep(4)
        winner, loser = sorted((first, second), key=lambda load: -load.stored)
        assert winner.stored > 50
        assert loser.stored == 0
        address = nodes.addresses[winner is second]
        await check(log, mine if winner is first else other, ledger, address)
        assert await fences(log, mine) <= 4
