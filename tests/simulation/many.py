"""Chunks of many schedules on all cores, and a file that remembers which are done."""

from __future__ import annotations

import json
import logging
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.simulation.loop import run
from tests.simulation.scenario import simulate


@dataclass
class Result:
    """Of the seeds from `first` on; what producers were told, by the name of the answer."""

    first: int
    failed: dict[int, str]
    told: Counter[str]
    epochs: int


@dataclass
class Progress:
    """Which chunks are done, kept in a file between two calls."""

    path: Path | None
    chunks: list[int] = field(default_factory=list)
    failed: dict[int, str] = field(default_factory=dict)
    told: Counter[str] = field(default_factory=Counter)
    epochs: int = 0

    @classmethod
    def load(cls, path: Path | None) -> Progress:
        if path is None or not path.exists():
            return cls(path)
        kept = json.loads(path.read_text())
        failed = {int(seed): text for seed, text in kept["failed"].items()}
        return cls(path, kept["chunks"], failed, Counter(kept["told"]), kept["epochs"])

    def add(self, result: Result) -> None:
        self.chunks.append(result.first)
        self.failed |= result.failed
        self.told += result.told
        self.epochs += result.epochs
        if self.path is not None:
            kept = {"chunks": self.chunks, "failed": self.failed, "told": self.told, "epochs": self.epochs}
            self.path.write_text(json.dumps(kept))


def innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def play(seeds: range) -> Result:
    """One chunk."""
    logging.disable(logging.CRITICAL)
    result = Result(seeds.start, {}, Counter(), 0)
    for seed in seeds:
        try:
            checker = run(seed, simulate(seed)).checker
        except Exception as error:
            result.failed[seed] = repr(innermost(error))
            continue
        result.told.update(checker.told)
        result.told["acknowledged"] += len(checker.acknowledged)
        result.epochs += checker.epochs
    return result


def results(chunks: list[range], jobs: int) -> Iterator[Result]:
    if jobs == 1:
        yield from map(play, chunks)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap_unordered(play, chunks)


def play_many(seeds: range, chunk: int, jobs: int, seconds: float, path: Path | None) -> int:
    progress = Progress.load(path)
    chunks = [seeds[at : at + chunk] for at in range(0, len(seeds), chunk)]
    due = [each for each in chunks if each.start not in progress.chunks]
    begun, played, printed = time.monotonic(), 0, 0.0
    for result in results(due, jobs):
        progress.add(result)
        played += chunk
        for seed, text in result.failed.items():
            print(f"seed {seed}: {text}", flush=True)
        passed = time.monotonic() - begun
        if passed > printed + 10 or passed > seconds or played >= len(due) * chunk:
            printed = passed
            print(
                f"{len(progress.chunks) * chunk} schedules, {len(progress.failed)} failed, "
                f"{played / passed:.0f} a second",
                flush=True,
            )
        if passed > seconds:
            break
    print(f"told: {dict(progress.told)}; the epoch was raised {progress.epochs} times")
    return 1 if progress.failed else 0
