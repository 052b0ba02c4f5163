"""One cell of the table: a record size as fast as it goes or at a rate, through kov and by the appender."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench.site import TOPIC, CpuSeconds, Site
from bench.values import MIB, AppenderLoad, Entry, KafkaLoad, Outcome, percentile
from varlog_client import LLSN, VarlogError

ROOT = Path(__file__).resolve().parent.parent
KOV, APPENDER = "through kov", "appender alone"

_PATIENCE_S = 90.0


class LoadFailed(Exception):
    """The text is what the load process said last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    record_bytes: int
    rate: float | None = None

    def __str__(self) -> str:
        size = f"{self.record_bytes} B" if self.record_bytes < 1024 else f"{self.record_bytes // 1024} KiB"
        return f"{size}, {self.rate:g}/s" if self.rate else size


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """`seconds` is for one path of one cell, over all rounds. `plain`: a producer without idempotence."""

    seconds: float
    rounds: int
    seed: int
    plain: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    outcome: Outcome
    cpu: CpuSeconds


@dataclass(slots=True, kw_only=True)
class Row:
    """Over all rounds of one cell. `failure` says why there are none, or fewer."""

    store: str
    path: str
    cell: Cell
    rounds: list[Round] = field(default_factory=list)
    failure: str | None = None

    @property
    def seconds(self) -> float:
        return sum(each.outcome.seconds for each in self.rounds)

    @property
    def records(self) -> int:
        return sum(each.outcome.records for each in self.rounds)

    @property
    def requests(self) -> int:
        return sum(each.outcome.requests for each in self.rounds)

    @property
    def rates(self) -> list[float]:
        """Records per second, by round."""
        return [each.outcome.records / each.outcome.seconds for each in self.rounds]

    @property
    def records_per_s(self) -> float:
        return self.records / self.seconds

    @property
    def mib(self) -> float:
        return self.records * self.cell.record_bytes / MIB

    def latency_ms(self, share: float) -> float:
        return percentile([ms for each in self.rounds for ms in each.outcome.latencies_ms], share)

    @property
    def kov_cpu_s(self) -> float:
        return sum(each.cpu.kov for each in self.rounds)

    @property
    def store_cpu_s(self) -> float:
        return sum(each.cpu.store for each in self.rounds)

    @property
    def load_cpu_s(self) -> float:
        return sum(each.outcome.cpu_s for each in self.rounds)


@dataclass(slots=True, kw_only=True)
class Measured:
    """A cell's two rows, and the entries that its batches became."""

    kov: Row
    appender: Row
    entries: list[Entry] = field(default_factory=list)

    @property
    def ratio(self) -> float | None:
        """Records per second through kov by those of the appender alone."""
        if self.kov.failure or self.appender.failure:
            return None
        return self.kov.records_per_s / self.appender.records_per_s


async def measure(site: Site, cell: Cell, how: How, done: Callable[[], None]) -> Measured:
    """The two paths take turns, so that other work on the machine meets both. Failures are in the rows."""
    measured = Measured(
        kov=Row(store=site.store, path=KOV, cell=cell),
        appender=Row(store=site.store, path=APPENDER, cell=cell),
    )
    for number in range(how.rounds):
        turn = _Turn(site, measured, how, how.seed + number)
        await _attempt(measured.kov, turn.through_kov())
        done()
        await _attempt(measured.appender, turn.appender_alone())
        done()
    return measured


async def _attempt(row: Row, turn: Coroutine[None, None, None]) -> None:
    try:
        await turn
    except (LoadFailed, VarlogError) as error:
        row.failure = str(error)


@dataclass(frozen=True, slots=True)
class _Turn:
    site: Site
    measured: Measured
    how: How
    seed: int

    async def through_kov(self) -> None:
        row, site = self.measured.kov, self.site
        begin = LLSN(await site.last() + 1)
        load = KafkaLoad(
            seconds=self.how.seconds / self.how.rounds,
            rate=row.cell.rate,
            seed=self.seed,
            bootstrap=site.bootstrap,
            topic=TOPIC,
            record_bytes=row.cell.record_bytes,
            idempotent=not self.how.plain,
        )
        row.rounds.append(await _run(site, "bench.load_kafka", asdict(load)))
        if not self.measured.entries:
            self.measured.entries += await site.sample(begin)

    async def appender_alone(self) -> None:
        row, site = self.measured.appender, self.site
        if not self.measured.entries:
            raise LoadFailed("nothing was stored through kov that could be appended again")
        load = AppenderLoad(
            seconds=self.how.seconds / self.how.rounds,
            rate=row.cell.rate,
            seed=self.seed,
            metadata_repository=site.metadata_repository,
            topic_id=site.topic_id,
            log_stream_id=site.appended,
            entries=self.measured.entries,
        )
        row.rounds.append(await _run(site, "bench.load_appender", asdict(load)))


async def _run(site: Site, module: str, load: dict[str, object]) -> Round:
    """One load process, and the servers' CPU time while it ran."""
    await asyncio.to_thread(site.drop_page_cache)
    before = site.cpu()
    outcome = await run_load(module, load)
    return Round(outcome=outcome, cpu=site.cpu().since(before))


async def run_load(module: str, load: Mapping[str, object]) -> Outcome:
    """Runs a load process to its end. Raises `LoadFailed`."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, json.dumps(load)), cwd=ROOT, stdout=pipe, stderr=pipe
    )
    try:
        async with asyncio.timeout(_PATIENCE_S):
            said, complained = await process.communicate()
    except TimeoutError:
        raise LoadFailed(f"it did not end within {_PATIENCE_S:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        lines = complained.decode(errors="replace").strip().splitlines()
        raise LoadFailed(lines[-1] if lines else f"it ended with status {process.returncode}")
    return Outcome(**json.loads(said))
