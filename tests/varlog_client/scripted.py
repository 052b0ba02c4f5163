"""A storage node and metadata repository that do only what the test says.

For faults that no real server can be made to show at the right moment. It keeps no entries.

    async with ScriptedVarlog() as server:
        log = await Log.open(1, [server.address])
        appender = log.appender(TOPIC, STREAM)
        stream = await server.stream()          # the Append call, once it is open
        request = await stream.request()
        await stream.answer(request)
        await stream.end(StatusCode.FAILED_PRECONDITION, "sealed")
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, TypeAlias

import grpc
import grpc.aio
from grpc import StatusCode

from varlog_client import LogStreamId, LogStreamStatus, StorageNodeId, TopicId
from varlog_client.pb import mrpb_pb2, snpb_pb2, varlogpb_pb2

TOPIC = TopicId(1)
STREAM = LogStreamId(7)
NODE = StorageNodeId(1)

_BOUND_S = 20.0
_Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]
_Step: TypeAlias = Callable[[_Context], Awaitable[bool]]  # True: the call goes on


class _Call:
    """A call in the test's hands: what it shall do next comes through `_steps`."""

    def __init__(self) -> None:
        self.cancelled = asyncio.Event()
        self._steps: asyncio.Queue[_Step] = asyncio.Queue()

    async def end(self, code: StatusCode = StatusCode.OK, details: str = "") -> None:
        async def end(context: _Context) -> bool:
            if code is not StatusCode.OK:
                await context.abort(code, details)
            return False

        self._steps.put_nowait(end)

    async def send(self, message: bytes) -> None:
        async def send(context: _Context) -> bool:
            await context.write(message)
            return True

        self._steps.put_nowait(send)

    async def perform(self, context: _Context) -> None:
        try:
            while await (await self._steps.get())(context):
                pass
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


class ScriptedStream(_Call):
    """One Append call."""

    def __init__(self) -> None:
        super().__init__()
        self.next_llsn = 1
        self.requests: asyncio.Queue[snpb_pb2.AppendRequest] = asyncio.Queue()

    async def request(self) -> snpb_pb2.AppendRequest:
        return await asyncio.wait_for(self.requests.get(), _BOUND_S)

    async def answer(self, request: snpb_pb2.AppendRequest, *, llsns: list[int] | None = None) -> None:
        """As a good server would, or with other LLSNs."""
        if llsns is None:
            llsns = list(range(self.next_llsn, self.next_llsn + len(request.payload)))
            self.next_llsn += len(llsns)
        metas = [
            varlogpb_pb2.LogEntryMeta(topic_id=TOPIC, log_stream_id=STREAM, glsn=n, llsn=n) for n in llsns
        ]
        results = [snpb_pb2.AppendResult(meta=meta) for meta in metas]
        await self.send(snpb_pb2.AppendResponse(results=results).SerializeToString())

    async def read_requests(self, context: _Context) -> None:
        while (request := await context.read()) is not grpc.aio.EOF:
            self.requests.put_nowait(request)


class ScriptedSubscription(_Call):
    """One SubscribeTo call."""

    def __init__(self, request: snpb_pb2.SubscribeToRequest) -> None:
        super().__init__()
        self.begin = request.llsn_begin
        self.end_llsn = request.llsn_end

    async def entry(self, llsn: int, data: bytes = b"entry") -> None:
        meta = varlogpb_pb2.LogEntryMeta(topic_id=TOPIC, log_stream_id=STREAM, llsn=llsn)
        entry = varlogpb_pb2.LogEntry(meta=meta, data=data)
        await self.send(snpb_pb2.SubscribeToResponse(log_entry=entry).SerializeToString())


class ScriptedTopicSubscription(_Call):
    """One Subscribe call."""

    def __init__(self, request: snpb_pb2.SubscribeRequest) -> None:
        super().__init__()
        self.log_stream_id = request.log_stream_id
        self.begin = request.glsn_begin
        self.end_glsn = request.glsn_end

    async def entry(self, llsn: int, glsn: int) -> None:
        response = snpb_pb2.SubscribeResponse(llsn=llsn, glsn=glsn, payload=b"%d" % glsn)
        await self.send(response.SerializeToString())


