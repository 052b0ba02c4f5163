"""A node is frozen at every step of opening and appending, another one takes over, and then it wakes up."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from tests.builders import batch, idempotent
from tests.frozen.conftest import Nodes
from tests.frozen.gate import Gate, Trap, frozen_by
from tests.frozen.ledger import Ledger, Place, check, check_order, fences
from tests.frozen.talk import NOT_LEADER, STORED, Talk, talking
from varlog_client import Log

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

STEPS = 9
NEVER = 1_000_000
_OUT_OF_ORDER = 45


@dataclass
class Scene:
    """`frozen` and `other`: connections to the node that is frozen, and to the one that takes over."""

    nodes: Nodes
    gate: Gate
    place: Place
    frozen: Talk
    other: Talk
    log: Log
    ledger: Ledger = field(default_factory=Ledger)

    def arm(self, step: int, *, sent: bool) -> Trap:
        return self.gate.arm(self.nodes.first.process.pid, step, sent=sent)

    def wake(self, trap: Trap) -> None:
        trap.release()
        self.nodes.first.process.send_signal(signal.SIGCONT)

    async def take_over(self, *values: bytes) -> None:
        for value in values:
            answer = await self.other.produce_until_stored(self.place.topic, batch([value]))
            told = asyncio.get_running_loop().create_future()
            told.set_result(answer)
            self.ledger.note(value, told)


@asynccontextmanager
async def scene(nodes: Nodes, gate: Gate) -> AsyncIterator[Scene]:
    async with (
        talking(nodes.first.address) as frozen,
        talking(nodes.second.address) as other,
        await nodes.log() as log,
    ):
        yield Scene(nodes, gate, nodes.place(), frozen, other, log)


@pytest.mark.parametrize("sent", [False, True], ids=["held", "sent"])
@pytest.mark.parametrize("step", range(STEPS))
async def test_a_node_frozen_while_it_opens_or_appends_says_only_what_the_log_says(
    gated: Nodes, gate: Gate, step: int, sent: bool
) -> None:
    async with scene(gated, gate) as on:
        trap = on.arm(step, sent=sent)
        values = [b"frozen %d" % n for n in range(6)]
        for n, value in enumerate(values):
            data = batch([value], producer_id=5, epoch=0, sequence=n // 2) if n % 2 else batch([value])
            on.ledger.note(value, on.frozen.produce(on.place.topic, data))
            await asyncio.sleep(0.005)  # so that they don't all go into the first append
        await frozen_by(trap)
        await on.take_over(b"other 0", b"other 1")
        on.wake(trap)
        answers = await check(on.log, on.place, on.ledger, *gated.addresses)
        for producer in (values[::2], values[1::2]):
            check_order(answers, producer)
        refused = [answers[value] for value in values if answers[value].code != STORED]
        assert {answer.code for answer in refused} <= {NOT_LEADER}, "all of it could be read in time"
        assert {answer.leader for answer in refused} <= {(2, gated.second.address)}
        await on.take_over(b"other 2")
        assert await fences(on.log, on.place) <= 4  # before; the frozen one, void or not; the other; again


async def test_a_woken_node_does_not_say_from_memory_what_kills_producers(gated: Nodes, gate: Gate) -> None:
    """The producer went on elsewhere; to this node its next batches look like a gap, and like old ones."""
    async with scene(gated, gate) as on:
        first = await on.frozen.produce(on.place.topic, idempotent(0, 3))
        bumped = await on.frozen.produce(on.place.topic, idempotent(0, producer_id=8, epoch=1))
        assert (first.code, bumped.code) == (STORED, STORED)
        trap = on.arm(NEVER, sent=True)
        trap.spring()
        for sequence in range(3, 9, 3):
            await on.other.produce_until_stored(on.place.topic, idempotent(sequence, 3))
        asked = [
            on.frozen.produce(on.place.topic, data)
            for data in (
                idempotent(0, 3),  # a retry of what it stored itself
                idempotent(9, 3),  # the next one; six are missing here
                idempotent(6, 3),  # a retry of what the other node stored
                idempotent(1, producer_id=8, epoch=0),  # of an older epoch
            )
        ]
        on.wake(trap)
        retry, *others = [await answer for answer in asked]
        assert (retry.code, retry.base_offset) == (STORED, first.base_offset)
        assert [answer.code for answer in others] == [NOT_LEADER] * 3
        again = await on.other.produce(on.place.topic, idempotent(9, 3))
        assert (again.code, again.base_offset) == (STORED, 11)


@pytest.mark.parametrize("proven", [False, True])
async def test_such_a_verdict_is_said_only_if_its_proof_lies_before_the_other_nodes_fence(
    gated: Nodes, gate: Gate, proven: bool
) -> None:
    async with scene(gated, gate) as on:
        assert (await on.frozen.produce(on.place.topic, idempotent(0, 3))).code == STORED
        trap = on.arm(0, sent=proven)
        asked = on.frozen.produce(on.place.topic, idempotent(6, 3))
        await frozen_by(trap)
        assert trap.chunk.find(b"\xffkov\x01\x03") > 0, "not the claim"
        await on.other.produce_until_stored(on.place.topic, idempotent(3, 3))
        on.wake(trap)
        assert (await asked).code == (_OUT_OF_ORDER if proven else NOT_LEADER)


async def test_a_node_frozen_between_two_requests_learns_of_the_other_at_the_next_one(
    gated: Nodes, gate: Gate
) -> None:
    async with scene(gated, gate) as on:
        on.ledger.note(b"a", on.frozen.produce(on.place.topic, batch([b"a"])))
        await on.ledger.answers()
        trap = on.arm(NEVER, sent=True)
        trap.spring()
        await on.take_over(b"b")
        on.wake(trap)
        late = on.frozen.produce(on.place.topic, batch([b"c"]))
        on.ledger.note(b"c", late)
        assert (await late).code == NOT_LEADER
        assert (await late).leader == (2, gated.second.address)
        await check(on.log, on.place, on.ledger, *gated.addresses)
        assert await fences(on.log, on.place) == 3
