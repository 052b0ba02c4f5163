"""The conditions of a run: cores, versions, and how long the disk itself takes."""

from __future__ import annotations

import os
import platform
import random
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import confluent_kafka

from bench.values import MIB, percentile

_PACKAGES = ("kov", "grpcio", "lmdb", "uvloop", "kio", "protobuf", "confluent-kafka")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sync:
    """Milliseconds for one write of `size` bytes behind the last one, and its fdatasync."""

    size: int
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    cores: int
    system: str
    python: str
    versions: dict[str, str]
    load_average: float
    directory: str
    file_system: str
    syncs: list[Sync]

    def lines(self) -> list[str]:
        packages = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        syncs = "; ".join(
            f"{each.size // 1024} KiB p50 {each.p50_ms:.2f} ms, p99 {each.p99_ms:.2f} ms"
            for each in self.syncs
        )
        return [
            f"{self.cores} cores, {self.system}, load average before the run {self.load_average:.1f}",
            f"Python {self.python}; {packages}",
            f"data in {self.directory} ({self.file_system}); write and fdatasync there: {syncs}",
        ]


def look(directory: Path) -> Machine:
    """Measures the disk for about a second."""
    versions = {name: version(name) for name in _PACKAGES}
    versions["librdkafka"] = str(confluent_kafka.libversion()[0])
    return Machine(
        cores=len(os.sched_getaffinity(0)),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        versions=versions,
        load_average=os.getloadavg()[0],
        directory=str(directory),
        file_system=_file_system(directory),
        syncs=[_sync(directory, 4096, 200), _sync(directory, MIB, 50)],
    )


def _sync(directory: Path, size: int, times: int) -> Sync:
    data = random.Random(size).randbytes(size)
    taken = []
    with tempfile.TemporaryFile(dir=directory) as file:
        for _ in range(times):
            began = time.perf_counter()
            file.write(data)
            file.flush()
            os.fdatasync(file.fileno())
            taken.append((time.perf_counter() - began) * 1000)
    return Sync(size=size, p50_ms=percentile(taken, 0.5), p99_ms=percentile(taken, 0.99))


def _file_system(directory: Path) -> str:
    """Of the mount point with the longest path above the directory."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    above = [(point, kind) for point, kind in mounts if directory.resolve().is_relative_to(point)]
    return max(above, key=lambda each: len(each[0]))[1] if above else "unknown"