class ScriptedVarlog:
    """All services on `address`. Its metadata names `nodes`, the first of them as the primary of each of
    `log_streams`."""

    def __init__(self, node_id: StorageNodeId = NODE, address: str = "127.0.0.1:0") -> None:
        self.node_id = node_id
        self.address = address
        self.endpoint = ""
        self.nodes: dict[StorageNodeId, str] = {}
        self.log_streams = [STREAM]
        self.stream_status = LogStreamStatus.RUNNING
        self.global_watermark = 0
        self.trims: list[snpb_pb2.TrimDeprecatedRequest] = []
        self.leader = 1
        self.cluster_id = 1
        self.version = 1
        self.metadata_calls = 0
        self.metadata_gate = asyncio.Event()
        self.metadata_gate.set()
        self.status = LogStreamStatus.RUNNING
        self.watermarks: tuple[int, int] | None = (0, 0)
        self.replica_error: StatusCode | None = None
        self.peers: set[str] = set()  # the connections that calls came by
        self.streams: list[ScriptedStream] = []
        self.subscriptions: list[ScriptedSubscription] = []
        self._new_streams: asyncio.Queue[ScriptedStream] = asyncio.Queue()
        self._new_subscriptions: asyncio.Queue[ScriptedSubscription] = asyncio.Queue()
        self._new_topic_subscriptions: asyncio.Queue[ScriptedTopicSubscription] = asyncio.Queue()
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers(self._handlers())

    async def __aenter__(self) -> ScriptedVarlog:
        self.address = f"127.0.0.1:{self._server.add_insecure_port(self.address)}"
        self.nodes = {self.node_id: self.address}
        await self._server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Breaks all connections."""
        await self._server.stop(0)

    async def stream(self) -> ScriptedStream:
        return await asyncio.wait_for(self._new_streams.get(), _BOUND_S)

    async def subscription(self) -> ScriptedSubscription:
        return await asyncio.wait_for(self._new_subscriptions.get(), _BOUND_S)

    async def topic_subscription(self) -> ScriptedTopicSubscription:
        return await asyncio.wait_for(self._new_topic_subscriptions.get(), _BOUND_S)

    # The services

    def _handlers(self) -> list[grpc.GenericRpcHandler]:
        unary, server_stream = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
        append, subscribe = snpb_pb2.AppendRequest.FromString, snpb_pb2.SubscribeToRequest.FromString
        log_io: dict[str, Any] = {
            "Append": grpc.stream_stream_rpc_method_handler(self._append, append),
            "SubscribeTo": server_stream(self._subscribe_to, subscribe),
            "Subscribe": server_stream(self._subscribe, snpb_pb2.SubscribeRequest.FromString),
            "TrimDeprecated": unary(self._trim, snpb_pb2.TrimDeprecatedRequest.FromString),
            "LogStreamReplicaMetadata": unary(self._replica_metadata),
        }
        return [
            grpc.method_handlers_generic_handler("varlog.snpb.LogIO", log_io),
            grpc.method_handlers_generic_handler(
                "varlog.mrpb.Management", {"GetClusterInfo": unary(self._cluster_info)}
            ),
            grpc.method_handlers_generic_handler(
                "varlog.mrpb.MetadataRepositoryService", {"GetMetadata": unary(self._metadata)}
            ),
        ]

    async def _append(self, _requests: object, context: _Context) -> None:
        self.peers.add(context.peer())
        stream = ScriptedStream()
        self.streams.append(stream)
        self._new_streams.put_nowait(stream)
        reading = asyncio.create_task(stream.read_requests(context))
        try:
            await stream.perform(context)
        finally:
            reading.cancel()
            await asyncio.wait([reading])

    async def _subscribe_to(self, request: snpb_pb2.SubscribeToRequest, context: _Context) -> None:
        self.peers.add(context.peer())
        subscription = ScriptedSubscription(request)
        self.subscriptions.append(subscription)
        self._new_subscriptions.put_nowait(subscription)
        await subscription.perform(context)

    async def _subscribe(self, request: snpb_pb2.SubscribeRequest, context: _Context) -> None:
        self.peers.add(context.peer())
        subscription = ScriptedTopicSubscription(request)
        self._new_topic_subscriptions.put_nowait(subscription)
        await subscription.perform(context)

    async def _trim(self, request: snpb_pb2.TrimDeprecatedRequest, _context: _Context) -> bytes:
        self.trims.append(request)
        return b""

    async def _replica_metadata(self, _request: bytes, context: _Context) -> bytes:
        if self.replica_error is not None:
            await context.abort(self.replica_error, "no such log stream")
        if self.watermarks is None:
            await asyncio.Event().wait()  # until the client's deadline
        low, high = self.watermarks or (0, 0)
        replica = snpb_pb2.LogStreamReplicaMetadataDescriptor(
            log_stream_replica=varlogpb_pb2.LogStreamReplica(
                storage_node=varlogpb_pb2.StorageNode(storage_node_id=self.node_id)
            ),
            status=varlogpb_pb2.LogStreamStatus.ValueType(self.status),
            global_high_watermark=self.global_watermark,
            local_low_watermark=varlogpb_pb2.LogSequenceNumber(llsn=low, glsn=low),
            local_high_watermark=varlogpb_pb2.LogSequenceNumber(llsn=high, glsn=high),
        )
        return snpb_pb2.LogStreamReplicaMetadataResponse(log_stream_replica=replica).SerializeToString()

    async def _cluster_info(self, _request: bytes, _context: _Context) -> bytes:
        member = mrpb_pb2.ClusterInfo.Member(peer="http://raft", endpoint=self.endpoint or self.address)
        info = mrpb_pb2.ClusterInfo(
            cluster_id=self.cluster_id, node_id=1, leader=self.leader, members={1: member}
        )
        return mrpb_pb2.GetClusterInfoResponse(cluster_info=info).SerializeToString()

    async def _metadata(self, _request: bytes, context: _Context) -> bytes:
        self.peers.add(context.peer())
        self.metadata_calls += 1
        await self.metadata_gate.wait()
        return mrpb_pb2.GetMetadataResponse(metadata=self._descriptor()).SerializeToString()

    def _descriptor(self) -> varlogpb_pb2.MetadataDescriptor:
        nodes = [
            varlogpb_pb2.StorageNode(storage_node_id=node, address=address)
            for node, address in self.nodes.items()
        ]
        streams = [
            varlogpb_pb2.LogStreamDescriptor(
                topic_id=TOPIC,
                log_stream_id=stream,
                status=varlogpb_pb2.LogStreamStatus.ValueType(self.stream_status),
                replicas=[varlogpb_pb2.ReplicaDescriptor(storage_node_id=node) for node in self.nodes],
            )
            for stream in self.log_streams
        ]
        return varlogpb_pb2.MetadataDescriptor(
            applied_index=self.version,
            storage_nodes=[varlogpb_pb2.StorageNodeDescriptor(storage_node=node) for node in nodes],
            log_streams=streams if nodes else [],
            topics=[varlogpb_pb2.TopicDescriptor(topic_id=TOPIC, log_streams=self.log_streams)],
        )
