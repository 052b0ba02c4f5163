"""The newest view of the cluster, and who can renew it: the nodes of the metadata repository."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import grpc.aio

from varlog_client import convert
from varlog_client.channels import Channels
from varlog_client.counts import LogCounts
from varlog_client.errors import Closed, NotFound, Unavailable, VarlogError, from_rpc
from varlog_client.pb import mrpb_pb2, mrpb_pb2_grpc
from varlog_client.types import ClusterId, ClusterMetadata, LogStream, LogStreamId, StorageNodeId, TopicId

_log = logging.getLogger(__name__)

_PAUSE_S = 0.2  # between two rounds over the seeds while opening


class Metadata:
    """`view` is swapped whole, never changed: what was taken from it stays consistent."""

    def __init__(
        self, cluster_id: ClusterId, seeds: Sequence[str], channels: Channels, *, call_timeout_s: float
    ) -> None:
        self.view = ClusterMetadata(version=0)
        self.counts = LogCounts()
        self._cluster_id = cluster_id
        self._seeds = tuple(seeds)
        self._endpoints: tuple[str, ...] = ()
        self._said: dict[str, str] = {}  # by address: its last refusal
        self._channels = channels
        self._call_timeout_s = call_timeout_s
        self._fetching: asyncio.Task[ClusterMetadata] | None = None
        self._asking = False  # the fetch may bring what was true before now
        self._once_more = False
        self._periodic: asyncio.Task[None] | None = None
        self._failing = False
        self._closed = False

    async def open(self, *, timeout_s: float, refresh_interval_s: float) -> None:
        """Fetches the first view, trying for `timeout_s`; then renews it every `refresh_interval_s`.

        Raises `Unavailable`, which names the addresses and what each said last.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    await self.refresh()
                break
            except (Unavailable, TimeoutError) as error:
                if loop.time() + _PAUSE_S >= deadline:
                    raise self._not_opened(timeout_s) from error
                await asyncio.sleep(_PAUSE_S)
        self._periodic = asyncio.create_task(self._renew(refresh_interval_s), name="varlog metadata")

    def _not_opened(self, timeout_s: float) -> Unavailable:
        said = "; ".join(f"{address}: {self._said.get(address, 'no answer')}" for address in self._asked())
        return Unavailable(f"cluster {self._cluster_id} was not reached within {timeout_s:g} s; {said}")

    async def refresh(self) -> ClusterMetadata:
        """Fetches a view that is no older than this call; calls at the same time share a fetch.

        One under way that has begun to ask is waited for, not joined. Raises `Unavailable` and `Closed`.
        """
        if self._asking and self._fetching is not None:
            await asyncio.wait([self._fetching])
        fetching = self._fetch_soon()
        try:
            return await asyncio.shield(fetching)
        except asyncio.CancelledError:
            if fetching.cancelled() and self._closed:
                raise Closed("the log was closed") from None
            raise

    def refresh_soon(self) -> None:
        """Starts a refresh in the background, behind the one under way. A failure is logged, not raised."""
        if self._asking:
            self._once_more = True
        elif not self._closed:
            self._fetch_soon().add_done_callback(self._note)

    def log_stream(self, topic_id: TopicId, log_stream_id: LogStreamId) -> LogStream:
        """Raises `NotFound`."""
        stream = self.view.log_streams.get(log_stream_id)
        if stream is None or stream.topic_id != topic_id or not stream.replicas:
            raise NotFound(f"the cluster has no log stream {log_stream_id} in topic {topic_id}")
        return stream

    def channel(self, storage_node_id: StorageNodeId) -> grpc.aio.Channel:
        """Raises `NotFound`."""
        node = self.view.storage_nodes.get(storage_node_id)
        if node is None:
            raise NotFound(f"the cluster has no storage node {storage_node_id}")
        return self._channels.at(node.address)

    async def close(self) -> None:
        self._closed = True
        tasks = [task for task in (self._fetching, self._periodic) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _note(self, fetching: asyncio.Task[ClusterMetadata]) -> None:
        """Says when trouble begins and when it ends, not how often it was met."""
        if fetching.cancelled():
            return
        error = fetching.exception()
        if error is not None and not self._failing:
            _log.warning("the cluster's metadata can't be renewed: %s", error)
        elif error is None and self._failing:
            _log.warning("the cluster's metadata is being renewed again")
        self._failing = error is not None

    def _fetch_soon(self) -> asyncio.Task[ClusterMetadata]:
        if self._closed:
            raise Closed("the log was closed")
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.create_task(self._fetch(), name="varlog metadata fetch")
            self._fetching.add_done_callback(self._fetched)
        return self._fetching

    def _fetched(self, fetching: asyncio.Task[ClusterMetadata]) -> None:
        self._asking = False
        if not fetching.cancelled():
            fetching.exception()  # who waits for it gets the failure; nobody need wait
        if self._once_more:
            self._once_more = False
            self.refresh_soon()

    async def _renew(self, interval_s: float) -> None:
        while True:
            await asyncio.sleep(interval_s)
            self.refresh_soon()

    def _asked(self) -> tuple[str, ...]:
        """Members first, the leader before all others; the seeds may be as good as any."""
        return tuple(dict.fromkeys((*self._endpoints, *self._seeds)))

    async def _fetch(self) -> ClusterMetadata:
        addresses = self._asked()
        for address in addresses:
            try:
                self._endpoints, self.view = await self._ask(address)
            except VarlogError as error:
                self._said[address] = str(error)
            else:
                self.counts.refreshes += 1
                self.counts.refreshed_at = asyncio.get_running_loop().time()
                return self.view
        self.counts.failed_refreshes += 1
        said = "; ".join(f"{address}: {self._said[address]}" for address in addresses)
        raise Unavailable(f"no metadata repository answered; {said}")

    async def _ask(self, address: str) -> tuple[tuple[str, ...], ClusterMetadata]:
        channel = self._channels.at(address)
        try:
            info = await mrpb_pb2_grpc.ManagementStub(channel).GetClusterInfo(
                mrpb_pb2.GetClusterInfoRequest(cluster_id=self._cluster_id), timeout=self._call_timeout_s
            )
            endpoints = self._members(info.cluster_info)
            self._asking = True
            answer = await mrpb_pb2_grpc.MetadataRepositoryServiceStub(channel).GetMetadata(
                mrpb_pb2.GetMetadataRequest(), timeout=self._call_timeout_s
            )
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error) from error
        return endpoints, convert.cluster_metadata(answer.metadata)

    def _members(self, info: mrpb_pb2.ClusterInfo) -> tuple[str, ...]:
        if info.cluster_id not in {0, self._cluster_id}:
            raise Unavailable(f"is a node of cluster {info.cluster_id}, not of {self._cluster_id}")
        if not info.node_id or not info.leader:
            raise Unavailable("the metadata repository has no leader now")
        members = sorted(info.members.items(), key=lambda item: item[0] != info.leader)
        endpoints = tuple(member.endpoint for _, member in members if member.endpoint and not member.learner)
        if not endpoints:
            raise Unavailable("the metadata repository names no member that could be asked")
        return endpoints
