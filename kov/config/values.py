"""The configuration as the rooms receive it: frozen, complete and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from kov.address import Address
from kov.topics import Topic
from varlog_client.types import ClusterId, LogStreamId, TopicId

DEFAULT_LISTEN: Final = Address("127.0.0.1", 9092)
DEFAULT_LISTENER_NAME: Final = "default"
DEFAULT_AUTO_PARTITIONS: Final = 4
DEFAULT_MAX_IDLE_MS: Final = 600_000
DEFAULT_SLOW_REQUEST_MS: Final = 1_000
NO_BOUND: Final = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """`advertise` is what clients are told to connect to; its port 0 stands for the one that was bound."""

    bind: Address
    advertise: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeConfig:
    node_id: int
    listeners: Mapping[str, Listener]
    rack: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VarlogConfig:
    cluster_id: ClusterId
    metadata_repositories: tuple[str, ...]
    admin: str | None = None
    unseal: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogConfig:
    topic_id: TopicId
    log_stream_id: LogStreamId


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoCreate:
    enabled: bool = False
    partitions: int = DEFAULT_AUTO_PARTITIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """Milliseconds (-1: for ever) and counts, over all listeners of a node."""

    max_idle_ms: int = DEFAULT_MAX_IDLE_MS
    max_connections: int = NO_BOUND
    max_connections_per_ip: int = NO_BOUND


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """`nodes` is empty where the file leaves them out: then there is one, and the command line says where.

    `varlog` is None for the embedded store, whose addresses are known only when it runs. `data` is the
    directory of an embedded store that another process of ours runs. `http`: where probes, Prometheus
    and people may look in, if anywhere. `slow_request_ms`: requests that take longer are said in the log; -1:
    none. `digest` is of the file's bytes.
    """

    source: str
    node_id: int = 1
    nodes: tuple[NodeConfig, ...] = ()
    varlog: VarlogConfig | None = None
    catalog: CatalogConfig | None = None
    topics: tuple[Topic, ...] = ()
    auto_create: AutoCreate = field(default_factory=AutoCreate)
    limits: ConnectionLimits = field(default_factory=ConnectionLimits)
    data: Path | None = None
    http: Address | None = None
    slow_request_ms: int = DEFAULT_SLOW_REQUEST_MS
    digest: bytes = field(default=b"", compare=False, repr=False)

    @property
    def node(self) -> NodeConfig:
        """This node; `nodes` must have been filled in."""
        return next(node for node in self.nodes if node.node_id == self.node_id)

    def with_one_node(self, listener: Listener) -> Config:
        return self.with_nodes([{DEFAULT_LISTENER_NAME: listener}])

    def with_nodes(self, listeners: Sequence[Mapping[str, Listener]]) -> Config:
        """A node for each, with ids from this one's on."""
        nodes = [
            NodeConfig(node_id=node_id, listeners=each)
            for node_id, each in enumerate(listeners, self.node_id)
        ]
        return replace(self, nodes=tuple(nodes))

    def with_store(self, varlog: VarlogConfig, catalog: CatalogConfig, data: Path) -> Config:
        return replace(self, varlog=varlog, catalog=catalog, data=data)


def embedded_config() -> Config:
    """What `kov serve` runs with when it is given no file."""
    return Config(source="the built-in configuration", auto_create=AutoCreate(enabled=True))
