"""A LogStreamAppender in a process of its own: `python -m bench.load_appender '{…AppenderLoad…}'`.

Pipeline 2, one entry per append, the entries' sizes taken in turn from those that were stored through kov.
Prints an `Outcome` as JSON, in which an entry counts as the records that such a batch holds.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict
from itertools import cycle

import uvloop

from bench.values import AppenderLoad, Entry, Outcome
from varlog_client import AppendError, EntryMeta, Log, LogStreamAppender, LogStreamId, TopicId

_PIPELINE = 2
_PATIENCE_S = 60.0


class AppenderLoader:
    def __init__(self, load: AppenderLoad, appender: LogStreamAppender) -> None:
        self._load = load
        self._appender = appender
        self._entries = cycle(load.entries)
        self._bytes = memoryview(random.Random(load.seed).randbytes(max(e.size for e in load.entries)))
        self._waiting: deque[tuple[float, Entry]] = deque()  # since when
        self._sent: deque[tuple[float, Entry]] = deque()
        self._latencies_ms: list[float] = []
        self._records = 0
        self._requests = 0
        self._until = float("inf")
        self._failure: AppendError | None = None
        self._idle = asyncio.Event()

    async def run(self) -> Outcome:
        """The stream is opened by one append first, which isn't measured."""
        self._append(time.monotonic(), next(self._entries))
        await self._finish()
        self._records = self._requests = 0
        self._latencies_ms.clear()
        cpu, began = time.process_time(), time.monotonic()
        await (self._at_rate(self._load.rate) if self._load.rate else self._flat_out(began))
        await self._finish()
        return Outcome(
            records=self._records,
            requests=self._requests,
            seconds=time.monotonic() - began,
            cpu_s=time.process_time() - cpu,
            latencies_ms=self._latencies_ms,
        )

    async def _flat_out(self, began: float) -> None:
        """Every answer is followed by the next append, from its callback."""
        self._until = began + self._load.seconds
        for _ in range(_PIPELINE):
            self._append(time.monotonic(), next(self._entries))

    async def _at_rate(self, rate: float) -> None:
        """Keeps to its timetable; what finds no free slot waits, and that counts."""
        self._until = 0.0
        due = time.monotonic()
        end = due + self._load.seconds
        while due < end:
            await asyncio.sleep(due - time.monotonic())
            entry = next(self._entries)
            self._waiting.append((time.monotonic(), entry))
            self._send_waiting()
            due += entry.records / rate

    def _send_waiting(self) -> None:
        while self._waiting and self._appender.free_slots:
            self._append(*self._waiting.popleft())

    def _append(self, since: float, entry: Entry) -> None:
        self._idle.clear()
        self._sent.append((since, entry))
        self._appender.append_batch_nowait([self._bytes[: entry.size]], self._answered)

    def _answered(self, metas: Sequence[EntryMeta] | None, error: AppendError | None) -> None:
        since, entry = self._sent.popleft()
        if metas is None:
            self._failure = self._failure or error
        else:
            now = time.monotonic()
            self._latencies_ms.append((now - since) * 1000)
            self._records += entry.records
            self._requests += 1
            if now < self._until != float("inf"):
                self._append(now, next(self._entries))
            self._send_waiting()
        if not self._sent and not self._waiting:
            self._idle.set()

    async def _finish(self) -> None:
        async with asyncio.timeout(self._load.seconds + _PATIENCE_S):
            await self._idle.wait()
        if self._failure is not None:
            raise SystemExit(f"an append failed: {self._failure}")


async def _run(load: AppenderLoad) -> Outcome:
    async with await Log.open(1, [load.metadata_repository]) as log:
        appender = log.appender(TopicId(load.topic_id), LogStreamId(load.log_stream_id), pipeline=_PIPELINE)
        return await AppenderLoader(load, appender).run()


def main() -> None:
    values = json.loads(sys.argv[1])
    load = AppenderLoad(**{**values, "entries": [Entry(**each) for each in values["entries"]]})
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(asdict(runner.run(_run(load)))))


if __name__ == "__main__":
    main()
