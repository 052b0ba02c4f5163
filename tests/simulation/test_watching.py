"""How long an append may stay unanswered, and what follows where appends end badly in a row."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from grpc import StatusCode

from kov.partition.limits import Limits
from kov.partition.pending import Appended
from tests.builders import batch
from tests.simulation.calls import StreamCall
from tests.simulation.checker import Attempt, Checker
from tests.simulation.log_stream import SimulatedLogStream
from tests.simulation.loop import run
from tests.simulation.network import Faults
from tests.simulation.nodes import Node, loop, running_node
from tests.simulation.processes import Node as StorageNode
from tests.simulation.scenario import log_stream

LONG_S = 100_000.0
PATIENCE_S = 5_000.0
SLACK_S = 2.0  # for the pause before an opening, and the network

What = Callable[[StreamCall], None]


class Disk:
    """Takes fences, and does to each append with batches what the test wants."""

    def __init__(self, stream: SimulatedLogStream, monkeypatch: pytest.MonkeyPatch) -> None:
        self.to_batches: What | None = None
        self.asked_at_s: list[float] = []
        self._take = stream.append
        monkeypatch.setattr(stream, "append", self._append)

    def _append(self, node: StorageNode, call: StreamCall, payloads: list[bytes]) -> None:
        if payloads[0][0] > 0x7F or self.to_batches is None:
            self._take(node, call, payloads)
            return
        self.asked_at_s.append(loop().time())
        self.to_batches(call)

    async def asked(self, times: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while len(self.asked_at_s) < times:
                await asyncio.sleep(0.1)

    def pauses_s(self) -> list[float]:
        return [later - sooner for sooner, later in pairwise(self.asked_at_s)]


def never_answer(call: StreamCall) -> None:
    call.unanswered += 1


def no_room(call: StreamCall) -> None:
    call.refuse(StatusCode.RESOURCE_EXHAUSTED, "storage: no room")


@asynccontextmanager
async def node_on_disk(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Node, Disk]]:
    async with (
        log_stream(random.Random(1), Faults(), Checker(), storage_nodes=1) as stream,
        running_node(stream, 1, Limits()) as node,
    ):
        yield node, Disk(stream, monkeypatch)


def send(node: Node, number: int) -> asyncio.Future[Appended]:
    value = b"<" + Attempt(1, number, 1, 1, 1).value() + b">"
    return node.context.run(
        lambda: node.partition.append(batch([value]), source="connection", timeout_s=LONG_S)
    )


def check_pauses(found_s: list[float], expected_s: list[float]) -> None:
    for found, expected in zip(found_s, expected_s, strict=True):
        assert expected <= found < expected + SLACK_S, found_s


def test_the_watch_doubles_with_each_doubt_in_a_row_up_to_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        async with node_on_disk(monkeypatch) as (node, disk):
            disk.to_batches = never_answer
            waiting = send(node, 0)
            await disk.asked(6)
            check_pauses(disk.pauses_s(), [10, 20, 40, 60, 60])
            disk.to_batches = None
            assert (await waiting).base_offset == 0

    run(1, play())


def test_a_confirmed_batch_makes_the_watch_short_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        async with node_on_disk(monkeypatch) as (node, disk):
            disk.to_batches = never_answer
            waiting = send(node, 0)
            await disk.asked(3)
            disk.to_batches = None
            assert (await waiting).base_offset == 0

            disk.to_batches = never_answer
            disk.asked_at_s.clear()
            waiting = send(node, 1)
            await disk.asked(4)
            # The appender that is open keeps the watch that it was opened with.
            check_pauses(disk.pauses_s(), [60, 20, 40])
            disk.to_batches = None
            assert (await waiting).base_offset == 1

    run(1, play())


def test_appends_that_are_refused_at_once_are_tried_again_ever_more_slowly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As by a full disk that has room for fences, and would be filled up with them."""

    async def play() -> None:
        async with node_on_disk(monkeypatch) as (node, disk):
            disk.to_batches = no_room
            waiting = send(node, 0)
            await disk.asked(1100)  # 2 to this power is more than a float can hold
            assert max(disk.pauses_s()) < SLACK_S
            assert disk.pauses_s()[0] < 0.1
            assert min(disk.pauses_s()[10:]) >= 0.5
            disk.to_batches = None
            assert (await waiting).base_offset == 0

    run(1, play())
