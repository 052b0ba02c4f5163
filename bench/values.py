"""What travels between the program that measures and the processes that make the load. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A stored batch's size, and how many records it holds."""

    size: int
    records: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What one load process is to do. `rate`: records or entries per second; None: as fast as it goes."""

    seconds: float
    rate: float | None
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaLoad(Load):
    bootstrap: str
    topic: str
    record_bytes: int
    idempotent: bool = True
    partitions: int = 1
    producers: int = 1
    codec: str = "none"
    acks: str = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLoad(KafkaLoad):
    """With a rate: from produce() to poll(), for each record. Without: as fast as what is there can be read,
    which the load has written before."""

    cold: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AppenderLoad(Load):
    metadata_repository: str
    topic_id: int
    log_stream_id: int
    entries: list[Entry]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Of one load: `requests` are Produce requests or appends, `cpu_s` is the load process's own."""

    records: int
    requests: int
    seconds: float
    cpu_s: float
    latencies_ms: list[float]
    percentiles_ms: dict[str, float] | None = None
    """By share, from a load that tells no single latencies."""

    def latency_ms(self, share: float) -> float:
        if self.percentiles_ms is not None:
            return self.percentiles_ms[str(share)]
        return percentile(self.latencies_ms, share)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all values don't exceed; nan without any."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
