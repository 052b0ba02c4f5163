"""Producers that stay with one node, whatever that says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.builders import batch
from tests.frozen.conftest import Nodes
from tests.frozen.ledger import Ledger, Place
from tests.frozen.talk import STORED, Talk, talking
from varlog_client import Log

_WINDOW = 4
_PAUSE_S = 0.02


@dataclass
class Writing:
    """A producer without ids that never tries again and stays with its node, whatever that says."""

    name: str
    talk: Talk
    place: Place
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
        topic, index = self.place.topic, self.place.index
        answer = self.talk.produce(topic, batch([value]), index=index, timeout_s=10)
        self.ledger.note(value, answer)
        if (await answer).code == STORED:
            self.stored += 1
            self.stored_at = time.monotonic()
        await asyncio.sleep(_PAUSE_S)


@asynccontextmanager
async def writing(name: str, talk: Talk, place: Place, ledger: Ledger) -> AsyncIterator[Writing]:
    """Until left; all that was sent is answered then."""
    load = Writing(name, talk, place, ledger)
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
