"""What `make bench` measures: a base cell and each axis varied alone, for every system. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from bench.values import MIB

RECORD_BYTES = (100, 1024, 10 * 1024, 100 * 1024, 1_000_000)
PERF_TEST_BYTES = (100, 1024, 100 * 1024)
PARTITIONS = (1, 16, 256)
PRODUCERS = (1, 10, 100)
RATES = (100.0, 500.0, 5000.0)
CODECS = ("none", "lz4", "zstd")
ROUNDS = 3


class System(StrEnum):
    """In the order in which they are measured and shown."""

    KOV_LITE = "kov on varlog_lite"
    KAFKA_FSYNC = "Kafka, fsync"
    KAFKA = "Kafka"
    KOV_WORKERS = "kov --workers 2"
    KOV_VARLOG = "kov on Varlog"


class Way(StrEnum):
    """How a system is loaded; `APPENDER` goes past kov, on the same store."""

    PRODUCER = "confluent-kafka"
    PERF_TEST = "producer-perf-test"
    APPENDER = "appender alone"
    TAIL = "fetch at the tail"
    COLD = "fetch from cold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """As fast as it goes, or at `rate` records per second. `turn` tells the rounds apart."""

    system: System
    way: Way = Way.PRODUCER
    record_bytes: int = 1024
    partitions: int = 1
    codec: str = "none"
    acks: str = "all"
    producers: int = 1
    rate: float | None = None
    turn: int = 0

    def __str__(self) -> str:
        return f"{self.system}: {self.what}"

    @property
    def what(self) -> str:
        """Everything but the system."""
        parts = [size_name(self.record_bytes), self.way.value]
        parts += [f"{self.partitions} partitions"] if self.partitions > 1 else []
        parts += [self.codec] if self.codec != "none" else []
        parts += [f"acks={self.acks}"] if self.acks != "all" else []
        parts += [f"{self.producers} producers"] if self.producers > 1 else []
        parts += [f"{self.rate:,g}/s"] if self.rate else []
        return ", ".join(parts)

    def at_turn(self, turn: int) -> Cell:
        return replace(self, turn=turn)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """`server` is kov or Kafka, `store` what is behind kov. `requests` is 0 where the load can't count them.

    CPU seconds are those spent during the load, memory what is held at its end.
    """

    records: int
    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    p999_ms: float
    server_cpu_s: float
    store_cpu_s: float
    load_cpu_s: float
    server_mib: float
    store_mib: float

    @property
    def records_per_s(self) -> float:
        return self.records / self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One number about a system that is no cell; `name` says its unit."""

    system: System
    name: str
    turn: int = 0


def mib_per_s(cell: Cell, figures: Figures) -> float:
    return figures.records_per_s * cell.record_bytes / MIB


def size_name(size: int) -> str:
    if size == 1_000_000:
        return "1 MB"
    return f"{size} B" if size < 1024 else f"{size // 1024} KiB"


def axes(system: System) -> dict[str, list[Cell]]:
    """What is varied, each time from one record of 1 KiB, one partition, no codec, acks=all, one producer."""
    base = Cell(system=system)
    found = {
        "record size": [replace(base, record_bytes=size) for size in RECORD_BYTES],
        "partitions": [replace(base, partitions=count) for count in PARTITIONS],
        "codec": [replace(base, codec=codec) for codec in CODECS],
        "acks": [base, replace(base, acks="1")],
        "producers": [replace(base, producers=count) for count in PRODUCERS],
        "latency": [replace(base, rate=rate) for rate in RATES],
        "Java producer": [replace(base, way=Way.PERF_TEST, record_bytes=size) for size in PERF_TEST_BYTES],
        "fetch": [replace(base, way=Way.TAIL, rate=500.0), replace(base, way=Way.COLD)],
    }
    return {name: [each for each in cells if _can(each)] for name, cells in found.items()}


def _can(cell: Cell) -> bool:
    """A log stream of a real cluster takes a second to make. Two nodes share partitions, not one of them."""
    if cell.system is System.KOV_VARLOG:
        return cell.partitions <= 16
    if cell.system is System.KOV_WORKERS:
        return cell.way is Way.PRODUCER and cell.rate is None and (cell.partitions > 1 or cell.producers > 1)
    return True


def appended(system: System) -> list[Cell]:
    """What the appender alone does with the batches that were stored through kov."""
    if system not in {System.KOV_LITE, System.KOV_VARLOG}:
        return []
    base = Cell(system=system, way=Way.APPENDER)
    return [*(replace(base, record_bytes=size) for size in RECORD_BYTES), replace(base, rate=500.0)]


def plan(systems: Sequence[System], *, rounds: int, quick: bool) -> list[Cell]:
    """In the order in which it is measured: all systems in each round, and no cell twice in one."""
    found: dict[Cell, None] = {}
    for turn in range(rounds):
        for system in systems:
            found |= dict.fromkeys(each.at_turn(turn) for each in _cells(system, quick=quick))
    return list(found)


def _cells(system: System, *, quick: bool) -> Iterator[Cell]:
    everything = [each for cells in axes(system).values() for each in cells]
    alone = appended(system)
    for cell in everything:
        if quick and not _quick(cell):
            continue
        yield cell
        yield from (each for each in alone if replace(each, way=Way.PRODUCER) == cell)


def _quick(cell: Cell) -> bool:
    if cell.way is not Way.PRODUCER or cell.system is System.KOV_WORKERS:
        return cell.way is Way.COLD
    return (
        cell.record_bytes in {100, 1024, 100 * 1024}
        and (cell.partitions, cell.codec, cell.acks) == (1, "none", "all")
        and cell.producers in {1, 10}
        and cell.rate in {None, 500.0}
    )
