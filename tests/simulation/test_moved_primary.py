"""The primary of a log stream moves to another storage node, under a node that writes."""

from __future__ import annotations

import asyncio
import random

import pytest

from kov.partition.limits import Limits
from kov.partition.pending import Appended
from tests.simulation.checker import Attempt, Checker
from tests.simulation.loop import run
from tests.simulation.network import Faults
from tests.simulation.nodes import running_node
from tests.simulation.producers import Told, send
from tests.simulation.scenario import log_stream
from varlog_client.types import StorageNodeId


@pytest.mark.parametrize("old_lives", [True, False], ids=["the old one lives", "the old one is dead"])
def test_a_primary_that_moved_is_followed(old_lives: bool) -> None:
    """What was on its way when it moved is stored once, like what comes later."""

    async def play() -> None:
        checker = Checker()
        told = Told(checker)
        async with (
            log_stream(random.Random(1), Faults(), checker, storage_nodes=2) as stream,
            running_node(stream, 1, Limits()) as node,
        ):

            def start(number: int) -> asyncio.Task[object]:
                return node.start(send(node, told, Attempt(1, number, 1, 1, 1), 60.0, idempotent=True))

            assert isinstance(await start(0), Appended)
            old = stream.primary
            stream.hanging = True
            under_way = start(1)
            await asyncio.sleep(1.0)
            assert stream.accepted
            stream.seal()
            if not old_lives:
                stream.varlog.kill(StorageNodeId(old.node_id))
            stream.move_primary()
            assert stream.primary is not old
            if not old_lives:
                stream.replicas.remove(old)
            stream.hanging = False
            await asyncio.sleep(1.0)
            assert stream.unseal()
            later = start(2)
            for number, sent in enumerate((under_way, later), 1):
                answer = await sent
                assert isinstance(answer, Appended)
                assert answer.base_offset == number

    run(1, play())
