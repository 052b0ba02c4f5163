"""A counter-example of the Promela model, played again with two real partitions.

The model prints what happens as lines "STEP writer what". Here the log commits, answers, cuts and drops
nothing by itself: each step of the model makes one of these happen, and each opening waits for the step in
which it looks at the log.

A batch of the model is two batches from one connection, on their way together. Where the model's writer
refuses it as certainly not stored, the first of the two has lost its producer before: kov drops it once it is
settled that it isn't stored, and refuses the second one, which mustn't overtake it.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple
from unittest.mock import patch

from kov.entries import pack
from kov.partition import control
from kov.partition.fold import Fold
from kov.partition.identity import PartitionIdentity, ProducerBounds, WriterIdentity, WriterStamp
from kov.partition.limits import Limits
from kov.partition.opening import Opening, Outcome
from tests.simulation.checker import Attempt, Checker
from tests.simulation.log_stream import Appended, SimulatedLogStream
from tests.simulation.network import Faults
from tests.simulation.nodes import UUID_OF_TOPIC, Node, running_node
from tests.simulation.producers import Answer, Told, send
from tests.simulation.scenario import log_stream

QUIET_S = 10.0  # until everything that follows from a step has happened
FOR_EVER_S = 1e6
OWN = {
    "looks",
    "hears",
    "gives up",
    "refuses",
}  # what a writer does; all else the network does with its appends


class Step(NamedTuple):
    writer: int
    what: str


class Unplayable(Exception):
    """kov doesn't do what the model's writer did: the replay is not that schedule."""


def steps_of(said: str) -> list[Step]:
    """The steps in what `spin -t` says."""
    return [Step(int(writer), what) for writer, what in re.findall(r"STEP (\d) (.+)", said)]


class Gates:
    """Holds back every attempt to open until it may look."""

    def __init__(self) -> None:
        self.open = False
        self.waiting: dict[int, asyncio.Future[None]] = {}

    async def wait(self, node_id: int) -> None:
        if not self.open:
            self.waiting[node_id] = asyncio.get_running_loop().create_future()
            await self.waiting[node_id]

    def let_pass(self, node_id: int) -> bool:
        waiting = self.waiting.pop(node_id, None)
        if waiting is not None:
            waiting.set_result(None)
        return waiting is not None

    def open_all(self) -> None:
        self.open = True
        for node_id in list(self.waiting):
            self.let_pass(node_id)


class Replay:
    def __init__(self, stream: SimulatedLogStream, nodes: list[Node], gates: Gates, told: Told) -> None:
        self._stream = stream
        self._nodes = nodes
        self._gates = gates
        self._landed: dict[int, list[tuple[Appended, bytes]]] = {}
        self._firsts = [self._produce(told, node, 0) for node in nodes]
        self._seconds = [self._produce(told, node, 1) for node in nodes]

    def _produce(self, told: Told, node: Node, number: int) -> asyncio.Task[Answer]:
        attempt = Attempt(2 * node.node_id, number, 1, node.node_id, 1)
        return node.start(send(node, told, attempt, FOR_EVER_S, idempotent=False))

    async def play(self, steps: list[Step], *, strictly: bool) -> None:
        """Step by step, then everything that is still due. `strictly`: every step must be possible."""
        await asyncio.sleep(QUIET_S)
        for at, step in enumerate(steps):
            own = [other.what for other in steps[at:] if other.writer == step.writer and other.what in OWN]
            if step.what in OWN and own[1:2] == ["refuses"]:
                self._firsts[step.writer].cancel()
                await asyncio.sleep(QUIET_S)
            if step.what != "refuses" and not self._do(step) and strictly:
                raise Unplayable(f"step {at}, {step}, of {steps}")
            await asyncio.sleep(QUIET_S)
        await self._finish()

    def _do(self, step: Step) -> bool:
        writer = step.writer
        match step.what:
            case "looks":
                return self._gates.let_pass(self._nodes[writer].node_id)
            case "lands":
                return self._land(writer, late=False)
            case "lands late":
                return self._land(writer, late=True)
            case "hears":
                return self._answer(writer)
            case "gives up":
                return self._cut(writer)
            case "is dropped":
                return self._drop(writer)
            case _:
                raise ValueError(step)

    def _accepted(self, writer: int, *, late: bool) -> list[Appended]:
        """What the writer has under way on one stream."""
        process = self._nodes[writer].process
        mine = [a for a in self._stream.accepted if a.call.process == process and a.call.cut is late]
        return [appended for appended in mine if appended.call is mine[0].call]

    def _land(self, writer: int, *, late: bool) -> bool:
        accepted = self._accepted(writer, late=late)
        answers = [(appended, self._stream.commit(appended)) for appended in accepted]
        if answers and not late:
            self._landed[writer] = answers
        return bool(accepted)

    def _answer(self, writer: int) -> bool:
        landed = self._landed.pop(writer, [])
        for appended, answer in landed:
            appended.call.answered(answer)
        return bool(landed)

    def _cut(self, writer: int) -> bool:
        landed = [appended for appended, _ in self._landed.pop(writer, [])]
        under_way = landed or self._accepted(writer, late=False)
        for appended in under_way[:1]:
            appended.call.break_off()
        return bool(under_way)

    def _drop(self, writer: int) -> bool:
        accepted = self._accepted(writer, late=True)
        for appended in accepted:
            self._stream.accepted.remove(appended)
        return bool(accepted)

    async def _finish(self) -> None:
        self._gates.open_all()
        for writer in list(self._landed):
            self._answer(writer)
        self._stream.by_hand = False
        self._stream.go_on()
        async with asyncio.timeout(1000):
            await asyncio.gather(*self._seconds)
            await asyncio.gather(*self._firsts, return_exceptions=True)


async def replay(steps: list[Step], *, strictly: bool, former_writer: bool) -> Checker:
    """Raises what the checker finds. `former_writer`: the log begins with somebody else's fence."""
    checker = Checker()
    limits = Limits(pipeline=2, watch_s=FOR_EVER_S, max_watch_s=FOR_EVER_S, deposed_s=1.0)
    network = Faults(longest_delay_s=0.001, arrives_after_cut=1.0)
    gates = Gates()
    async with (
        log_stream(random.Random(0), network, checker, storage_nodes=1) as stream,
        AsyncExitStack() as stack,
    ):
        nodes = [await stack.enter_async_context(running_node(stream, n, limits)) for n in (1, 2)]
        stream.by_hand = True
        if former_writer:
            stream.write_foreign(former_fence())
        async with gated(gates):
            await Replay(stream, nodes, gates, Told(checker)).play(steps, strictly=strictly)
    return checker


@asynccontextmanager
async def gated(gates: Gates) -> AsyncIterator[None]:
    original = Opening.attempt

    async def attempt(self: Opening, watch_s: float) -> Outcome:
        await gates.wait(self.node.node_id)
        return await original(self, watch_s)

    with patch.object(Opening, "attempt", attempt):
        yield


def former_fence() -> bytes:
    partition = PartitionIdentity(cluster_id=1, topic_uuid=UUID_OF_TOPIC, index=0)
    writer = WriterStamp(attempt_id=bytes(15) + b"\x63", node=WriterIdentity(node_id=99))
    entry = control.fence(Fold(partition), writer, ProducerBounds(), 0)
    return pack(entry.kind, entry.epoch, entry.message)
