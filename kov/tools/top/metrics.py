"""What the HTTP endpoint of a node tells besides: latencies, queues, connections."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Final

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from kov.address import Address
from kov.errors import CannotStart

_PATIENCE_S: Final = 5.0

Labels = frozenset[tuple[str, str]]
Metrics = Mapping[str, Mapping[Labels, float]]
"""Values by name, then by labels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeView:
    """One node between two scrapes. Times in seconds, None where nothing happened; rates per second."""

    connections: int
    requests: float
    produce_p50: float | None
    produce_p99: float | None
    append_p99: float | None
    loop_lag_p99: float | None
    in_progress: int
    held_bytes: int
    resident_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A partition as its writer has it."""

    state: str
    queued: int
    in_flight: int
    in_doubt: int


def scrape(address: Address) -> Metrics:
    """Raises CannotStart."""
    connection = HTTPConnection(address.host, address.port, timeout=_PATIENCE_S)
    try:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        text = answer.read().decode()
        if answer.status != 200:
            raise CannotStart(
                f"http://{address}/metrics answers {answer.status}; is that kov's --http address?"
            )
        return parse(text)
    except (OSError, HTTPException, ValueError) as error:
        raise CannotStart(
            f"http://{address}/metrics can't be read ({error}); name kov's --http address"
        ) from None
    finally:
        connection.close()


def parse(text: str) -> Metrics:
    """Raises ValueError for what isn't Prometheus' text format."""
    found: dict[str, dict[Labels, float]] = defaultdict(dict)
    for sample in _samples(text):
        found[sample.name][frozenset(sample.labels.items())] = sample.value
    return found


def _samples(text: str) -> Iterable[Sample]:
    for family in text_string_to_metric_families(text):
        yield from family.samples


def node_view(before: Metrics, after: Metrics, seconds: float) -> NodeView:
    """What happened between two scrapes, so many seconds apart."""
    produce = buckets(before, after, "kov_kafka_request_duration_seconds", ("api", "Produce"))
    append = buckets(before, after, "kov_append_duration_seconds")
    lag = buckets(before, after, "kov_event_loop_lag_seconds")
    requests = _sum(after, "kov_kafka_requests_total") - _sum(before, "kov_kafka_requests_total")
    return NodeView(
        connections=int(_sum(after, "kov_connections")),
        requests=max(requests, 0.0) / seconds,
        produce_p50=quantile(produce, 0.5),
        produce_p99=quantile(produce, 0.99),
        append_p99=quantile(append, 0.99),
        loop_lag_p99=quantile(lag, 0.99),
        in_progress=int(_sum(after, "kov_kafka_requests_in_progress")),
        held_bytes=int(_sum(after, "kov_memory_held_bytes")),
        resident_bytes=int(_sum(after, "process_resident_memory_bytes")),
    )


def queues(metrics: Metrics) -> dict[tuple[str, int], Queue]:
    """By topic and partition: those that somebody writes or has written on this node."""
    states = {
        _place(labels): dict(labels)["state"]
        for labels, value in metrics.get("kov_partition_state", {}).items()
        if value
    }

    def counted(name: str) -> dict[tuple[str, int], int]:
        return {_place(labels): int(value) for labels, value in metrics.get(name, {}).items()}

    queued, in_flight, in_doubt = (
        counted(f"kov_partition_{name}")
        for name in ("queued_batches", "appends_in_flight", "in_doubt_batches")
    )
    return {
        place: Queue(
            state=state,
            queued=queued.get(place, 0),
            in_flight=in_flight.get(place, 0),
            in_doubt=in_doubt.get(place, 0),
        )
        for place, state in states.items()
    }


def buckets(
    before: Metrics, after: Metrics, name: str, only: tuple[str, str] | None = None
) -> dict[float, float]:
    """A histogram's upper bounds, and how many more observations than before lie at or below each."""
    grown: dict[float, float] = defaultdict(float)
    earlier = before.get(f"{name}_bucket", {})
    for labels, value in after.get(f"{name}_bucket", {}).items():
        if only is None or only in labels:
            grown[float(dict(labels)["le"])] += value - earlier.get(labels, 0.0)
    return grown


def quantile(bounds: Mapping[float, float], share: float) -> float | None:
    """As Prometheus' `histogram_quantile`: on a straight line within the bucket."""
    ordered = sorted(bounds.items())
    total = ordered[-1][1] if ordered else 0.0
    if total <= 0:
        return None
    wanted, below, lower = total * share, 0.0, 0.0
    for bound, count in ordered:
        if count >= wanted and count > below:
            if math.isinf(bound):
                return lower
            return lower + (bound - lower) * (wanted - below) / (count - below)
        below, lower = count, bound
    return lower


def _place(labels: Labels) -> tuple[str, int]:
    named = dict(labels)
    return named["topic"], int(named["partition"])


def _sum(metrics: Metrics, name: str) -> float:
    return sum(metrics.get(name, {}).values())
