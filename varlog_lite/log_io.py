"""`varlog.snpb.LogIO`: append, read by LLSN and by GLSN, trim, and a replica's state.

Append is the hot path: a request is scanned, not parsed, and handed to the writer; a second coroutine
answers in order. At most `READ_AHEAD` requests of a stream are read and unanswered, then HTTP/2 flow
control holds the client. A seal doesn't touch an idle stream: its next request ends it.
"""

from __future__ import annotations

import asyncio

import grpc
from google.protobuf.empty_pb2 import Empty

from varlog_client.pb import snpb_pb2
from varlog_lite import rpc, status, wire
from varlog_lite.appending import AppendSession
from varlog_lite.cluster import Cluster
from varlog_lite.describe import Describer
from varlog_lite.reading import Reading, ReadPool
from varlog_lite.rpc import Context
from varlog_lite.status import Refusal
from varlog_lite.streams import LogStream


class LogIO:
    """`close` ends what is open: appends that were accepted are answered, then the streams end."""

    def __init__(self, cluster: Cluster, describer: Describer) -> None:
        self._cluster = cluster
        self._describer = describer
        self._pool = ReadPool(cluster.store)
        self._sessions: set[AppendSession] = set()
        self._closing = False

    def handler(self) -> grpc.GenericRpcHandler:
        methods = {
            "Append": grpc.stream_stream_rpc_method_handler(self._append),
            "Subscribe": grpc.unary_stream_rpc_method_handler(self._subscribe),
            "SubscribeTo": grpc.unary_stream_rpc_method_handler(self._subscribe_to),
            "TrimDeprecated": rpc.unary(snpb_pb2.TrimDeprecatedRequest, self._trim),
            "LogStreamReplicaMetadata": rpc.unary(
                snpb_pb2.LogStreamReplicaMetadataRequest, self._replica_metadata
            ),
        }
        return grpc.method_handlers_generic_handler("varlog.snpb.LogIO", methods)

    def close(self) -> None:
        """Nothing is accepted from here on. What is still open ends by itself, but for slow readers."""
        self._closing = True
        self._pool.stop()
        for session in tuple(self._sessions):
            session.stop()
        for stream in self._cluster.log_streams.values():
            stream.close(status.shutting_down())

    async def wait_closed(self) -> None:
        """Waits for reads under way; the RPCs must have ended."""
        await self._pool.close()

    async def _append(self, _requests: object, context: Context) -> None:
        session = AppendSession(self._cluster, context)
        if self._closing:
            session.stop()
        self._sessions.add(session)
        try:
            with rpc.client_may_go():
                refusal = await session.run()
        finally:
            self._sessions.discard(session)
        if refusal is not None:
            await rpc.end(context, refusal)

    async def _subscribe(self, raw: bytes, context: Context) -> None:
        try:
            request = rpc.parse(snpb_pb2.SubscribeRequest, raw)
            stream = self._find(request.topic_id, request.log_stream_id)
            if request.glsn_begin >= request.glsn_end:
                raise status.invalid_range()
            if request.glsn_begin <= stream.trimmed_glsn and stream.trimmed_glsn:
                raise status.trimmed()
            reading = Reading(self._pool, stream, wire.subscribe_response)
            with rpc.client_may_go():
                await reading.by_glsn(context.write, request.glsn_begin, request.glsn_end)
        except Refusal as refusal:
            await rpc.end(context, refusal)

    async def _subscribe_to(self, raw: bytes, context: Context) -> None:
        try:
            request = rpc.parse(snpb_pb2.SubscribeToRequest, raw)
            stream = self._find(request.topic_id, request.log_stream_id)
            if request.llsn_begin >= request.llsn_end:
                raise status.invalid_range()
            encode = wire.SubscribeToEncoder(request.topic_id, request.log_stream_id)
            reading = Reading(self._pool, stream, encode)
            with rpc.client_may_go():
                await reading.by_llsn(context.write, request.llsn_begin, request.llsn_end)
        except Refusal as refusal:
            await rpc.end(context, refusal)

    async def _trim(self, request: snpb_pb2.TrimDeprecatedRequest) -> Empty:
        await self._cluster.trim(request.topic_id, request.glsn)
        return Empty()

    async def _replica_metadata(
        self, request: snpb_pb2.LogStreamReplicaMetadataRequest
    ) -> snpb_pb2.LogStreamReplicaMetadataResponse:
        stream = self._find(request.topic_id, request.log_stream_id)
        (replica,) = await asyncio.to_thread(self._describer.replicas, [stream])
        return snpb_pb2.LogStreamReplicaMetadataResponse(log_stream_replica=replica)

    def _find(self, topic_id: int, log_stream_id: int) -> LogStream:
        if topic_id <= 0:
            raise status.invalid_topic(topic_id)
        if log_stream_id <= 0:
            raise status.invalid_log_stream(log_stream_id)
        stream = self._cluster.find(topic_id, log_stream_id)
        if stream is None:
            raise status.no_such_log_stream()
        return stream
