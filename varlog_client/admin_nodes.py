"""The part of `Admin` that is about machines: storage nodes and the metadata repository's members."""

from __future__ import annotations

from google.protobuf.empty_pb2 import Empty

from varlog_client import convert
from varlog_client.admin_connection import AdminConnection, answer
from varlog_client.admin_types import (
    MetadataRepositoryMembers,
    MetadataRepositoryNode,
    MetadataRepositoryNodeId,
    WatchedStorageNode,
)
from varlog_client.pb import admpb_pb2 as pb
from varlog_client.pb import varlogpb_pb2
from varlog_client.types import StorageNodeId


class AdminNodes(AdminConnection):
    # Storage nodes

    async def get_storage_node(
        self, storage_node_id: StorageNodeId, *, timeout_s: float | None = None
    ) -> WatchedStorageNode:
        """As the last heartbeat saw it."""
        request = pb.GetStorageNodeRequest(storage_node_id=storage_node_id)
        reply = await answer(self._stub.GetStorageNode(request, timeout=self._within(timeout_s)))
        return convert.watched_storage_node(reply.storage_node)

    async def list_storage_nodes(self, *, timeout_s: float | None = None) -> tuple[WatchedStorageNode, ...]:
        """All of them, sorted by id."""
        request = pb.ListStorageNodesRequest()
        reply = await answer(self._stub.ListStorageNodes(request, timeout=self._within(timeout_s)))
        return tuple(convert.watched_storage_node(node) for node in reply.storage_nodes)

    async def add_storage_node(
        self, storage_node_id: StorageNodeId, address: str, *, timeout_s: float | None = None
    ) -> WatchedStorageNode:
        """Registers a node, which must be running. The same id and address again: no change, no error."""
        node = varlogpb_pb2.StorageNode(storage_node_id=storage_node_id, address=address)
        request = pb.AddStorageNodeRequest(storage_node=node)
        reply = await answer(self._stub.AddStorageNode(request, timeout=self._within(timeout_s)))
        return convert.watched_storage_node(reply.storage_node)

    async def unregister_storage_node(
        self, storage_node_id: StorageNodeId, *, timeout_s: float | None = None
    ) -> None:
        """Removes a node. One that isn't known is no error; one that has replicas is `FailedPrecondition`."""
        request = pb.UnregisterStorageNodeRequest(storage_node_id=storage_node_id)
        await answer(self._stub.UnregisterStorageNode(request, timeout=self._within(timeout_s)))

    # The metadata repository

    async def get_metadata_repository_node(
        self, node_id: MetadataRepositoryNodeId, *, timeout_s: float | None = None
    ) -> MetadataRepositoryNode:
        """One member."""
        request = pb.GetMetadataRepositoryNodeRequest(node_id=node_id)
        reply = await answer(self._stub.GetMetadataRepositoryNode(request, timeout=self._within(timeout_s)))
        return convert.metadata_repository_node(reply.node)

    async def list_metadata_repository_nodes(
        self, *, timeout_s: float | None = None
    ) -> tuple[MetadataRepositoryNode, ...]:
        """All members."""
        request = pb.ListMetadataRepositoryNodesRequest()
        reply = await answer(self._stub.ListMetadataRepositoryNodes(request, timeout=self._within(timeout_s)))
        return tuple(convert.metadata_repository_node(node) for node in reply.nodes)

    async def get_metadata_repository_members(
        self, *, timeout_s: float | None = None
    ) -> MetadataRepositoryMembers:
        """The leader, the replication factor, and the members' Raft URLs (`GetMRMembers`)."""
        reply = await answer(self._stub.GetMRMembers(Empty(), timeout=self._within(timeout_s)))
        return MetadataRepositoryMembers(
            leader=MetadataRepositoryNodeId(reply.leader),
            replication_factor=reply.replication_factor,
            members={MetadataRepositoryNodeId(node): url for node, url in reply.members.items()},
        )

    async def add_metadata_repository_node(
        self, raft_url: str, rpc_address: str, *, timeout_s: float | None = None
    ) -> MetadataRepositoryNode:
        """Adds a member. Raises `ValueError` for an empty URL or address."""
        _check(raft_url, rpc_address)
        request = pb.AddMetadataRepositoryNodeRequest(raft_url=raft_url, rpc_addr=rpc_address)
        reply = await answer(self._stub.AddMetadataRepositoryNode(request, timeout=self._within(timeout_s)))
        return convert.metadata_repository_node(reply.node)

    async def delete_metadata_repository_node(
        self, node_id: MetadataRepositoryNodeId, *, timeout_s: float | None = None
    ) -> None:
        """Removes a member."""
        request = pb.DeleteMetadataRepositoryNodeRequest(node_id=node_id)
        await answer(self._stub.DeleteMetadataRepositoryNode(request, timeout=self._within(timeout_s)))

    async def add_metadata_repository_peer(
        self, raft_url: str, rpc_address: str, *, timeout_s: float | None = None
    ) -> MetadataRepositoryNodeId:
        """The older form of `add_metadata_repository_node` (`AddMRPeer`)."""
        _check(raft_url, rpc_address)
        request = pb.AddMRPeerRequest(raft_url=raft_url, rpc_addr=rpc_address)
        reply = await answer(self._stub.AddMRPeer(request, timeout=self._within(timeout_s)))
        return MetadataRepositoryNodeId(reply.node_id)

    async def remove_metadata_repository_peer(self, raft_url: str, *, timeout_s: float | None = None) -> None:
        """The older form of `delete_metadata_repository_node` (`RemoveMRPeer`)."""
        _check(raft_url)
        request = pb.RemoveMRPeerRequest(raft_url=raft_url)
        await answer(self._stub.RemoveMRPeer(request, timeout=self._within(timeout_s)))


def _check(*names: str) -> None:
    if not all(names):
        raise ValueError("a member of the metadata repository has a Raft URL and an RPC address")
