"""The partitions of the status page: which ones, in which order, in which words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from heapq import nsmallest
from itertools import islice
from typing import Final, assert_never

from kov.broker import Broker
from kov.counting import PartitionCounts
from kov.observe.status.asking import PER_PAGE, Ask, pages_of
from kov.observe.status.views import PartitionsView, PartitionView
from kov.partition.partition import Partition
from kov.partition.states import State
from kov.partition.status import PartitionStatus
from kov.partition.table import PartitionTable
from kov.topics import Topic
from varlog_client.types import ClusterMetadata, LogStreamStatus

UNOPENED: Final = "not opened"
_LABELS: Final[Mapping[State, str]] = {
    State.IDLE: "idle",
    State.OPENING: "opening",
    State.ACTIVE: "written here",
    State.DEPOSED: "written elsewhere",
    State.FAILED: "can't be opened",
    State.CLOSED: "closed",
}
_KINDS: Final[Mapping[State, str]] = {
    State.IDLE: "quiet",
    State.OPENING: "waiting",
    State.ACTIVE: "well",
    State.DEPOSED: "waiting",
    State.FAILED: "bad",
    State.CLOSED: "quiet",
}
_ORDER: Final = (State.FAILED, State.OPENING, State.DEPOSED, State.ACTIVE, State.IDLE, State.CLOSED)
_STATES: Final[Mapping[str, Sequence[State]]] = {
    "all": _ORDER,
    "opened": _ORDER,
    "trouble": (State.FAILED, State.OPENING, State.DEPOSED),
    "unopened": (),
}
_SHOWS_UNOPENED: Final = frozenset({"all", "unopened"})


@dataclass(frozen=True, slots=True)
class Place:
    """A partition that there is; `partition` is None where nobody asked to write to it."""

    topic: Topic
    index: int
    partition: Partition | None


def partitions(broker: Broker, table: PartitionTable, metadata: ClusterMetadata, ask: Ask) -> PartitionsView:
    """Costs what is opened, the number of topics, and one page; not the number of partitions."""
    topics = broker.topics.all()
    found = [topic for topic in topics if ask.topic in topic.name.lower()]
    opened = _by_state(table.opened())
    total = sum(len(topic.log_streams) for topic in topics)
    count = sum(map(len, opened.values()))
    named = _named(opened, {topic.name for topic in found}) if ask.topic else opened
    wanted = [named[state] for state in _STATES[ask.show]]
    first = sum(map(len, wanted))
    rest = 0
    if ask.show in _SHOWS_UNOPENED:
        rest = max(0, sum(len(topic.log_streams) for topic in found) - sum(map(len, named.values())))
    matching = first + rest
    page = min(ask.page, pages_of(matching))
    begin = (page - 1) * PER_PAGE
    places = [Place(each.topic, each.index, each) for each in _cut(wanted, begin, begin + PER_PAGE)]
    if rest and len(places) < PER_PAGE:
        places += islice(_unopened(found, named, skip=max(0, begin - first)), PER_PAGE - len(places))
    states = {_LABELS[state]: len(opened[state]) for state in _ORDER} | {UNOPENED: max(0, total - count)}
    return PartitionsView(
        topics=len(topics),
        total=total,
        matching=matching,
        page=page,
        pages=pages_of(matching),
        states={label: number for label, number in states.items() if number},
        rows=tuple(_view(broker, table, metadata, each) for each in places),
    )


def _by_state(opened: Iterable[Partition]) -> dict[State, list[Partition]]:
    found: dict[State, list[Partition]] = {state: [] for state in State}
    for partition in opened:
        found[partition.state].append(partition)
    return found


def _named(
    opened: Mapping[State, Sequence[Partition]], names: Set[str]
) -> Mapping[State, Sequence[Partition]]:
    return {state: [each for each in group if each.topic.name in names] for state, group in opened.items()}


def _cut(groups: Iterable[Sequence[Partition]], begin: int, end: int) -> list[Partition]:
    """From `begin` to `end` of all, each group by name; sorts only what that needs."""
    found: list[Partition] = []
    for group in groups:
        if begin < len(group) and end > 0:
            few = end < len(group) // 8
            found += (nsmallest(end, group, key=_name) if few else sorted(group, key=_name))[begin:end]
        begin, end = max(0, begin - len(group)), end - len(group)
    return found


def _name(partition: Partition) -> tuple[str, int]:
    return partition.topic.name, partition.index


def _unopened(
    topics: Iterable[Topic], opened: Mapping[State, Iterable[Partition]], skip: int
) -> Iterator[Place]:
    """Those that nobody asked to write to, in order, without the first `skip`."""
    taken = {_name(each) for group in opened.values() for each in group}
    counts = Counter(name for name, _ in taken)
    for topic in topics:
        unopened = len(topic.log_streams) - counts[topic.name]
        if skip >= unopened:
            skip -= unopened
            continue
        for index in range(len(topic.log_streams)):
            if (topic.name, index) in taken:
                continue
            if skip:
                skip -= 1
            else:
                yield Place(topic, index, None)


def _view(broker: Broker, table: PartitionTable, metadata: ClusterMetadata, place: Place) -> PartitionView:
    topic, index = place.topic, place.index
    # What was only read is known too, with its offsets.
    known = place.partition or table.known(topic, index)
    status = known.status if known is not None else _NOTHING
    counts = known.counts if known is not None else PartitionCounts()
    opened = place.partition is not None
    other = known.leader if known is not None else None
    leader = other.node_id if other is not None else broker.leader_of(topic, index)
    stream = metadata.log_streams.get(topic.log_streams[index])
    primary = stream.replicas[0].storage_node_id if stream is not None and stream.replicas else None
    return PartitionView(
        name=f"{topic.name}/{index}",
        label=_LABELS[status.state] if opened else UNOPENED,
        detail=_detail(status, leader, broker.node_id) if opened else "",
        kind=_KINDS[status.state] if opened else "quiet",
        log_stream=topic.log_streams[index],
        varlog_topic=topic.topic_id,
        storage_node=status.storage_node if status.storage_node is not None else primary,
        stream_status="not in the cluster" if stream is None else _stream_words(stream.status),
        leader=leader,
        leader_address=next(iter(other.addresses.values()), "") if other is not None else "",
        here=leader == broker.node_id and other is None,
        epoch=status.epoch,
        start_offset=status.start_offset,
        end_offset=status.end_offset,
        records=counts.records,
        batches=counts.batches,
        bytes=counts.append_bytes,
        appends=counts.confirmed_appends,
        append_seconds=counts.confirmed_seconds,
        queued=status.queued_batches,
        in_flight=status.in_flight_appends,
        in_doubt=status.in_doubt_batches,
    )


_NOTHING: Final = PartitionStatus(
    state=State.IDLE,
    epoch=0,
    start_offset=-1,
    end_offset=-1,
    queued_batches=0,
    in_doubt_batches=0,
    in_flight_appends=0,
    held_bytes=0,
    storage_node=None,
    failure="",
    waits_for="",
)


def _detail(status: PartitionStatus, leader: int, node_id: int) -> str:
    match status.state:
        case State.OPENING:
            return f"producers wait: {status.waits_for or 'the log is being read'}"
        case State.DEPOSED:
            whose = "another process with this node's id" if leader == node_id else f"node {leader}"
            return f"{whose} writes it; this node takes over when that one falls silent and a producer asks"
        case State.FAILED:
            return f"producers are refused: {status.failure}"
        case State.IDLE:
            return "opens again when a producer asks"
        case State.ACTIVE | State.CLOSED:
            return ""
        case _:
            assert_never(status.state)


def _stream_words(status: LogStreamStatus) -> str:
    """ "" for the usual."""
    return "" if status is LogStreamStatus.RUNNING else status.name.lower()
