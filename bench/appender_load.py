"""Appends in a process of its own: `python -m bench.appender_load ADDRESS TOPIC LOG_STREAM`.

Reads one `Job` as JSON from each line of its input, and answers each with a line: figures, or a failure.
Ends with its input.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass

import uvloop

from bench.appender_cells import Figures, Way
from bench.appender_loops import Append, Callers, Pipelined
from bench.ticker import Ticker
from bench.values import MIB
from bench.windows import Arrivals, ClosedWindow, OpenWindow
from varlog_client import Log, LogStreamAppender, LogStreamId, TopicId, VarlogError

WARM_UP_SHARE = 0.25
_PATIENCE_S = 30.0
_DRAIN_S = 5.0
_ENOUGH_BYTES = 2 * MIB
_MAX_BATCHES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """`rate`: entries per second; None: as fast as it goes."""

    way: Way
    pipeline: int
    batch: int
    entry_bytes: int
    seconds: float
    rate: float | None
    seed: int = 1
    letters: bool = False
    """Lower-case letters, as Varlog's own benchmark program appends, instead of any bytes."""


class Loader:
    def __init__(self, log: Log, topic_id: TopicId, log_stream_id: LogStreamId) -> None:
        self._log = log
        self._ids = (topic_id, log_stream_id)

    async def measure(self, job: Job) -> Figures:
        """Raises `VarlogError` where an append failed, `TimeoutError` where one was not answered."""
        batches = _batches(job)
        async with asyncio.timeout(job.seconds + _PATIENCE_S):
            if job.rate is None:
                return await self._closed(job, batches)
            return await self._open(job, batches, job.rate)

    async def _closed(self, job: Job, batches: list[list[bytes]]) -> Figures:
        window = ClosedWindow(warm_up_s=job.seconds * WARM_UP_SHARE, seconds=job.seconds)
        if job.way is Way.APPENDER:
            async with self._appender(job.pipeline) as appender:
                await Pipelined(appender, batches).flat_out(window)
        else:
            await Callers(self._append(job.way), batches, job.pipeline).flat_out(window)
        return window.figures()

    async def _open(self, job: Job, batches: list[list[bytes]], rate: float) -> Figures:
        arrivals = Arrivals(rate, warm_up_s=job.seconds * WARM_UP_SHARE, seconds=job.seconds)
        window = OpenWindow(arrivals)
        with Ticker(arrivals.tick_s) as ticker:
            if job.way is Way.APPENDER:
                async with self._appender(job.pipeline) as appender:
                    await appender.append(batches[0][:1])  # opens the stream
                    pipelined = Pipelined(appender, batches)
                    await pipelined.by_timetable(window, ticker, patience_s=_DRAIN_S)
            else:
                append = self._append(job.way)
                await append(batches[0][:1])
                callers = Callers(append, batches, job.pipeline)
                await callers.by_timetable(window, ticker, patience_s=_DRAIN_S)
        return window.figures()

    def _append(self, way: Way) -> Append:
        return self._in_new_stream if way is Way.NEW_STREAM else self._in_shared_stream

    async def _in_shared_stream(self, payloads: list[bytes]) -> None:
        await self._log.append_to(*self._ids, payloads, retries=0)

    async def _in_new_stream(self, payloads: list[bytes]) -> None:
        async with self._appender(1) as appender:
            await appender.append(payloads)

    @asynccontextmanager
    async def _appender(self, pipeline: int) -> AsyncIterator[LogStreamAppender]:
        appender = self._log.appender(*self._ids, pipeline=pipeline)
        try:
            yield appender
        finally:
            await appender.close()


def _batches(job: Job) -> list[list[bytes]]:
    """Some that differ and can't be compressed, unless they are to be letters; more than a batch or two
    only where that isn't much memory."""
    chance = random.Random(job.seed)
    count = max(2, min(_MAX_BATCHES, _ENOUGH_BYTES // (job.batch * job.entry_bytes)))
    return [[_entry(chance, job) for _ in range(job.batch)] for _ in range(count)]


def _entry(chance: random.Random, job: Job) -> bytes:
    data = chance.randbytes(job.entry_bytes)
    return data.translate(_LETTERS) if job.letters else data


_LETTERS = bytes(ord("a") + number % 26 for number in range(256))


async def _open(address: str) -> Log:
    return await Log.open(1, [address])


def _answer(runner: asyncio.Runner, loader: Loader, line: str) -> dict[str, object]:
    values = json.loads(line)
    job = Job(**{**values, "way": Way(values["way"])})
    try:
        return asdict(runner.run(loader.measure(job)))
    except (VarlogError, TimeoutError) as error:
        return {"failure": f"{type(error).__name__}: {error}"}


def main() -> None:
    address, topic_id, log_stream_id = sys.argv[1:]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        log = runner.run(_open(address))
        loader = Loader(log, TopicId(int(topic_id)), LogStreamId(int(log_stream_id)))
        for line in sys.stdin:
            print(json.dumps(_answer(runner, loader, line)), flush=True)
        runner.run(log.close())


if __name__ == "__main__":
    main()
