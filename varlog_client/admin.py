"""Admin: what creates, changes and removes things in a cluster. Appending and reading don't need it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from types import TracebackType
from typing import TypeVar

import grpc.aio

from varlog_client import convert
from varlog_client.channels import open_channel
from varlog_client.errors import Unavailable, from_rpc
from varlog_client.pb import admpb_pb2, admpb_pb2_grpc, varlogpb_pb2
from varlog_client.types import (
    GLSN,
    LogStream,
    LogStreamId,
    Replica,
    SealResult,
    StorageNode,
    StorageNodeId,
    Topic,
    TopicId,
    TrimResult,
)

_T = TypeVar("_T")


class Admin:
    """A connection to the cluster's admin server. Made by `Admin.connect`.

    Every method is one call. It raises `NotFound`, `AlreadyExists`, `FailedPrecondition`, `InvalidArgument`,
    `Unavailable` (also when there is no answer in time: the call may yet have its effect) or `Internal`.
    """

    def __init__(self, channel: grpc.aio.Channel, timeout_s: float) -> None:
        self._channel = channel
        self._timeout_s = timeout_s
        self._stub = admpb_pb2_grpc.ClusterManagerStub(channel)

    @classmethod
    async def connect(cls, address: str, *, timeout_s: float = 5.0) -> Admin:
        """Connects to `address` (`HOST:PORT`) within `timeout_s`, which later bounds each call.

        Raises `Unavailable`.
        """
        channel = open_channel(address)
        try:
            async with asyncio.timeout(timeout_s):
                await channel.channel_ready()
        except TimeoutError:
            await channel.close()
            raise Unavailable(f"the admin server {address} was not reached within {timeout_s:g} s") from None
        except asyncio.CancelledError:
            await channel.close()
            raise
        return cls(channel, timeout_s)

    async def add_topic(self) -> Topic:
        """A new topic; the cluster chooses its id."""
        answer = await _answer(self._stub.AddTopic(admpb_pb2.AddTopicRequest(), timeout=self._timeout_s))
        return convert.topic(answer.topic)

    async def get_topic(self, topic_id: TopicId) -> Topic:
        request = admpb_pb2.GetTopicRequest(topic_id=topic_id)
        answer = await _answer(self._stub.GetTopic(request, timeout=self._timeout_s))
        return convert.topic(answer.topic)

    async def list_topics(self) -> tuple[Topic, ...]:
        answer = await _answer(self._stub.ListTopics(admpb_pb2.ListTopicsRequest(), timeout=self._timeout_s))
        return tuple(convert.topic(topic) for topic in answer.topics)

    async def unregister_topic(self, topic_id: TopicId) -> None:
        """Removes a topic with its log streams. Appends to those hang from then on: stop them before."""
        request = admpb_pb2.UnregisterTopicRequest(topic_id=topic_id)
        await _answer(self._stub.UnregisterTopic(request, timeout=self._timeout_s))

    async def add_log_stream(
        self, topic_id: TopicId, replicas: Sequence[Replica] = (), *, timeout_s: float = 60.0
    ) -> LogStream:
        """A new log stream, running when this returns: 5 to 15 s on a real cluster.

        Without `replicas` the cluster chooses the nodes; otherwise there are as many as its replication
        factor, and the first is the primary. After `Unavailable` look whether it was made
        (`list_log_streams`) before asking again: a second call makes a second log stream.
        """
        chosen = [_replica(replica) for replica in replicas]
        request = admpb_pb2.AddLogStreamRequest(topic_id=topic_id, replicas=chosen)
        answer = await _answer(self._stub.AddLogStream(request, timeout=timeout_s))
        return convert.log_stream(answer.log_stream)

    async def get_log_stream(self, topic_id: TopicId, log_stream_id: LogStreamId) -> LogStream:
        request = admpb_pb2.GetLogStreamRequest(topic_id=topic_id, log_stream_id=log_stream_id)
        answer = await _answer(self._stub.GetLogStream(request, timeout=self._timeout_s))
        return convert.log_stream(answer.log_stream)

    async def list_log_streams(self, topic_id: TopicId) -> tuple[LogStream, ...]:
        request = admpb_pb2.ListLogStreamsRequest(topic_id=topic_id)
        answer = await _answer(self._stub.ListLogStreams(request, timeout=self._timeout_s))
        return tuple(convert.log_stream(stream) for stream in answer.log_streams)

    async def unregister_log_stream(self, topic_id: TopicId, log_stream_id: LogStreamId) -> None:
        """Removes a log stream, which must be sealed. Its entries stay on the nodes until they clean up."""
        request = admpb_pb2.UnregisterLogStreamRequest(topic_id=topic_id, log_stream_id=log_stream_id)
        await _answer(self._stub.UnregisterLogStream(request, timeout=self._timeout_s))

    async def seal(self, topic_id: TopicId, log_stream_id: LogStreamId) -> SealResult:
        """Stops appends and drops what is not committed. Call again until every replica says SEALED."""
        request = admpb_pb2.SealRequest(topic_id=topic_id, log_stream_id=log_stream_id)
        answer = await _answer(self._stub.Seal(request, timeout=self._timeout_s))
        states = tuple(convert.replica_state(state) for state in answer.log_streams)
        return SealResult(sealed_glsn=GLSN(answer.sealed_glsn), replicas=states)

    async def unseal(self, topic_id: TopicId, log_stream_id: LogStreamId) -> LogStream:
        """Allows appends again. Call it when every replica says SEALED: before that, appends may hang."""
        request = admpb_pb2.UnsealRequest(topic_id=topic_id, log_stream_id=log_stream_id)
        answer = await _answer(self._stub.Unseal(request, timeout=self._timeout_s))
        return convert.log_stream(answer.log_stream)

    async def trim(self, topic_id: TopicId, last_glsn: GLSN) -> tuple[TrimResult, ...]:
        """Drops the topic's entries up to and including `last_glsn`; one result per replica."""
        request = admpb_pb2.TrimRequest(topic_id=topic_id, last_glsn=last_glsn)
        answer = await _answer(self._stub.Trim(request, timeout=self._timeout_s))
        return tuple(
            TrimResult(
                storage_node_id=StorageNodeId(result.storage_node_id),
                log_stream_id=LogStreamId(result.log_stream_id),
                error=result.error,
            )
            for result in answer.results
        )

    async def add_storage_node(self, storage_node_id: StorageNodeId, address: str) -> StorageNode:
        """Registers a node, which must be running. The same id and address again: no change, no error."""
        node = varlogpb_pb2.StorageNode(storage_node_id=storage_node_id, address=address)
        request = admpb_pb2.AddStorageNodeRequest(storage_node=node)
        answer = await _answer(self._stub.AddStorageNode(request, timeout=self._timeout_s))
        return convert.watched_storage_node(answer.storage_node)

    async def list_storage_nodes(self) -> tuple[StorageNode, ...]:
        request = admpb_pb2.ListStorageNodesRequest()
        answer = await _answer(self._stub.ListStorageNodes(request, timeout=self._timeout_s))
        return tuple(convert.watched_storage_node(node) for node in answer.storage_nodes)

    async def close(self) -> None:
        """Idempotent. Calls under way are cancelled."""
        await self._channel.close()

    async def __aenter__(self) -> Admin:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


async def _answer(call: Awaitable[_T]) -> _T:
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise from_rpc(error) from error


def _replica(replica: Replica) -> varlogpb_pb2.ReplicaDescriptor:
    return varlogpb_pb2.ReplicaDescriptor(
        storage_node_id=replica.storage_node_id,
        storage_node_path=replica.storage_node_path,
        data_path=replica.data_path,
    )
