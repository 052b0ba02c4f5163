"""What the status page says, as values: plain enough for JSON, complete enough for a page without scripts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kov.observe.status.troubles import Trouble


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerView:
    name: str
    bind: str
    advertise: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeView:
    """`started`: seconds since 1970. `nodes`: the others' ids and addresses."""

    node_id: int
    kafka_cluster_id: str
    version: str
    started: float
    uptime_s: float
    source: str
    listeners: tuple[ListenerView, ...]
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageView:
    """The Varlog cluster as the newest metadata shows it; `nodes`: storage nodes' addresses by id."""

    cluster_id: int | None
    embedded: bool
    metadata_repositories: tuple[str, ...]
    nodes: Mapping[int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionView:
    """`label`: its state in a few words, `detail`: why, where there is something to say. `kind`: `well`,
    `waiting`, `bad` or `quiet`. Offsets are -1 while nobody has looked; what follows them counts from kov's
    start.
    """

    name: str
    label: str
    detail: str
    kind: str
    log_stream: int
    varlog_topic: int
    storage_node: int | None
    stream_status: str
    leader: int
    leader_address: str
    here: bool
    epoch: int
    start_offset: int
    end_offset: int
    records: int
    batches: int
    bytes: int
    appends: int
    append_seconds: float
    queued: int
    in_flight: int
    in_doubt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionsView:
    """`rows`: one page of the `matching` ones, opened ones first. `states`: how many there are, by label."""

    topics: int
    total: int
    matching: int
    page: int
    pages: int
    states: Mapping[str, int]
    rows: tuple[PartitionView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientRow:
    """`since`: seconds since 1970; `number` is the connection's."""

    number: int
    client_id: str
    library: str
    remote: str
    listener: str
    since: float
    requests: int
    in_progress: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientsView:
    total: int
    matching: int
    page: int
    pages: int
    rows: tuple[ClientRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyView:
    """A histogram: how many lay at or below each of `bounds` (in seconds) and above the one before."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiView:
    """Since kov's start; `errors`: by Kafka's name for each code within an answer, which may have several."""

    name: str
    requests: int
    errors: Mapping[str, int]
    bytes_in: int
    bytes_out: int
    latency: LatencyView


@dataclass(frozen=True, slots=True, kw_only=True)
class WritingView:
    """All partitions together, since kov's start."""

    records: int
    batches: int
    bytes: int
    latency: LatencyView


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """`clock_s`: for differences between two of these. `headline`: what the node does now."""

    clock_s: float
    headline: str
    well: bool
    node: NodeView
    storage: StorageView
    writing: WritingView
    partitions: PartitionsView
    clients: ClientsView
    apis: tuple[ApiView, ...]
    troubles: tuple[Trouble, ...]
