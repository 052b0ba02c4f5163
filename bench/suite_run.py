"""Goes through the plan of `make bench`: measures what is not in the results yet, system by system."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from subprocess import SubprocessError

import psutil
from rich.progress import Progress

from bench.cells import LoadFailed, run_load
from bench.growth import idle_share
from bench.load_perf_test import PerfTest, PerfTestFailed, class_path
from bench.suite_cells import Cell, Fact, Figures, System, Way
from bench.suite_results import Results
from bench.systems import READ_TOPIC, Stand, running, topic_of
from bench.values import MIB, AppenderLoad, Entry, FetchLoad, KafkaLoad
from varlog_client import LLSN, VarlogError

_NOT_STARTED = (AssertionError, RuntimeError, OSError, TimeoutError, SubprocessError)
"""What the systems' own starters raise."""

_PATIENCE_S = 90.0
_WARM_UP_S = 1.0
_SETTLED_S = 1.0
_IDLE_S = 3.0
_FILL_SECONDS = 1.0
_OVER_BYTES = 100 * 1024


@dataclass(slots=True, kw_only=True)
class Spent:
    """What a run came to. `left`: cells that the budget did not buy."""

    measured: int = 0
    there: int = 0
    left: int = 0
    failures: list[str] = field(default_factory=list)


class Run:
    """`until` is on the clock of `time.monotonic`; no cell is begun past it."""

    def __init__(
        self, results: Results, directory: Path, *, seconds: float, until: float, progress: Progress
    ) -> None:
        self._results = results
        self._directory = directory
        self._seconds = seconds
        self._until = until
        self._progress = progress
        self._task = progress.add_task("")
        self.spent = Spent()

    async def through(self, cells: Sequence[Cell]) -> None:
        """A cell that fails is named in `spent` and not kept, so the next run tries it again."""
        missing = [cell for cell in cells if cell not in self._results.cells]
        self.spent.there += len(cells) - len(missing)
        self._progress.reset(self._task, total=len(missing))
        for turn in sorted({cell.turn for cell in missing}):
            for system in dict.fromkeys(cell.system for cell in missing):
                wanted = [cell for cell in missing if (cell.turn, cell.system) == (turn, system)]
                if wanted:
                    await self._system(system, turn, wanted)
        self._progress.update(self._task, description="done")

    async def _system(self, system: System, turn: int, cells: Sequence[Cell]) -> None:
        if time.monotonic() >= self._until:
            self.spent.left += len(cells)
            return
        self._progress.update(self._task, description=f"starting {system}")
        async with AsyncExitStack() as stack:
            try:
                stand = await stack.enter_async_context(running(system, self._directory))
            except _NOT_STARTED as error:
                self.spent.failures.append(f"{system} did not start: {error!r}")
                return
            fresh = _resident_mib(stand.server), _resident_mib(stand.store)
            loads = Loads(stand, seconds=self._seconds, seed=turn + 1)
            await loads.warm_up()
            await self._facts(stand, turn, fresh)
            for cell in cells:
                if time.monotonic() >= self._until:
                    self.spent.left += 1
                    continue
                self._progress.update(self._task, description=str(cell))
                await self._cell(cell, loads)
                self._progress.advance(self._task)

    async def _facts(self, stand: Stand, turn: int, fresh_mib: tuple[float, float]) -> None:
        """`fresh_mib`: of server and store, before anybody wrote. Idle they are when all have written."""
        if self._results.has_fact(Fact(system=stand.system, name="start_s", turn=turn)):
            return
        await asyncio.sleep(_SETTLED_S)
        server, store = await asyncio.gather(
            asyncio.to_thread(idle_share, stand.server, _IDLE_S),
            asyncio.to_thread(idle_share, stand.store, _IDLE_S),
        )
        found: Mapping[str, float] = {
            "start_s": stand.start_s,
            "server_idle_share": server,
            "store_idle_share": store,
            "server_fresh_mib": fresh_mib[0],
            "store_fresh_mib": fresh_mib[1],
        }
        for name, value in found.items():
            self._results.add_fact(Fact(system=stand.system, name=name, turn=turn), value)

    async def _cell(self, cell: Cell, loads: Loads) -> None:
        try:
            figures = await loads.measure(cell)
        except (LoadFailed, PerfTestFailed, VarlogError, psutil.Error) as failure:
            self.spent.failures.append(f"{cell}: {failure}")
            return
        self._results.add(cell, figures)
        self.spent.measured += 1


