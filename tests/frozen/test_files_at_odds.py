"""Two nodes whose files say different things of the same log streams: the log says whose each of them is."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from tests.builders import batch
from tests.frozen.conftest import Nodes, Varlog, make_places, running, theirs
from tests.frozen.gate import Gate, frozen_by
from tests.frozen.ledger import Ledger, Place, check, fences
from tests.frozen.talk import NOT_STORED, STORED, talking
from tests.frozen.writing import Writing, stored, talks, writing

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]

_SAYS = "says that this log stream belongs to partition"


@pytest.mark.parametrize("which", ["another topic", "another partition"])
async def test_a_log_stream_that_holds_another_partition_is_left_alone(
    varlog: Varlog, tmp_path: Path, which: str
) -> None:
    mine, spare = await make_places(varlog, 2)
    name, index, second = "other", 0, [mine.log_stream]
    if which == "another partition":
        name, index, second = mine.topic, 1, [spare.log_stream, mine.log_stream]
    nodes = Nodes(tmp_path, varlog, [mine], {name: second})
    async with running(nodes), talks(nodes) as (to_first, to_second, log):
        place, ledger = nodes.place(), Ledger()
        async with writing("first", to_first, place, ledger) as first:
            await stored(first, 5)
            for _ in range(20):
                refused = await to_second.produce(name, batch([b"no"]), index=index)
                assert refused.code == NOT_STORED
                assert refused.message is not None
                assert f"{_SAYS} 0 of topic" in refused.message
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


class Swapped:
    """Two log streams and two partitions of one topic; to the second node they are the other way round."""

    def __init__(self, directory: Path, varlog: Varlog, made: Sequence[Place]) -> None:
        one, other = made
        name = one.topic
        self.places = [one, replace(other, topic=name, index=1)]
        self.theirs = [replace(one, index=1), replace(other, topic=name, index=0)]
        self.ledgers = [Ledger(), Ledger()]
        second = {name: [other.log_stream, one.log_stream]}
        self.nodes = Nodes(directory, varlog, self.places, second)

    async def load(self, name: str, seconds: float) -> list[tuple[Writing, Writing]]:
        """All four at once; of each log stream who writes it as the first file says, who as the second."""
        async with talks(self.nodes) as (*both, _), AsyncExitStack() as stack:
            pairs = []
            for mine, other, ledger in zip(self.places, self.theirs, self.ledgers, strict=True):
                first, second = [
                    await stack.enter_async_context(
                        writing(f"{name}, node {number} of {place.log_stream}", talk, place, ledger)
                    )
                    for number, (talk, place) in enumerate(zip(both, (mine, other), strict=True), 1)
                ]
                pairs.append((first, second))
            await asyncio.sleep(seconds)
        return pairs

    async def check(self, pairs: Sequence[tuple[Writing, Writing]]) -> list[int]:
        """That each log stream has one writer; which node it is."""
        winners = []
        async with await self.nodes.log() as log:
            for pair, ledger in zip(pairs, self.ledgers, strict=True):
                winner, loser = sorted(pair, key=lambda load: -load.stored)
                assert winner.stored > 20
                assert loser.stored == 0
                winners.append(pair.index(winner))
                answers = await check(log, winner.place, ledger, self.nodes.addresses[winners[-1]])
                refused = [answers[value] for value in loser.sent]
                assert {answer.code for answer in refused} == {NOT_STORED}
                assert _SAYS in str(refused[-1].message)
        return winners

    async def fences(self) -> int:
        """Of the log stream that has the most."""
        async with await self.nodes.log() as log:
            return max([await fences(log, place) for place in self.places])


async def test_files_that_swap_two_new_log_streams_end_with_one_writer_of_each_also_after_kill_9(
    varlog: Varlog, tmp_path: Path
) -> None:
    swapped = Swapped(tmp_path, varlog, await make_places(varlog, 2))
    nodes = swapped.nodes
    async with running(nodes):
        winners = await swapped.check(await swapped.load("at first", 4))
        assert await swapped.fences() <= 3  # two at the same time, and one after them
        before = await swapped.fences()
        for node in (nodes.first, nodes.second):
            await asyncio.to_thread(node.kill)
        for node in (nodes.second, nodes.first):
            await asyncio.to_thread(node.start)
        assert await swapped.check(await swapped.load("again", 4)) == winners
        assert await swapped.fences() <= before + 1


async def test_files_that_swap_two_written_log_streams_leave_them_to_who_wrote_them(
    varlog: Varlog, tmp_path: Path
) -> None:
    """Also while that one is dead: the other node takes nothing over that isn't its partition's."""
    swapped = Swapped(tmp_path, varlog, await make_places(varlog, 2))
    nodes = swapped.nodes
    async with running(nodes):
        async with talking(nodes.first.address) as talk:
            for place in swapped.places:
                assert (await talk.produce(place.topic, batch([b"mine"]), index=place.index)).code == STORED
        assert await swapped.check(await swapped.load("both", 2)) == [0, 0]
        await asyncio.to_thread(nodes.first.kill)
        async with talking(nodes.second.address) as talk:
            for index in (0, 1) * 20:
                refused = await talk.produce(swapped.places[0].topic, batch([b"no"]), index=index)
                assert refused.code == NOT_STORED
        await asyncio.to_thread(nodes.first.start)
        assert await swapped.check(await swapped.load("back", 2)) == [0, 0]
        assert await swapped.fences() == 2


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("sent", [False, True], ids=["held", "sent"])
@pytest.mark.parametrize("step", range(6))
async def test_a_node_frozen_while_it_opens_does_not_take_what_was_given_away_meanwhile(
    at_odds: Nodes, gate: Gate, step: int, sent: bool
) -> None:
    mine, ledger = at_odds.place(), Ledger()
    values = [b"mine %d" % n for n in range(3)]
    async with talks(at_odds) as (to_first, to_second, log):
        trap = gate.arm(at_odds.first.process.pid, step, sent=sent)
        for value in values:
            ledger.note(value, to_first.produce(mine.topic, batch([value])))
        await frozen_by(trap)
        ledger.note(b"theirs", to_second.produce(theirs(mine).topic, batch([b"theirs"])))
        given_away = (await ledger.told[b"theirs"]).code == STORED
        trap.release()
        at_odds.first.process.send_signal(signal.SIGCONT)
        place, address = (
            (theirs(mine), at_odds.second.address) if given_away else (mine, at_odds.first.address)
        )
        answers = await check(log, place, ledger, address)
        stored_here = {answers[value].code == STORED for value in values}
        assert stored_here == {not given_away}
        assert await fences(log, mine) <= 3
