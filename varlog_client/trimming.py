"""Trimming a topic at its storage nodes, without the admin server."""

from __future__ import annotations

import asyncio

import grpc.aio

from varlog_client.errors import NotFound, Unavailable, VarlogError, from_rpc
from varlog_client.metadata import Metadata
from varlog_client.pb import snpb_pb2, snpb_pb2_grpc
from varlog_client.types import GLSN, StorageNodeId, TopicId


async def trim(
    metadata: Metadata, topic_id: TopicId, last_glsn: GLSN, *, timeout_s: float
) -> frozenset[StorageNodeId]:
    """`Log.trim` is the contract."""
    nodes = sorted(await _nodes(metadata, topic_id))
    answers = await asyncio.gather(
        *(_trim_one(metadata, node, topic_id, last_glsn, timeout_s) for node in nodes)
    )
    failed = {node: error for node, error in zip(nodes, answers, strict=True) if error is not None}
    if nodes and len(failed) == len(nodes):
        said = "; ".join(f"node {node}: {error}" for node, error in failed.items())
        raise Unavailable(f"no storage node of topic {topic_id} trimmed; {said}")
    return frozenset(nodes) - failed.keys()


async def _nodes(metadata: Metadata, topic_id: TopicId) -> set[StorageNodeId]:
    if topic_id not in metadata.view.topics:
        await metadata.refresh()
    if topic_id not in metadata.view.topics:
        raise NotFound(f"the cluster has no topic {topic_id}")
    streams = [each for each in metadata.view.log_streams.values() if each.topic_id == topic_id]
    return {replica.storage_node_id for stream in streams for replica in stream.replicas}


async def _trim_one(
    metadata: Metadata, node: StorageNodeId, topic_id: TopicId, last_glsn: GLSN, timeout_s: float
) -> VarlogError | None:
    request = snpb_pb2.TrimDeprecatedRequest(topic_id=topic_id, glsn=last_glsn)
    try:
        await snpb_pb2_grpc.LogIOStub(metadata.channel(node)).TrimDeprecated(request, timeout=timeout_s)
    except grpc.aio.AioRpcError as error:
        return from_rpc(error)
    except NotFound as error:
        return error
    return None
