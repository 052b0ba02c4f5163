"""A round: one kov, attacked for a while, and looked at again and again by those who mean well."""

from __future__ import annotations

import random
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz import corpus
from tests.fuzz.healthy import Healthy, delete_others
from tests.fuzz.judging import Owed, owed
from tests.fuzz.ledger import Ledger
from tests.fuzz.line import Conversation, conversation
from tests.fuzz.mutating import Pool, laid_out, mutated
from tests.fuzz.stage import Stage
from tests.fuzz.valid import World, bodies
from tests.kov.wire.requests import EVERY_VERSION, Entity, frame

_BURST: Final = 100
"""Conversations between two looks of the healthy client."""
_LIBRARY_EVERY: Final = 8  # bursts: aiokafka takes its time
_KEPT: Final = 400
_KEPT_BYTES: Final = 32 * 1024 * 1024
"""Of all requests that are kept: the last conversation is, whatever its size."""
_WARM: Final = 2  # bursts
_EXAMPLES: Final = 15


class Found(Exception):
    """What went wrong, and the conversations before it: the last one is the most likely cause."""

    def __init__(self, what: BaseException, last: Sequence[Conversation], log: str) -> None:
        super().__init__(f"{type(what).__name__}: {what}; kov said: {log}")
        self.last = last

    def save(self, path: Path) -> None:
        """As `load` reads it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as file:
            file.write(f"# {str(self)!r}\n")
            for each in self.last:
                file.write("\n")
                for line in each.hexed():
                    file.write(line + "\n")


def load(path: Path) -> list[Conversation]:
    """The conversations of a saved `Found`."""
    found, block = list[Conversation](), list[str]()
    with path.open() as file:
        for line in (*file, "\n"):
            if line.startswith("#"):
                continue
            if line != "\n":
                block.append(line[:-1])
            elif block:
                found.append(Conversation.from_hex(block))
                block = []
    return found


class Kept:
    """The last conversations: at most so many, and so many bytes of requests unless one alone has more."""

    def __init__(self, count: int = _KEPT, most_bytes: int = _KEPT_BYTES) -> None:
        self._last: deque[Conversation] = deque()
        self._count = count
        self._most_bytes = most_bytes
        self._bytes = 0

    def append(self, talk: Conversation) -> None:
        self._last.append(talk)
        self._bytes += talk.size
        while len(self._last) > self._count or (self._bytes > self._most_bytes and len(self._last) > 1):
            self._bytes -= self._last.popleft().size

    def __iter__(self) -> Iterator[Conversation]:
        return iter(self._last)


class Attack:
    """On one running stage. Whatever goes wrong is raised as `Found`."""

    def __init__(self, stage: Stage) -> None:
        self.counted: Counter[str] = Counter()
        self._stage = stage
        self._ledger = Ledger(stage.attacked)
        self._healthy = Healthy(stage.address, self._ledger)
        self._last = Kept()

    def mutate(self, rng: random.Random, *, seconds: float = float("inf"), count: int | None = None) -> None:
        """Conversations of mutated requests, for so long or so many."""
        pool = corpus.pool(self._stage.attacked)
        self._bursts(lambda: self.hold(conversation([*frames(pool, rng)], rng)), seconds, count)

    def replay(self, conversations: Sequence[Conversation]) -> None:
        given = iter(conversations)
        self._bursts(lambda: self.hold(next(given)), float("inf"), len(conversations))

    def ask(self, rng: random.Random, *, seconds: float = float("inf"), count: int | None = None) -> None:
        """Valid requests of all versions of all APIs, as Hypothesis makes them; `count` versions of APIs."""
        chosen = _forever(EVERY_VERSION, rng)
        self._bursts(lambda: self._ask(*next(chosen), rng.getrandbits(32)), seconds, count, burst=10)

    def _ask(self, api_key: int, version: int, number: int) -> None:
        world = World([*self._stage.attacked], [*self._stage.attacked.values()])

        @seed(number)
        @settings(
            max_examples=_EXAMPLES, deadline=None, database=None, suppress_health_check=[*HealthCheck],
            phases=(Phase.generate, Phase.shrink),
        )  # fmt: skip
        @given(bodies(api_key, version, world))
        def check(body: Entity) -> None:
            asked = frame(body)
            found = laid_out(asked)
            assert found is not None, f"what kio wrote can't be read: {body}"
            assert not found.doubtful, f"what kio wrote can't be read: {body}"
            self.hold(Conversation([asked]))

        check()

    def hold(self, talk: Conversation) -> None:
        self._last.append(talk)
        self.counted["requests"] += len(talk.frames)
        self.counted["answers"] += talk.hold(self._stage.address, self._ledger)

    def _bursts(
        self, step: Callable[[], None], seconds: float, count: int | None, burst: int = _BURST
    ) -> None:
        until, done, looks = time.monotonic() + seconds, 0, 0
        try:
            self._healthy.open_all(self._stage.places())
            while time.monotonic() < until and (count is None or done < count):
                step()
                done += 1
                if done % burst == 0:
                    looks += 1
                    self.look(library=looks % _LIBRARY_EVERY == 0)
                    if looks == _WARM:
                        self._stage.warm()
            self.look(library=True)
        except Exception as error:  # whatever it is, what was said before belongs to it
            raise Found(error, [*self._last], self._stage.said()) from error

    def look(self, *, library: bool) -> None:
        """The healthy client, the log, and kov itself."""
        self.counted["looks"] += 1
        self._stage.check_alive()
        self._healthy.check()
        self._audit()
        delete_others(self._stage.address, self._stage.topics)
        if library:
            self._healthy.check_library()
        self._stage.check()

    def _audit(self) -> None:
        self._healthy.audit(self._stage.places())
        self.counted["stored records"] = sum(self._ledger.next_offset.values())

    def restart(self) -> None:
        """What was stored is still there for the next kov, and nothing else. Raises `Found`."""
        try:
            self._stage.kov.restart()
            self._healthy.check()
            self._audit()
            self._stage.check_alive()
        except Exception as error:  # as in `_bursts`
            raise Found(error, [*self._last], self._stage.said()) from error


def frames(pool: Pool, rng: random.Random) -> Iterator[bytes]:
    """Some requests; one that ends the conversation is the last of them, and doesn't always come."""
    for _ in range(rng.choice((1, 1, 2, 4, 8, 16))):
        made = mutated(pool, rng)
        ends = owed(made) in {Owed.CLOSE, Owed.WAIT}
        if ends and rng.random() < 0.6:
            continue
        yield made
        if ends:
            return


def _forever(versions: Sequence[tuple[int, int]], rng: random.Random) -> Iterator[tuple[int, int]]:
    while True:
        yield from rng.sample(versions, len(versions))
