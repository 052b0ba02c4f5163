"""A simulated Varlog cluster: it may do what the real one was seen to do, and nothing else.

What it was seen to do: commit an append seconds after its client has gone; answer late, or never; discard on
a seal what isn't committed, and tell those streams "sealed" behind the answers they are still due; lose with
a killed primary a tail of what it had accepted and not committed; come back sealed from every restart, and
know less for a while; commit nothing while a replica or the metadata repository is away; let a backup lag
behind in what it says and in what it serves; be trimmed, and forget that it was; move its primary while it is
sealed; tell metadata that are out of date.

It never loses a committed entry, never commits a part of a batch, and keeps the order of acceptance.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.simulation.calls import Server
from tests.simulation.channels import SimulatedChannel, SimulatedChannels
from tests.simulation.log_stream import RUNNING, SEALED, SimulatedLogStream
from tests.simulation.network import Network
from tests.simulation.processes import ADMIN, CLUSTER_ID, REPOSITORY, AdminServer, Nobody, Node, Repository
from varlog_client import Log
from varlog_client.metadata import Metadata
from varlog_client.pb import admpb_pb2, varlogpb_pb2
from varlog_client.types import ClusterId, LogStreamId, StorageNodeId, TopicId


class SimulatedVarlog:
    cluster_id = CLUSTER_ID
    metadata_repository = REPOSITORY
    admin = ADMIN

    def __init__(self, network: Network, storage_nodes: int = 1) -> None:
        self.network = network
        self.version = 1
        self.nodes = [Node(self, number) for number in range(1, storage_nodes + 1)]
        self.topics: dict[TopicId, int] = {}  # the last GLSN of each
        self.log_streams: dict[LogStreamId, SimulatedLogStream] = {}
        self.repository = Repository(self)
        self._servers: dict[str, Server] = {node.address: node for node in self.nodes}
        self._servers[REPOSITORY] = self.repository
        self.admin_server = self._servers[ADMIN] = AdminServer(self)

    @property
    def replication_factor(self) -> int:
        return len(self.nodes)

    @asynccontextmanager
    async def log(self) -> AsyncIterator[Log]:
        """varlog_client's own, on simulated channels; it belongs to the process that enters it."""
        channels = SimulatedChannels(self.network, self._servers)
        metadata = Metadata(ClusterId(CLUSTER_ID), [REPOSITORY], channels, call_timeout_s=3.0)
        async with Log(metadata, channels, 3.0, 600.0) as log:
            await metadata.open(timeout_s=600.0, refresh_interval_s=60.0)
            yield log

    def channel(self, address: str) -> SimulatedChannel:
        return SimulatedChannel(self.network, self._servers.get(address, Nobody()))

    # Made and changed

    def new_log_stream(self, topic_id: TopicId) -> SimulatedLogStream:
        stream_id = LogStreamId(len(self.log_streams) + 1)
        stream = SimulatedLogStream(self, topic_id, stream_id, list(self.nodes))
        self.log_streams[stream_id] = stream
        self.changed()
        return stream

    async def add_topic(self) -> TopicId:
        topic_id = TopicId(len(self.topics) + 1)
        self.topics[topic_id] = 0
        self.changed()
        return topic_id

    async def add_log_stream(self, topic_id: TopicId) -> LogStreamId:
        return self.new_log_stream(topic_id).log_stream_id

    async def seal(self, topic_id: TopicId, log_stream_id: LogStreamId) -> None:
        self.log_streams[log_stream_id].seal()

    async def unseal(self, topic_id: TopicId, log_stream_id: LogStreamId) -> None:
        while not self.log_streams[log_stream_id].unseal():
            await asyncio.sleep(0.1)

    async def keep_running(self, topic_id: TopicId, log_stream_id: LogStreamId) -> None:
        """It never seals one by itself."""

    def changed(self) -> None:
        self.version += 1

    def next_glsn(self, topic_id: TopicId) -> int:
        self.topics[topic_id] += 1
        return self.topics[topic_id]

    def trim(self, topic_id: int, last_glsn: int) -> list[admpb_pb2.TrimResult]:
        results = []
        for stream in self.log_streams.values():
            if stream.topic_id != topic_id:
                continue
            beyond = last_glsn > self.topics[stream.topic_id]
            if not beyond:
                stream.trim(sum(glsn <= last_glsn for glsn in stream.glsns) + 1)
            results += [
                admpb_pb2.TrimResult(
                    storage_node_id=node.node_id,
                    log_stream_id=stream.log_stream_id,
                    error=f"{last_glsn} not appended" if beyond else "",
                )
                for node in stream.replicas
            ]
        return results

    # Nodes that go and come

    def kill(self, node: StorageNodeId) -> None:
        killed = self.nodes[node - 1]
        if not killed.up:
            return
        killed.up = killed.frozen = False
        for stream in self.log_streams.values():
            stream.node_killed(killed)
        for call in list(killed.calls):
            call.break_off()

    async def restart(self, node: StorageNodeId) -> None:
        self.start(node)

    def start(self, node: StorageNodeId) -> None:
        started = self.nodes[node - 1]
        if not started.up:
            started.up = True
            started.starts += 1
            for stream in self.log_streams.values():
                stream.seal()
                stream.node_started(started)

    def freeze(self, node: StorageNodeId) -> None:
        frozen = self.nodes[node - 1]
        if frozen.works:
            frozen.frozen = True
            frozen.freezes += 1
            self.network.later(10 + 5 * self.network.rng.random(), self._miss, frozen, frozen.freezes)

    def _miss(self, node: Node, freezes: int) -> None:
        """Its clients have noticed that it doesn't answer their pings."""
        if node.frozen and node.freezes == freezes:
            for call in list(node.calls):
                call.break_off()

    def thaw(self, node: StorageNodeId) -> None:
        self.nodes[node - 1].thaw()
        self.go_on()

    def kill_metadata_repository(self) -> None:
        self.repository.up = False

    async def restart_metadata_repository(self) -> None:
        self.repository.up = True
        self.go_on()

    def go_on(self) -> None:
        for stream in self.log_streams.values():
            stream.go_on()

    def break_streams(self) -> None:
        """Connections are cut. What was accepted may still be committed, what is on its way may arrive."""
        for node in self.nodes:
            for call in list(node.calls):
                call.break_off()

    # Told

    def describe(self) -> varlogpb_pb2.MetadataDescriptor:
        told = varlogpb_pb2.MetadataDescriptor(applied_index=self.version)
        for node in self.nodes:
            named = told.storage_nodes.add(paths=["/data"])
            named.storage_node.storage_node_id, named.storage_node.address = node.node_id, node.address
        for topic_id in self.topics:
            streams = [s.log_stream_id for s in self.log_streams.values() if s.topic_id == topic_id]
            told.topics.add(topic_id=topic_id, log_streams=streams)
        for stream in self.log_streams.values():
            described = told.log_streams.add(
                topic_id=stream.topic_id,
                log_stream_id=stream.log_stream_id,
                status=SEALED if stream.sealed else RUNNING,
            )
            for node in stream.replicas:
                described.replicas.add(storage_node_id=node.node_id, storage_node_path="/data")
        return told
