"""`varlog.snpb.Management`: what the admin server of a real cluster asks of a storage node.

Reading is served; what changes a replica behind the metadata's back is not, and names the admin's call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NoReturn

import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message

from varlog_client.pb import snpb_pb2
from varlog_lite import rpc, status
from varlog_lite.cluster import Cluster
from varlog_lite.describe import Describer

_ADMIN = "varlog.admpb.ClusterManager"


class StorageNode:
    def __init__(self, cluster: Cluster, describer: Describer) -> None:
        self._cluster = cluster
        self._describer = describer

    def handler(self) -> grpc.GenericRpcHandler:
        pb = snpb_pb2
        methods = {
            "GetMetadata": rpc.unary(pb.GetMetadataRequest, self._get_metadata),
            "Trim": rpc.unary(pb.TrimRequest, self._trim),
            "AddLogStreamReplica": rpc.unary(pb.AddLogStreamReplicaRequest, _instead("AddLogStream")),
            "RemoveLogStream": rpc.unary(pb.RemoveLogStreamRequest, _instead("RemoveLogStreamReplica")),
            "Seal": rpc.unary(pb.SealRequest, _instead("Seal")),
            "Unseal": rpc.unary(pb.UnsealRequest, _instead("Unseal")),
            "Sync": rpc.unary(pb.SyncRequest, _no_sync),
        }
        return grpc.method_handlers_generic_handler("varlog.snpb.Management", methods)

    async def _get_metadata(self, _request: snpb_pb2.GetMetadataRequest) -> snpb_pb2.GetMetadataResponse:
        """The cluster id asked for is not looked at, as in Varlog."""
        node = await asyncio.to_thread(self._describer.node_metadata, self._cluster.held())
        return snpb_pb2.GetMetadataResponse(storage_node_metadata=node)

    async def _trim(self, request: snpb_pb2.TrimRequest) -> snpb_pb2.TrimResponse:
        results = await self._cluster.trim(request.topic_id, request.last_glsn)
        return snpb_pb2.TrimResponse(results=results)


def _instead(method: str) -> Callable[[Message], Awaitable[Empty]]:
    async def refuse(_request: Message) -> NoReturn:
        raise status.not_served(f"{_ADMIN}/{method}")

    return refuse


async def _no_sync(_request: Message) -> NoReturn:
    raise status.one_node_only("there is no other replica to copy to")
