"""Kafka's own `producer-perf-test`, run unchanged, and what it says."""

from __future__ import annotations

import asyncio
import os
import re
from asyncio.subprocess import PIPE, STDOUT
from dataclasses import dataclass
from pathlib import Path

from bench.values import Outcome

_MAIN = "org.apache.kafka.tools.ProducerPerformance"
_SAID = re.compile(
    r"(?P<records>\d+) records sent, (?P<rate>[\d.]+) records/sec.* ms avg latency.* "
    r"(?P<p50>\d+) ms 50th, (?P<p95>\d+) ms 95th, (?P<p99>\d+) ms 99th, (?P<p999>\d+) ms 99.9th"
)
_MOST_PER_S = {100: 250_000, 1024: 40_000, 10 * 1024: 6_000, 100 * 1024: 600, 1_000_000: 60}
"""It can't be told for how long to send, but how much."""


class PerfTestFailed(Exception):
    """The text is what it said last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PerfTest:
    """As its defaults are: idempotent, acks=all, linger.ms 5, batches of 16 KiB."""

    class_path: str
    bootstrap: str
    topic: str
    record_bytes: int
    seconds: float

    async def run(self, patience_s: float) -> Outcome:
        """CPU time is that of the whole program, its start and its compiler included. Cancelling ends it.

        Raises PerfTestFailed.
        """
        count = max(1000, round(_MOST_PER_S[self.record_bytes] * self.seconds))
        command = (
            *("java", "-Xmx512m", "-cp", self.class_path, _MAIN),
            *("--bootstrap-server", self.bootstrap, "--topic", self.topic, "--throughput", "-1"),
            *("--num-records", str(count), "--record-size", str(self.record_bytes)),
        )
        before = _children_s()
        process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=STDOUT)
        try:
            async with asyncio.timeout(patience_s):
                said, _ = await process.communicate()
        except TimeoutError:
            raise PerfTestFailed(f"it did not end within {patience_s:g} s") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return outcome(said.decode(errors="replace"), _children_s() - before)


def _children_s() -> float:
    """CPU seconds of those that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def outcome(said: str, cpu_s: float) -> Outcome:
    """Its last report is that of all records. Raises PerfTestFailed where there is none."""
    found = None
    for found in _SAID.finditer(said):  # noqa: B007 - the last one
        pass
    if found is None:
        lines = said.strip().splitlines()
        raise PerfTestFailed(lines[-1] if lines else "it said nothing")
    records = int(found["records"])
    return Outcome(
        records=records,
        requests=0,
        seconds=records / float(found["rate"]),
        cpu_s=cpu_s,
        latencies_ms=[],
        percentiles_ms={
            "0.5": float(found["p50"]),
            "0.99": float(found["p99"]),
            "0.999": float(found["p999"]),
        },
    )


def class_path() -> Path:
    """Of Kafka's tools; Maven fetches what isn't there. Raises MissingPrograms."""
    from tests.interop.building import TOOLS  # noqa: PLC0415 - only where there is Java

    return TOOLS.directory()
