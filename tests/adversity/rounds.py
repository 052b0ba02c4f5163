"""One round: a fresh stage under load, a number of faults, and at the end the checker's word."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from aiokafka.errors import KafkaError

from tests.adversity.book import Book, Place
from tests.adversity.cast import Role, cast
from tests.adversity.checker import Checker, Excuse, Finding, Harm
from tests.adversity.faults import KINDS, Kind
from tests.adversity.fold import Found, Reading
from tests.adversity.producer import ProducerProcess
from tests.adversity.stage import Stage
from varlog_client import VarlogError

_POLL_S = 0.05
_GRACE_S = 0.3
_FIRST_ANSWERS = 5
_START_S = 60.0
_SETTLED_S = 75.0
_END_S = 150.0
_TOGETHER = 0.12
_IN_A_ROW = 0.25
_LONG_S = 5.0
_READ_S = 90.0
_BREAKDOWNS = (AssertionError, RuntimeError, TimeoutError, OSError, VarlogError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Struck:
    """A fault that was played: from `begin` to `mended`, and until everything sent before was answered."""

    kind: Kind
    begin: float
    mended: float
    settled: float


@dataclass(slots=True)
class Round:
    """`play` runs it; what it found and saw stands here afterwards. `said` is told each fault's name."""

    storage: str
    directory: Path
    seed: str
    faults: int
    said: Callable[[str], None] = print
    struck: list[Struck] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    books: list[Book] = field(default_factory=list)
    diagnosis: list[str] = field(default_factory=list)
    _roles: dict[str, Role] = field(default_factory=dict)
    seconds: float = 0.0

    async def play(self) -> None:
        begun = time.monotonic()
        self.directory.mkdir(parents=True)
        chance = Random(self.seed)
        stage = Stage(self.storage, self.directory, chance)
        producers: list[ProducerProcess] = []
        try:
            await stage.start()
            self._roles = {role.name: role for role in cast(chance)}
            for role in self._roles.values():
                address = stage.front.address
                producers.append(ProducerProcess(address, role, stage.places, self.directory, self.seed))
            self.books = [each.book for each in producers]
            await self._attack(stage, chance, producers)
        except _BREAKDOWNS as error:
            self.findings.append(Finding(Harm.BROKEN, repr(error)))
        finally:
            for each in producers:
                each.kill()
            await stage.close()
            self.seconds = time.monotonic() - begun

    async def _attack(self, stage: Stage, chance: Random, producers: Sequence[ProducerProcess]) -> None:
        places = set(stage.places)
        await self._until(lambda: self._all_answered_some(places), _START_S, "the producers' first records")
        await self._strike(stage, chance)
        if self.findings:
            self.diagnosis = await stage.storage.diagnose()
        await self._finish(stage, producers)
        log, consumed = await _read(stage)
        self.findings += Checker(self._roles, self.books, log, consumed, self._excuses()).check()

    async def _strike(self, stage: Stage, chance: Random) -> None:
        while len(self.struck) < self.faults and not self.findings:
            kinds = _draw(self.storage, chance, self.faults - len(self.struck))
            begin = time.monotonic()
            self.said(" + ".join(kind.name for kind in kinds))
            await asyncio.gather(*(kind.play(stage) for kind in kinds))
            mended = time.monotonic()
            if mended - begin > _LONG_S or chance.random() >= _IN_A_ROW:
                await self._settle(mended, f"after {' + '.join(kind.name for kind in kinds)}")
            settled = time.monotonic()
            for kind in kinds:
                self.struck.append(Struck(kind=kind, begin=begin, mended=mended, settled=settled))

    async def _settle(self, mended: float, when: str) -> None:
        def settled() -> bool:
            return all((oldest := book.oldest()) is None or oldest > mended for book in self.books)

        await self._until(settled, _SETTLED_S, f"answers {when}")

    async def _finish(self, stage: Stage, producers: Sequence[ProducerProcess]) -> None:
        stage.clear()
        with suppress(TimeoutError):
            await stage.storage.all_running()
        for each in producers:
            each.stop()
        await self._until(lambda: all(each.book.ended for each in producers), _END_S, "the producers' ends")

    async def _until(self, condition: Callable[[], bool], bound_s: float, what: str) -> None:
        """Follows the books until `condition` holds; that it doesn't in time is a finding."""
        deadline = time.monotonic() + bound_s
        while True:
            for book in self.books:
                book.follow()
            if condition():
                return
            if time.monotonic() > deadline:
                late = [f"{book.producer} since {_ago(book)}" for book in self.books if book.oldest()]
                text = f"{what}: waited {bound_s:g} s in vain; still waiting: {', '.join(late)}"
                self.findings.append(Finding(Harm.UNANSWERED, text))
                return
            await asyncio.sleep(_POLL_S)

    def _all_answered_some(self, places: set[Place]) -> bool:
        """And every log stream holds something: before that, Varlog may hang for ever after a fault."""
        held = {each.place for book in self.books for each in book.sent if each.offset is not None}
        return places <= held and all(
            sum(1 for s in book.sent if s.at is not None) >= _FIRST_ANSWERS for book in self.books
        )

    def _excuses(self) -> list[Excuse]:
        return [
            Excuse(struck.begin, struck.mended + _GRACE_S) for struck in self.struck if struck.kind.excuses
        ]


def _draw(storage: str, chance: Random, most: int) -> list[Kind]:
    """One kind, or now and then two of different sides at once."""
    kinds = [kind for kind in KINDS[storage] if kind.possible()]
    (first,) = chance.choices(kinds, [kind.weight for kind in kinds])
    others = [kind for kind in kinds if kind.side is not first.side and not kind.alone]
    if most > 1 and not first.alone and chance.random() < _TOGETHER:
        return [first, *chance.choices(others, [kind.weight for kind in others])]
    return [first]


async def _read(stage: Stage) -> tuple[dict[Place, Reading], dict[Place, list[Found]]]:
    """The log streams, and the same by a consumer; what was under way may still land meanwhile."""
    async with asyncio.timeout(_READ_S):
        while True:
            with suppress(VarlogError, KafkaError):
                consumed = await stage.consume()
                log = await stage.read_log()
                if consumed == await stage.consume():
                    return log, consumed
            await asyncio.sleep(_POLL_S)


def _ago(book: Book) -> str:
    return f"{time.monotonic() - (book.oldest() or 0.0):.1f} s"
