"""A thin client over the generated stubs: no retries, statuses as they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple, TypeAlias, TypeVar, cast

import grpc
from google.rpc import status_pb2

from varlog_client.pb import (
    admpb_pb2,
    admpb_pb2_grpc,
    errpb_pb2,
    mrpb_pb2,
    mrpb_pb2_grpc,
    snpb_pb2,
    snpb_pb2_grpc,
)

UNLIMITED = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))
END = 2**64 - 1

Request = TypeVar("Request")
Response = TypeVar("Response")


AppendCall: TypeAlias = "grpc.aio.StreamStreamCall[snpb_pb2.AppendRequest, snpb_pb2.AppendResponse]"


class Ended(NamedTuple):
    """How an RPC ended."""

    code: grpc.StatusCode
    text: str
    details: list[str]


def ended(error: grpc.aio.AioRpcError) -> Ended:
    details: list[str] = []
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for packed in status_pb2.Status.FromString(value).details:
                detail = errpb_pb2.ErrorDetail()
                assert packed.Unpack(detail)
                details.append(detail.error_string)
    return Ended(error.code(), error.details() or "", details)


class AppendStream:
    """One open Append call."""

    def __init__(self, call: AppendCall, topic_id: int, log_stream_id: int) -> None:
        self.call = call
        self._ids = {"topic_id": topic_id, "log_stream_id": log_stream_id}

    async def send(self, *payload: bytes) -> None:
        await self.call.write(snpb_pb2.AppendRequest(**self._ids, payload=payload))

    async def send_raw(self, request: snpb_pb2.AppendRequest) -> None:
        await self.call.write(request)

    async def answer(self) -> list[tuple[int, int]]:
        """(GLSN, LLSN) of each entry of the oldest unanswered request."""
        response = await self.call.read()
        assert isinstance(response, snpb_pb2.AppendResponse), "the stream ended with OK"
        for result in response.results:
            assert (result.meta.topic_id, result.meta.log_stream_id) == tuple(self._ids.values())
            assert not result.error
        return [(result.meta.glsn, result.meta.llsn) for result in response.results]

    async def end(self) -> Ended:
        """Reads on to the end of the stream."""
        try:
            while await self.call.read() is not grpc.aio.EOF:
                pass
        except grpc.aio.AioRpcError as error:
            return ended(error)
        return Ended(await self.call.code(), await self.call.details() or "", [])

    async def append(self, *payload: bytes) -> list[tuple[int, int]]:
        await self.send(*payload)
        return await self.answer()


class LiteClient:
    def __init__(self, address: str) -> None:
        self.channel = grpc.aio.insecure_channel(address, UNLIMITED)
        self.log_io = snpb_pb2_grpc.LogIOStub(self.channel)
        self.node = snpb_pb2_grpc.ManagementStub(self.channel)
        self.admin = admpb_pb2_grpc.ClusterManagerStub(self.channel)
        self.repository = mrpb_pb2_grpc.MetadataRepositoryServiceStub(self.channel)
        self.members = mrpb_pb2_grpc.ManagementStub(self.channel)

    async def add_topic(self) -> int:
        return (await self.admin.AddTopic(admpb_pb2.AddTopicRequest())).topic.topic_id

    async def add_log_stream(self, topic_id: int) -> int:
        request = admpb_pb2.AddLogStreamRequest(topic_id=topic_id)
        return (await self.admin.AddLogStream(request)).log_stream.log_stream_id

    async def new_log_stream(self) -> tuple[int, int]:
        topic_id = await self.add_topic()
        return topic_id, await self.add_log_stream(topic_id)

    def open_append(self, topic_id: int, log_stream_id: int) -> AppendStream:
        return AppendStream(self.log_io.Append(), topic_id, log_stream_id)

    async def append(self, topic_id: int, log_stream_id: int, *payload: bytes) -> list[tuple[int, int]]:
        """On a stream of its own. Raises the status as it comes."""
        stream = self.open_append(topic_id, log_stream_id)
        answer = await stream.append(*payload)
        await stream.call.done_writing()
        assert (await stream.end()).code is grpc.StatusCode.OK
        return answer

    async def try_append(self, topic_id: int, log_stream_id: int, *payload: bytes) -> Ended:
        """For an append that is to be refused."""
        stream = self.open_append(topic_id, log_stream_id)
        await stream.send(*payload)
        return await stream.end()

    async def read(
        self, topic_id: int, log_stream_id: int, begin: int = 1, end: int = END, *, limit: int | None = None
    ) -> list[tuple[int, bytes]]:
        """(LLSN, data) of [begin, end); of an endless range the first `limit`."""
        request = snpb_pb2.SubscribeToRequest(
            topic_id=topic_id, log_stream_id=log_stream_id, llsn_begin=begin, llsn_end=end
        )
        call = self.log_io.SubscribeTo(request)
        found = await _take(call, limit)
        for response in found:
            assert response.log_entry.meta.glsn == 0
        return [(response.log_entry.meta.llsn, response.log_entry.data) for response in found]

    async def read_glsn(
        self, topic_id: int, log_stream_id: int, begin: int = 1, end: int = END, *, limit: int | None = None
    ) -> list[tuple[int, int, bytes]]:
        request = snpb_pb2.SubscribeRequest(
            topic_id=topic_id, log_stream_id=log_stream_id, glsn_begin=begin, glsn_end=end
        )
        found = await _take(self.log_io.Subscribe(request), limit)
        return [(response.glsn, response.llsn, response.payload) for response in found]

    async def replica(self, topic_id: int, log_stream_id: int) -> snpb_pb2.LogStreamReplicaMetadataDescriptor:
        request = snpb_pb2.LogStreamReplicaMetadataRequest(topic_id=topic_id, log_stream_id=log_stream_id)
        return (await self.log_io.LogStreamReplicaMetadata(request)).log_stream_replica

    async def watermarks(self, topic_id: int, log_stream_id: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """((LLSN, GLSN) of the first, (LLSN, GLSN) of the last)."""
        replica = await self.replica(topic_id, log_stream_id)
        low, high = replica.local_low_watermark, replica.local_high_watermark
        return (low.llsn, low.glsn), (high.llsn, high.glsn)

    async def seal(self, topic_id: int, log_stream_id: int) -> admpb_pb2.SealResponse:
        return await self.admin.Seal(admpb_pb2.SealRequest(topic_id=topic_id, log_stream_id=log_stream_id))

    async def unseal(self, topic_id: int, log_stream_id: int) -> None:
        await self.admin.Unseal(admpb_pb2.UnsealRequest(topic_id=topic_id, log_stream_id=log_stream_id))

    async def trim(self, topic_id: int, glsn: int) -> dict[int, str]:
        response = await self.admin.Trim(admpb_pb2.TrimRequest(topic_id=topic_id, last_glsn=glsn))
        return {result.log_stream_id: result.error for result in response.results}

    async def metadata(self) -> tuple[int, dict[int, int], list[int]]:
        """(applied index, status by log stream, topics)."""
        answer = await self.repository.GetMetadata(mrpb_pb2.GetMetadataRequest())
        metadata = answer.metadata
        statuses = {stream.log_stream_id: int(stream.status) for stream in metadata.log_streams}
        assert list(statuses) == sorted(statuses)
        return metadata.applied_index, statuses, [topic.topic_id for topic in metadata.topics]


async def _take(call: grpc.aio.UnaryStreamCall[Request, Response], limit: int | None) -> list[Response]:
    found: list[Response] = []
    while limit is None or len(found) < limit:
        response = await call.read()
        if response is grpc.aio.EOF:
            return found
        found.append(cast("Response", response))
    call.cancel()
    return found


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[LiteClient]:
    client = LiteClient(address)
    try:
        yield client
    finally:
        await client.channel.close()


async def eventually(condition: Callable[[], Awaitable[bool]], timeout_s: float = 10.0) -> None:
    """Waits until it holds; fails the test if it doesn't in time."""
    async with asyncio.timeout(timeout_s):
        while not await condition():
            await asyncio.sleep(0.005)


async def refused(answer: Awaitable[object]) -> Ended:
    """How it was refused; fails the test if it wasn't."""
    try:
        await answer
    except grpc.aio.AioRpcError as error:
        return ended(error)
    raise AssertionError("it was not refused")


def payloads(entries: Sequence[tuple[int, bytes]]) -> list[bytes]:
    return [data for _, data in entries]