class Loads:
    """The load processes of one stand, one at a time."""

    def __init__(self, stand: Stand, *, seconds: float, seed: int) -> None:
        self._stand = stand
        self._seconds = seconds
        self._seed = seed
        self._filled = False

    async def warm_up(self) -> None:
        """Not measured: virtual machines compile, and memory of recent batches fills up."""
        load = self._producers(Cell(system=self._stand.system), seconds=_WARM_UP_S)
        await run_load("bench.load_kafka", asdict(load))

    async def measure(self, cell: Cell) -> Figures:
        """Raises LoadFailed, PerfTestFailed, VarlogError, or psutil.Error where a server has ended."""
        begin = await self._sampling(cell)
        prepared = await self._prepared(cell, begin)
        await asyncio.to_thread(self._stand.drop_page_cache)
        before = self._stand.cpu()
        if isinstance(prepared, PerfTest):
            outcome = await prepared.run(_PATIENCE_S)
        else:
            outcome = await run_load(prepared[0], asdict(prepared[1]))
        used = self._stand.cpu().since(before)
        return Figures(
            records=outcome.records,
            requests=outcome.requests,
            seconds=outcome.seconds,
            p50_ms=outcome.latency_ms(0.5),
            p99_ms=outcome.latency_ms(0.99),
            p999_ms=outcome.latency_ms(0.999),
            server_cpu_s=max(0.0, used.kov),
            store_cpu_s=max(0.0, used.store),
            load_cpu_s=outcome.cpu_s,
            server_mib=_resident_mib(self._stand.server),
            store_mib=_resident_mib(self._stand.store),
        )

    async def _sampling(self, cell: Cell) -> LLSN | None:
        """The appender alone is to store what kov stores: a short load says what that is."""
        site = self._stand.site
        if cell.way is not Way.APPENDER or site is None:
            return None
        begin = LLSN(await site.last() + 1)
        like = Cell(system=cell.system, record_bytes=cell.record_bytes, rate=cell.rate)
        await run_load("bench.load_kafka", asdict(self._producers(like, seconds=self._seconds / 2)))
        return begin

    async def _prepared(
        self, cell: Cell, begin: LLSN | None
    ) -> tuple[str, KafkaLoad | AppenderLoad] | PerfTest:
        if begin is not None:
            assert self._stand.site is not None
            return "bench.load_appender", self._appender(cell, await self._stand.site.sample(begin))
        if cell.way is Way.PERF_TEST:
            return PerfTest(
                class_path=f"{await asyncio.to_thread(class_path)}/target/lib/*",
                bootstrap=self._stand.bootstrap,
                topic=topic_of(1),
                record_bytes=cell.record_bytes,
                seconds=self._seconds,
            )
        if cell.way in {Way.TAIL, Way.COLD}:
            return "bench.load_fetch", await self._fetch(cell)
        return "bench.load_kafka", self._producers(cell, seconds=self._seconds)

    def _producers(self, cell: Cell, *, seconds: float) -> KafkaLoad:
        return KafkaLoad(
            seconds=seconds,
            rate=cell.rate,
            seed=self._seed,
            bootstrap=self._stand.bootstrap,
            topic=topic_of(cell.partitions),
            record_bytes=cell.record_bytes,
            idempotent=True,
            partitions=cell.partitions,
            producers=cell.producers,
            codec=cell.codec,
            acks=cell.acks,
        )

    def _appender(self, cell: Cell, entries: list[Entry]) -> AppenderLoad:
        site = self._stand.site
        assert site is not None
        return AppenderLoad(
            seconds=self._seconds,
            rate=cell.rate,
            seed=self._seed,
            metadata_repository=site.metadata_repository,
            topic_id=site.topic_id,
            log_stream_id=site.appended,
            entries=entries,
        )

    async def _fetch(self, cell: Cell) -> FetchLoad:
        """What is read from cold is written before, once, and then what drives it out of kov's memory."""
        load = FetchLoad(
            seconds=self._seconds,
            rate=cell.rate,
            seed=self._seed,
            bootstrap=self._stand.bootstrap,
            topic=READ_TOPIC if cell.way is Way.COLD else topic_of(1),
            record_bytes=cell.record_bytes,
            cold=cell.way is Way.COLD,
        )
        if cell.way is Way.COLD and not self._filled:
            fill = self._producers(cell, seconds=_FILL_SECONDS)
            await run_load("bench.load_kafka", asdict(replace(fill, topic=READ_TOPIC)))
            over = self._producers(replace(cell, record_bytes=_OVER_BYTES), seconds=2 * _FILL_SECONDS)
            await run_load("bench.load_kafka", asdict(over))
            self._filled = True
        return load


def _resident_mib(processes: Sequence[psutil.Process]) -> float:
    return sum(each.memory_info().rss for each in processes) / MIB
