"""From what the rooms count to samples. It is done when somebody asks, and costs nothing until then."""

from __future__ import annotations

import asyncio
import platform
from collections import Counter
from importlib import metadata
from typing import Final

from kio.schema.errors import ErrorCode
from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector

from kov.handlers import APIS
from kov.log_lines import LINES
from kov.observe import families as f
from kov.observe.health import Readiness
from kov.observe.loop_lag import LoopLag
from kov.observe.node import ObservedNode
from kov.observe.scrape import Scrape
from kov.partition.partition import Partition
from kov.peers import ClientView, Peers
from varlog_client import Log

_AT_ONCE: Final = 20  # partitions, before others get their turn in the event loop
_NAMED_SOFTWARE: Final = 100  # what clients call themselves is theirs to choose, and so must be bounded


class Collecting:
    """Makes a `Scrape` of `node`."""

    def __init__(self, node: ObservedNode, readiness: Readiness, lag: LoopLag) -> None:
        self._node = node
        self._readiness = readiness
        self._lag = lag
        self._process = ProcessCollector(registry=None)
        self._collections = GCCollector(registry=CollectorRegistry())

    async def scrape(self) -> Scrape:
        node, scrape = self._node, Scrape()
        ready = not await self._readiness.missing()
        scrape.add(f.READY, ready)
        self._add_process(scrape)
        _add_requests(scrape, node.peers)
        _add_connections(scrape, node.peers)
        if node.partitions is not None:
            scrape.add(f.MEMORY_TAIL, node.partitions.tail_bytes)
            scrape.add_histogram(f.APPEND_SECONDS, node.partitions.totals.append_seconds)
            scrape.add_histogram(f.APPEND_ENTRIES, node.partitions.totals.append_entries)
            scrape.add_histogram(f.BATCH_BYTES, node.partitions.totals.batch_bytes)
            await _add_partitions(scrape, node.partitions.opened())
        if node.log is not None:
            _add_varlog(scrape, node.log)
        return scrape

    def _add_process(self, scrape: Scrape) -> None:
        node = self._node
        scrape.add(f.MEMORY_HELD, node.peers.budget.used)
        scrape.add(f.MEMORY_LIMIT, node.peers.limits.max_total_bytes)
        for level, count in LINES.items():
            scrape.add(f.LOG_LINES, count, level)
        scrape.add_histogram(f.LOOP_LAG, self._lag.histogram)
        scrape.add(f.BUILD, 1, metadata.version("kov"), platform.python_version())
        scrape.add(
            f.NODE, 1, str(node.config.node_id), node.broker.cluster_id if node.broker is not None else ""
        )
        scrape.add_more(self._process.collect())
        scrape.add_more(self._collections.collect())


def _add_requests(scrape: Scrape, peers: Peers) -> None:
    for key, counts in peers.requests.items():
        if not counts.versions:
            continue
        name = APIS[key].name
        for version, count in sorted(counts.versions.items()):
            scrape.add(f.REQUESTS, count, name, str(version))
        for code, count in sorted(counts.errors.items()):
            scrape.add(f.REQUEST_ERRORS, count, name, ErrorCode(code).name.upper())
        scrape.add_histogram(f.REQUEST_SECONDS, counts.seconds, name)
        scrape.add(f.REQUEST_BYTES, counts.request_bytes, name)
        scrape.add(f.RESPONSE_BYTES, counts.response_bytes, name)


def _add_connections(scrape: Scrape, peers: Peers) -> None:
    clients = list(peers.clients())
    scrape.add(f.IN_PROGRESS, sum(client.in_progress for client in clients))
    scrape.add(f.CONNECTIONS, len(clients))
    scrape.add(f.CONNECTIONS_OPENED, peers.connections.opened)
    for reason, count in peers.connections.closed.items():
        scrape.add(f.CONNECTIONS_CLOSED, count, reason)
    for (software, version), count in _software(clients).items():
        scrape.add(f.CLIENTS, count, software, version)


def _software(clients: list[ClientView]) -> Counter[tuple[str, str]]:
    named: Counter[tuple[str, str]] = Counter()
    for client in clients:
        name = (client.software or "unknown", client.software_version or "unknown")
        named[name if name in named or len(named) < _NAMED_SOFTWARE else ("other", "other")] += 1
    return named


async def _add_partitions(scrape: Scrape, partitions: list[Partition]) -> None:
    states = Counter(partition.state.value for partition in partitions)
    for state, count in states.items():
        scrape.add(f.PARTITIONS, count, state)
    for number, partition in enumerate(partitions, 1):
        _add_partition(scrape, partition)
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)


def _add_partition(scrape: Scrape, partition: Partition) -> None:
    status, counts = partition.status, partition.counts
    place = partition.topic.name, str(partition.index)
    scrape.add(f.PARTITION_STATE, 1, *place, status.state.value)
    if status.end_offset >= 0:
        scrape.add(f.END_OFFSET, status.end_offset, *place)
        scrape.add(f.START_OFFSET, status.start_offset, *place)
        scrape.add(f.EPOCH, status.epoch, *place)
    for family, value in (
        (f.RECORDS, counts.records),
        (f.BATCHES, counts.batches),
        (f.APPENDED_BYTES, counts.append_bytes),
        (f.APPENDS, counts.appends),
        (f.QUEUED, status.queued_batches),
        (f.HELD_BYTES, status.held_bytes),
        (f.IN_FLIGHT, status.in_flight_appends),
        (f.IN_DOUBT, status.in_doubt_batches),
        (f.FENCES, counts.fences),
        (f.OPENINGS, counts.openings),
        (f.DOUBTS, counts.doubts),
        (f.DEPOSALS, counts.deposals),
        (f.READ_BYTES, counts.read_bytes),
    ):
        scrape.add(family, value, *place)
    scrape.add(f.READS, counts.tail_reads, *place, "tail")
    scrape.add(f.READS, counts.cold_reads, *place, "varlog")


def _add_varlog(scrape: Scrape, log: Log) -> None:
    streams: Counter[str] = Counter()
    in_flight: Counter[str] = Counter()
    for appender in log.appenders:
        streams[str(appender.storage_node_id)] += 1
        in_flight[str(appender.storage_node_id)] += appender.in_flight
    for node, count in streams.items():
        scrape.add(f.APPENDERS, count, node)
        scrape.add(f.APPENDERS_BUSY, in_flight[node], node)
    counts = log.counts
    scrape.add(f.APPENDERS_OPENED, counts.appenders)
    for reason, count in counts.appender_ends.items():
        scrape.add(f.APPENDERS_ENDED, count, reason)
    scrape.add(f.SUBSCRIBERS, log.subscribers)
    scrape.add(f.SUBSCRIBERS_OPENED, counts.subscribers)
    scrape.add(f.REFRESHES, counts.refreshes)
    scrape.add(f.REFRESH_FAILURES, counts.failed_refreshes)
    scrape.add(f.METADATA_AGE, asyncio.get_running_loop().time() - counts.refreshed_at)
