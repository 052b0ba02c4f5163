"""A node is stopped for a minute in every step of opening and appending, while another one takes over.

A step is whatever runs without an await in between: each of them is a schedule of its own. The node that was
stopped must acknowledge nothing that isn't in the log's meaning, settle what it had stored before it refuses
anything, say nothing fatal from stale knowledge, and not fight. (The checker sees to the first.)
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest
from kio.schema.errors import ErrorCode

from kov.entries import ControlEntry, Kind, unpack
from kov.partition.limits import Limits
from kov.partition.pending import Appended
from kov.partition.states import State
from kov.pb.control_pb2 import Fence
from tests.simulation.checker import Attempt, Checker
from tests.simulation.log_stream import SimulatedLogStream
from tests.simulation.loop import run
from tests.simulation.many import innermost
from tests.simulation.network import Faults
from tests.simulation.nodes import Node, loop, running_node
from tests.simulation.producers import Answer, Told, send
from tests.simulation.sabotage import no_llsn_check
from tests.simulation.scenario import log_stream

MINUTE_S = 60.0
FATAL = {ErrorCode.out_of_order_sequence_number, ErrorCode.invalid_producer_epoch}
LIMITS = Limits(watch_s=10.0, max_watch_s=60.0, snapshot_entries=4, deposed_s=1.0)


@dataclass
class Outcome:
    """`steps`: how many the node made that is to be frozen."""

    checker: Checker
    stream: SimulatedLogStream
    frozen: Node
    steps: int = 0
    answers: dict[Attempt, Answer] = field(default_factory=dict)


class Freezer:
    """Stops a node before its `at`-th step from now on."""

    def __init__(self, node: Node, at: int, then: Callable[[], None]) -> None:
        self.steps = 0
        self._node, self._at, self._then = node, at, then
        loop().before_step = self._count

    def _count(self, process: str) -> None:
        if process == self._node.process:
            self.steps += 1
            if self.steps == self._at:
                self._node.freeze()
                self._then()


class Tolerant(Told):
    """Fatal answers are for the test to judge."""

    def take(self, attempt: Attempt, answer: Answer) -> None:
        if isinstance(answer, Appended) or answer.code not in FATAL:
            super().take(attempt, answer)


async def frozen_at(step: int, *, opened: bool, timeout_s: float, gap: bool, seed: int = 1) -> Outcome:
    """Freezes node 1 before the given step of opening and appending; `opened`: of appending only."""
    checker = Checker()
    told = Tolerant(checker)
    async with (
        log_stream(random.Random(seed), Faults(), checker, storage_nodes=2) as stream,
        AsyncExitStack() as stack,
    ):
        one, two = [await stack.enter_async_context(running_node(stream, n, LIMITS)) for n in (1, 2)]
        outcome = Outcome(checker, stream, one)

        async def produce(node: Node, producer: int, *numbers: int, idempotent: bool = False) -> None:
            sent = [Attempt(producer, n, 1, node.node_id, node.node_id) for n in numbers]
            tasks = [node.start(send(node, told, a, timeout_s, idempotent=idempotent)) for a in sent]
            for attempt, answer in zip(sent, await asyncio.gather(*tasks), strict=True):
                outcome.answers[attempt] = answer

        if opened:
            await produce(one, 3, 0, idempotent=True)
        freezer = Freezer(one, step, lambda: stream.varlog.network.later(MINUTE_S, one.thaw))
        first = 1 if opened else 0
        numbers = (first, first + 2) if gap else (first, first + 1)

        async def the_next_turn() -> None:
            """What arrives together shares an append; these have their own, with that one under way."""
            await asyncio.sleep(0.001)
            await produce(one, 2, 3, 4)

        producing = asyncio.gather(
            produce(one, 3, *numbers, idempotent=True), produce(one, 2, 0, 1, 2), the_next_turn()
        )
        while not one.frozen and not producing.done():
            await asyncio.sleep(0.01)
        if one.frozen:
            await asyncio.sleep(1.0)
            await produce(two, 4, 0, 1, 2)
        await producing
        loop().before_step = None
        outcome.steps = freezer.steps
        await asyncio.sleep(10 * MINUTE_S)
        checker.read(stream.entries)
    return outcome


def check(outcome: Outcome) -> None:
    for attempt, answer in outcome.answers.items():
        if isinstance(answer, Appended):
            continue
        assert attempt.node == 1, f"the second node didn't take over: {attempt} was told {answer}"
        if answer.code in FATAL:
            assert claims_of_the_first(outcome.stream), f"{attempt} was told {answer} without proof"
        elif answer.code is ErrorCode.not_leader_or_follower:
            assert attempt not in outcome.checker.offsets, f"{attempt} is stored and was told 6"
    assert outcome.checker.epochs <= 3, "they fight"


def claims_of_the_first(stream: SimulatedLogStream) -> int:
    """Valid ones of node 1, which prove that it owned the partition when they were committed."""
    epoch = writer = claims = 0
    for entry in map(unpack, stream.entries):
        if isinstance(entry, ControlEntry) and isinstance(entry.message, Fence) and entry.epoch > epoch:
            epoch, writer = entry.epoch, entry.message.writer.node_id
        elif isinstance(entry, ControlEntry) and entry.kind is Kind.CLAIM and entry.epoch == epoch:
            claims += writer == 1
    return claims


@pytest.mark.parametrize("timeout_s", [5.0, 1000.0])
@pytest.mark.parametrize("gap", [False, True], ids=["in order", "with a gap"])
@pytest.mark.parametrize("opened", [False, True], ids=["opening", "appending"])
@pytest.mark.slow
def test_a_node_that_was_stopped_in_any_step_does_no_harm(opened: bool, gap: bool, timeout_s: float) -> None:
    def at(step: int) -> Outcome:
        return run(0, frozen_at(step, opened=opened, timeout_s=timeout_s, gap=gap))

    whole = at(10**9)
    assert 4 not in {attempt.producer for attempt in whole.answers}
    assert whole.steps > 15
    deposed = unsettled = 0
    for step in range(1, whole.steps + 1):
        outcome = at(step)
        check(outcome)
        deposed += outcome.frozen.partition.state is State.DEPOSED or outcome.checker.epochs > 1
        stored = set(outcome.checker.offsets)
        unsettled += any(
            not isinstance(answer, Appended) and attempt in stored
            for attempt, answer in outcome.answers.items()
        )
    assert deposed > whole.steps // 2
    if timeout_s > MINUTE_S:
        assert not unsettled, "stored and not acknowledged, with all the time in the world"


def test_the_freezes_find_what_the_llsn_check_prevents(monkeypatch: pytest.MonkeyPatch) -> None:
    no_llsn_check(monkeypatch)
    found = []
    for step in range(1, 20):
        try:
            run(0, frozen_at(step, opened=True, timeout_s=1000.0, gap=False))
        except Exception as error:
            found.append(innermost(error))
    assert any(isinstance(error, AssertionError) for error in found)
