"""kov unseals by itself, where its mapping file allows it, and only when that is safe."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

import pytest

from kov.partition import unsealing
from kov.partition.limits import Limits
from kov.partition.pending import Appended
from kov.partition.stream import Stream
from kov.partition.unsealing import Unsealer
from tests.simulation.checker import Attempt, Checker
from tests.simulation.log_stream import SimulatedLogStream
from tests.simulation.loop import run
from tests.simulation.network import Faults
from tests.simulation.nodes import loop, running_node
from tests.simulation.producers import Answer, Told, send
from tests.simulation.scenario import log_stream
from varlog_client.types import StorageNodeId

HALF, WRONG = "a log stream was half unsealed", "the old primary was made to act"
HASTE = "a log stream was unsealed in haste"
BACKUP = StorageNodeId(2)
SOON_S = 10.0
AWAY_S = 30.0
Rule: TypeAlias = Callable[[Unsealer, Stream], Awaitable[bool]]
Play: TypeAlias = Callable[[SimulatedLogStream], Awaitable[None]]


async def seal(stream: SimulatedLogStream) -> None:
    stream.seal()


async def restart_the_backup(stream: SimulatedLogStream) -> None:
    """Sealed since the restart; the backup synchronises for a while."""
    stream.seal()
    await asyncio.sleep(unsealing.SETTLED_S)
    stream.varlog.kill(BACKUP)
    stream.varlog.start(BACKUP)


async def move_the_primary(stream: SimulatedLogStream) -> None:
    stream.seal()
    stream.move_primary()


async def lose_the_admin(stream: SimulatedLogStream) -> None:
    stream.seal()
    stream.varlog.admin_server.up = False
    stream.varlog.network.later(AWAY_S, setattr, stream.varlog.admin_server, "up", True)


@dataclass
class Unsealed:
    """`answer`: to a batch that was sent just after something had happened; nobody but kov unsealed."""

    answer: Answer
    waited_s: float
    seen: Counter[str]


async def play(what: Play, *, unseals: bool = True) -> Unsealed:
    checker = Checker()
    told = Told(checker)
    async with (
        log_stream(random.Random(3), Faults(), checker, storage_nodes=2) as stream,
        running_node(stream, 1, Limits(), unseals=unseals) as node,
    ):
        first, second = (
            send(node, told, Attempt(1, number, 1, 1, 1), 60.0, idempotent=True) for number in range(2)
        )
        await node.start(first)
        await what(stream)
        begun = loop().time()
        answer = await node.start(second)
        return Unsealed(answer, loop().time() - begun, stream.varlog.network.seen)
    raise AssertionError("it was ended")


@pytest.mark.parametrize("what", [seal, restart_the_backup, move_the_primary, lose_the_admin])
def test_a_batch_waits_until_kov_has_unsealed_safely(what: Play) -> None:
    found = run(1, play(what))
    assert isinstance(found.answer, Appended)
    assert unsealing.SETTLED_S <= found.waited_s < (AWAY_S if what is lose_the_admin else 0) + SOON_S
    assert (found.seen[HALF], found.seen[HASTE], found.seen[WRONG]) == (0, 0, 0)


async def never_look(self: Unsealer, stream: Stream) -> bool:
    return True


async def look_once(self: Unsealer, stream: Stream) -> bool:
    return (await stream.peek()).sealed


@pytest.mark.parametrize(
    ("what", "rule", "harm"),
    [
        (restart_the_backup, never_look, HALF),
        (restart_the_backup, look_once, HASTE),
        (move_the_primary, look_once, WRONG),
    ],
)
def test_who_does_not_look_for_two_seconds_does_harm(
    what: Play, rule: Rule, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the simulated admin does to those who ask too early: the test above can fail."""
    monkeypatch.setattr(Unsealer, "_is_safe", rule)
    assert run(1, play(what)).seen[harm] > 0


async def stick(stream: SimulatedLogStream) -> None:
    """Somebody seals it and unseals it, and it is stuck."""
    stream.seal()
    stream.unseal()
    stream.stuck = True


def test_kov_frees_a_log_stream_that_runs_and_commits_nothing() -> None:
    found = run(1, play(stick))
    assert isinstance(found.answer, Appended)
    assert found.seen["kov asked to seal"] == 1
    limits = Limits()
    assert found.waited_s < limits.watch_s * 3 + SOON_S, "one append and one fence unanswered"


def test_kov_that_may_not_unseal_says_how_a_stuck_log_stream_is_freed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    found = run(1, play(stick, unseals=False))
    assert not isinstance(found.answer, Appended)
    assert found.seen["kov asked to seal"] == 0
    said = "runs and answers no append: a slow disk, or it is stuck; seal and unseal it if this lasts"
    assert any(record.message.endswith(said) for record in caplog.records)
