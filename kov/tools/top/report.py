"""What is shown of two looks, to people and to programs. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Final

from kov.tools.tables import Columns, counted, size
from kov.tools.top.kafka import Look, Place
from kov.tools.top.metrics import NodeView, Queue

_UNKNOWN: Final = "-"

PARTITIONS: Final = Columns(
    names=("partition", "leader", "end", "records/s"), right=frozenset(("leader", "end", "records/s"))
)
QUEUES: Final = Columns(
    names=(*PARTITIONS.names, "state", "queued", "sent", "doubt"),
    right=frozenset((*PARTITIONS.right, "queued", "sent", "doubt")),
    styles={"active": "green", "opening": "yellow", "deposed": "yellow", "failed": "red"},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Two looks, and what the HTTP endpoints tell, by their addresses; `unread` says which don't."""

    before: Look
    after: Look
    nodes: Mapping[str, NodeView] = field(default_factory=dict)
    queues: Mapping[Place, Queue] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)

    def rate(self, place: Place) -> float | None:
        """Records a second; None where one of the looks doesn't know."""
        seconds = self.after.at - self.before.at
        if place not in self.before.ends or place not in self.after.ends or seconds <= 0:
            return None
        return max(0.0, (self.after.ends[place] - self.before.ends[place]) / seconds)

    @property
    def places(self) -> list[Place]:
        """The busiest first, and those that nothing is known of before all."""
        return sorted(
            self.after.leaders,
            key=lambda place: (place not in self.after.problems, -(self.rate(place) or 0.0), place),
        )

    @property
    def total(self) -> float:
        return sum(self.rate(place) or 0.0 for place in self.after.leaders)


def headline(view: View) -> str:
    topics = {topic for topic, _ in view.after.leaders}
    return (
        f"{counted(len(view.after.nodes), 'node')}, {counted(len(topics), 'topic')}, "
        f"{counted(len(view.after.leaders), 'partition')}: {view.total:,.0f} records/s; "
        f"answers in {view.after.took * 1000:.1f} ms"
    )


def partition_row(view: View, place: Place) -> list[str]:
    topic, index = place
    rate, end = view.rate(place), view.after.ends.get(place)
    row = [
        f"{topic}/{index}",
        str(view.after.leaders[place]),
        view.after.problems.get(place, _UNKNOWN) if end is None else f"{end:,}",
        _UNKNOWN if rate is None else f"{rate:,.0f}",
    ]
    if not view.nodes:
        return row
    queue = view.queues.get(place)
    if queue is None:
        return [*row, "not opened", "", "", ""]
    counts = (queue.queued, queue.in_flight, queue.in_doubt)
    return [*row, queue.state, *(f"{each:,}" if each else "" for each in counts)]


def node_lines(address: str, node: NodeView) -> tuple[str, str]:
    """Narrow enough for a terminal of 80 columns."""
    return (
        f"{address}  {counted(node.connections, 'connection')}, {node.requests:,.0f} requests/s, "
        f"{node.in_progress:,} in progress; memory {size(node.resident_bytes)}",
        f"  produce p50 {_ms(node.produce_p50)}, p99 {_ms(node.produce_p99)}; "
        f"append p99 {_ms(node.append_p99)}; loop lag p99 {_ms(node.loop_lag_p99)}",
    )


def facts(view: View) -> dict[str, object]:
    """For programs: one object for each interval; times in seconds."""
    return {
        "nodes": [{"id": number, "address": address} for number, address in view.after.nodes.items()],
        "records_per_s": round(view.total, 1),
        "answer_s": round(view.after.took, 6),
        "partitions": [_partition(view, place) for place in sorted(view.after.leaders)],
        "http": {
            **{address: asdict(node) for address, node in view.nodes.items()},
            **{address: {"problem": problem} for address, problem in view.unread.items()},
        },
    }


def _partition(view: View, place: Place) -> dict[str, object]:
    topic, index = place
    rate, queue = view.rate(place), view.queues.get(place)
    told: dict[str, object] = {
        "topic": topic,
        "partition": index,
        "leader": view.after.leaders[place],
        "end_offset": view.after.ends.get(place),
        "records_per_s": None if rate is None else round(rate, 1),
    }
    if place in view.after.problems:
        told["problem"] = view.after.problems[place]
    return told | (asdict(queue) if queue is not None else {})


def _ms(seconds: float | None) -> str:
    return _UNKNOWN if seconds is None else f"{seconds * 1000:,.1f} ms"
