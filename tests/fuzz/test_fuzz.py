"""kov under requests that nobody should send: a fixed short set, and new ones for half a minute."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from kio.schema.errors import ErrorCode

from tests.builders import batch
from tests.fuzz import corpus
from tests.fuzz.attack import Attack, Found, frames
from tests.fuzz.ledger import Ledger
from tests.fuzz.line import conversation
from tests.fuzz.stage import Stage
from tests.kov.handlers.door import ORDERS, a_door, produce, producing
from tests.waiting import wait_for

_FIXED = 150
_SHARE_S = 20.0


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Stage(tmp_path / "stage") as stage:
        yield stage


async def test_broken_and_odd_requests_harm_nobody(caplog: pytest.LogCaptureFixture) -> None:
    rng, pool = random.Random("the fixed set"), corpus.pool({"orders": ORDERS})
    async with a_door() as door:
        host, port = door.server.sockets[0].getsockname()
        talks = [conversation([*frames(pool, rng)], rng) for _ in range(_FIXED)]
        for talk in talks:
            await asyncio.to_thread(talk.hold, f"{host}:{port}", Ledger({}))
        answer = await produce(await door.connect(), 9, producing(batch()))
        assert answer.responses[0].partition_responses[0].error_code is ErrorCode.none
        await wait_for(lambda: door.peers.budget.used == 0, what="all bytes given back")
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["mutated", "valid"])
def test_new_requests_harm_nobody(stage: Stage, tmp_path: Path, kind: str) -> None:
    attack, seed = Attack(stage), secrets.token_hex(4)
    try:
        (attack.mutate if kind == "mutated" else attack.ask)(random.Random(seed), seconds=_SHARE_S)
        attack.restart()
    except Found as found:
        found.save(tmp_path / "found.txt")
        pytest.fail(f"seed {seed}: {found}; what was sent lies in {tmp_path / 'found.txt'}")
    assert attack.counted["answers"]
