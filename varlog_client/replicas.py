"""How far a log stream goes: all its replicas are asked at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import grpc.aio

from varlog_client import convert
from varlog_client.errors import NotFound, Unavailable, VarlogError, from_rpc
from varlog_client.metadata import Metadata
from varlog_client.pb import snpb_pb2, snpb_pb2_grpc
from varlog_client.types import (
    LogStream,
    LogStreamId,
    LogStreamState,
    LogStreamStatus,
    Replica,
    ReplicaState,
    TopicId,
)


async def peek(
    metadata: Metadata, topic_id: TopicId, log_stream_id: LogStreamId, *, timeout_s: float
) -> LogStreamState:
    """`Log.peek` is the contract."""
    try:
        stream = metadata.log_stream(topic_id, log_stream_id)
    except NotFound:
        await metadata.refresh()
        stream = metadata.log_stream(topic_id, log_stream_id)
    answers = await asyncio.gather(
        *(_ask(metadata, stream, replica, timeout_s) for replica in stream.replicas)
    )
    states = tuple(answer for answer in answers if isinstance(answer, ReplicaState))
    if not states:
        raise _nobody(stream, [answer for answer in answers if isinstance(answer, VarlogError)])
    return _extent(stream, states)


async def _ask(
    metadata: Metadata, stream: LogStream, replica: Replica, timeout_s: float
) -> ReplicaState | VarlogError:
    request = snpb_pb2.LogStreamReplicaMetadataRequest(
        topic_id=stream.topic_id, log_stream_id=stream.log_stream_id
    )
    try:
        stub = snpb_pb2_grpc.LogIOStub(metadata.channel(replica.storage_node_id))
        answer = await stub.LogStreamReplicaMetadata(request, timeout=timeout_s)
    except grpc.aio.AioRpcError as error:
        return from_rpc(error)
    except NotFound as error:
        return error
    return convert.replica_state(answer.log_stream_replica)


def _nobody(stream: LogStream, errors: Sequence[VarlogError]) -> VarlogError:
    kind = NotFound if all(isinstance(error, NotFound) for error in errors) else Unavailable
    said = "; ".join(
        f"node {replica.storage_node_id}: {error}"
        for replica, error in zip(stream.replicas, errors, strict=True)
    )
    return kind(f"no replica of log stream {stream.log_stream_id} answered; {said}")


def _extent(stream: LogStream, states: tuple[ReplicaState, ...]) -> LogStreamState:
    primary = stream.replicas[0].storage_node_id
    status = {state.storage_node_id: state.status for state in states}
    return LogStreamState(
        first=max(state.low_watermark for state in states),
        last=max(state.high_watermark for state in states),
        replicas=states,
        readable=any(each is not LogStreamStatus.SEALING for each in status.values()),
        appendable=status.get(primary) is LogStreamStatus.RUNNING,
        sealed=all(status.get(r.storage_node_id) is LogStreamStatus.SEALED for r in stream.replicas),
    )
