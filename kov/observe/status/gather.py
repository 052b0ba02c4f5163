"""From a node's rooms to what the status page says of them, at the moment somebody asks."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Final

from kio.schema.errors import ErrorCode

from kov.address import Address
from kov.broker import Broker
from kov.counting import Histogram
from kov.handlers import APIS
from kov.observe.node import ObservedNode
from kov.observe.status.asking import Ask, cut, pages_of
from kov.observe.status.partitions import partitions
from kov.observe.status.troubles import Troubles
from kov.observe.status.views import (
    ApiView,
    ClientRow,
    ClientsView,
    LatencyView,
    ListenerView,
    NodeView,
    PartitionsView,
    Status,
    StorageView,
    WritingView,
)
from kov.peers import ClientView
from varlog_client.types import ClusterMetadata

_NONE_YET: Final = PartitionsView(topics=0, total=0, matching=0, page=1, pages=1, states={}, rows=())


class Observer:
    """Counts uptime from when it is made."""

    def __init__(self, node: ObservedNode, troubles: Troubles) -> None:
        self._node = node
        self._troubles = troubles
        self._version = version("kov")
        self._started, self._clock_started = time.time(), time.monotonic()

    def status(self, ask: Ask) -> Status:
        """Reads counters and asks nobody, so it is quick and can't fail for want of storage."""
        headline, well = self._headline()
        return Status(
            clock_s=time.monotonic(),
            headline=headline,
            well=well,
            node=self._node_view(),
            storage=self._storage(),
            writing=self._writing(),
            partitions=self._partitions(ask),
            clients=self._clients(ask),
            apis=self._apis(),
            troubles=tuple(self._troubles.newest()),
        )

    def _headline(self) -> tuple[str, bool]:
        node = self._node
        if node.stopping:
            return "kov is shutting down", False
        if node.log is None:
            return "kov is starting: the Varlog cluster has not been reached yet", False
        if node.broker is None:
            return "kov is starting: the topics have not been read yet", False
        if not node.listening:
            return "kov is starting: the listeners for clients are not open yet", False
        return "kov serves", True

    def _node_view(self) -> NodeView:
        config, broker = self._node.config, self._node.broker
        listeners = config.node.listeners
        own, others = _addresses(broker, listeners) if broker is not None else ({}, [])
        return NodeView(
            node_id=config.node_id,
            kafka_cluster_id=broker.cluster_id if broker is not None else "",
            version=self._version,
            started=self._started,
            uptime_s=time.monotonic() - self._clock_started,
            source=config.source,
            listeners=tuple(
                ListenerView(name=name, bind=str(each.bind), advertise=own.get(name, str(each.advertise)))
                for name, each in listeners.items()
            ),
            others=tuple(others),
        )

    def _storage(self) -> StorageView:
        varlog, log = self._node.config.varlog, self._node.log
        metadata = log.metadata if log is not None else ClusterMetadata(version=0)
        return StorageView(
            cluster_id=varlog.cluster_id if varlog is not None else None,
            embedded=varlog is None,
            metadata_repositories=varlog.metadata_repositories if varlog is not None else (),
            nodes={int(each): node.address for each, node in metadata.storage_nodes.items()},
        )

    def _writing(self) -> WritingView:
        table = self._node.partitions
        if table is None:
            return WritingView(records=0, batches=0, bytes=0, latency=LatencyView(bounds=(), counts=()))
        totals = table.totals
        return WritingView(
            records=totals.records,
            batches=totals.batch_bytes.count,
            bytes=int(totals.batch_bytes.total),
            latency=_latency(totals.append_seconds),
        )

    def _partitions(self, ask: Ask) -> PartitionsView:
        broker, table, log = self._node.broker, self._node.partitions, self._node.log
        if broker is None or table is None or log is None:
            return _NONE_YET
        return partitions(broker, table, log.metadata, ask)

    def _clients(self, ask: Ask) -> ClientsView:
        connected = list(self._node.peers.clients())
        found = [each for each in connected if ask.client in _all_of(each)] if ask.client else connected
        found.sort(key=lambda each: (each.client_id or "", each.number))
        page, rows = cut(found, ask.client_page)
        return ClientsView(
            total=len(connected),
            matching=len(found),
            page=page,
            pages=pages_of(len(found)),
            rows=tuple(_row(each) for each in rows),
        )

    def _apis(self) -> tuple[ApiView, ...]:
        asked = ((APIS[key].name, counts) for key, counts in self._node.peers.requests.items())
        found = [
            ApiView(
                name=name,
                requests=sum(counts.versions.values()),
                errors=_errors(counts.errors),
                bytes_in=counts.request_bytes,
                bytes_out=counts.response_bytes,
                latency=_latency(counts.seconds),
            )
            for name, counts in asked
            if counts.versions
        ]
        return tuple(sorted(found, key=lambda each: each.name))


def _addresses(broker: Broker, listeners: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """What clients are told: this node's address by listener, and where the other nodes are."""
    own, others = {}, []
    for name in listeners:
        for node in broker.nodes(name):
            address = str(Address(node.host, node.port))
            if node.node_id == broker.node_id:
                own[name] = address
            else:
                others.append(f"node {node.node_id}: {address}")
    return own, others


def _errors(counts: Mapping[int, int]) -> dict[str, int]:
    """By Kafka's names, the most frequent first."""
    codes = sorted(counts.items(), key=lambda each: -each[1])
    return {ErrorCode(code).name.upper(): count for code, count in codes}


def _latency(histogram: Histogram) -> LatencyView:
    return LatencyView(bounds=histogram.bounds, counts=tuple(histogram.counts))


def _row(client: ClientView) -> ClientRow:
    return ClientRow(
        number=client.number,
        client_id=client.client_id or "",
        library=" ".join(filter(None, (client.software, client.software_version))),
        remote=client.remote,
        listener=client.listener,
        since=client.since,
        requests=client.requests,
        in_progress=client.in_progress,
    )


def _all_of(client: ClientView) -> str:
    parts = (client.client_id or "", client.software, client.software_version, client.remote)
    return " ".join(parts).lower()
