"""The whole door over real sockets, before real partitions on scripted logs; a client that speaks bytes."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TypeVar, cast
from uuid import UUID

from kov.broker import Broker, Node, Topics
from kov.handlers import APIS
from kov.handlers.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic
from kov.handlers.produce import PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData
from kov.partition.limits import Limits as PartitionLimits
from kov.partition.partition import Partition
from kov.partition.table import PartitionTable
from kov.peer import serve_connection_factory
from kov.peers import Peers
from kov.topics import Origin, Topic
from kov.wire.limits import Limits
from kov.wire.schema import response_type
from tests.kov.partition.scripted import TOPIC_ID, ScriptedLog, partition_on
from tests.kov.wire.requests import Entity, as_own, decode_response, frame, request, sized
from varlog_client.types import ClusterId, LogStreamId

A = TypeVar("A")

ORDERS = UUID(int=77)
LISTENER = "internal"
UNTAGGED_RESPONSES = {18}


class Partitions:
    """Stands in for the `PartitionTable`: one scripted log each."""

    def __init__(self, limits: PartitionLimits | None) -> None:
        self.logs: dict[int, ScriptedLog] = {}
        self.made: dict[int, Partition] = {}
        self._limits = limits

    def get(self, topic: Topic, index: int) -> Partition:
        if index not in self.made:
            self.logs[index] = log = self.logs.get(index) or ScriptedLog()
            self.made[index] = partition_on(log, limits=self._limits)
        return self.made[index]

    def known(self, topic: Topic, index: int) -> Partition | None:
        return self.made.get(index)

    async def close(self) -> None:
        for index, partition in self.made.items():
            self.logs[index].release()
            await partition.close(1)


class Wire:
    """A client that sends any bytes, and reads answers as kio entities."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, body: Entity, *, correlation_id: int = 7) -> None:
        self.send_bytes(sized(frame(body, correlation_id=correlation_id)))

    def send_bytes(self, data: bytes) -> None:
        self.writer.write(data)

    async def receive_bytes(self) -> bytes:
        async with asyncio.timeout(5):
            (size,) = struct.unpack(">i", await self.reader.readexactly(4))
            return await self.reader.readexactly(size)

    async def receive(self, key: int, version: int) -> tuple[int, Entity]:
        """Correlation id and body of the next answer."""
        schema = response_type(key, version)
        tagged = schema.__flexible__ and key not in UNTAGGED_RESPONSES
        return decode_response(schema, await self.receive_bytes(), tagged_header=tagged)

    async def ask(self, answer: type[A], version: int, body: object) -> A:
        """Sends a handler's own request type in a version; the answer as the handler's own type."""
        return as_own(answer, await self.ask_entity(version, body))

    async def ask_entity(self, version: int, body: object) -> Entity:
        """The same, with the answer as kio read it."""
        (key,) = [api.key for api in APIS.values() if api.request is type(body)]
        self.send(request(key, version, body))
        correlation_id, entity = await self.receive(key, version)
        assert correlation_id == 7
        return entity

    async def is_closed(self) -> bool:
        """Whether the server hangs up without another answer."""
        async with asyncio.timeout(5):
            try:
                return await self.reader.read(1) == b""
            except ConnectionResetError:
                return True


class Door:
    """A running listener. `logs[i]` is what lies behind partition `i` of the topic `orders`."""

    def __init__(self, broker: Broker, partitions: Partitions, topics: Topics, peers: Peers) -> None:
        self.broker = broker
        self.partitions = partitions
        self.topics = topics
        self.peers = peers
        self._wires: list[Wire] = []

    async def listen(self) -> None:
        factory = serve_connection_factory(self.broker, LISTENER, self.peers)
        self.server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0)

    async def connect(self) -> Wire:
        wire = Wire(*await asyncio.open_connection(*self.server.sockets[0].getsockname()))
        self._wires.append(wire)
        return wire

    async def close(self) -> None:
        self.server.close()
        for wire in self._wires:
            wire.writer.close()
        await self.peers.close(0.2)
        assert len(self.peers) == 0
        await self.partitions.close()


@asynccontextmanager
async def a_door(
    *,
    partitions: int = 2,
    nodes: Mapping[str, Sequence[Node]] | None = None,
    limits: Limits | None = None,
    partition_limits: PartitionLimits | None = None,
) -> AsyncIterator[Door]:
    topic = Topic(
        name="orders",
        uuid=ORDERS,
        topic_id=TOPIC_ID,
        log_streams=tuple(LogStreamId(n + 1) for n in range(partitions)),
        origin=Origin.FILE,
    )
    table, topics = Partitions(partition_limits), Topics([topic])
    broker = Broker(
        cluster_id=ClusterId(1),
        node_id=1,
        nodes=nodes or {LISTENER: [Node(node_id=1, host="kov-1", port=9092, rack="r1")]},
        topics=topics,
        partitions=cast("PartitionTable", table),
    )
    door = Door(broker, table, topics, Peers(limits))
    await door.listen()
    try:
        yield door
    finally:
        await door.close()


def producing(
    records: bytes | None,
    *,
    name: str = "orders",
    topic_id: UUID | None = None,
    index: int = 0,
    acks: int = -1,
    timeout_s: float = 5.0,
    transactional_id: str | None = None,
) -> ProduceRequest:
    part = PartitionProduceData(index=index, records=records)
    return ProduceRequest(
        acks=acks,
        timeout=timedelta(seconds=timeout_s),
        topic_data=(TopicProduceData(name=name, topic_id=topic_id, partition_data=(part,)),),
        transactional_id=transactional_id,
    )


def fetching(
    offset: int,
    *,
    index: int = 0,
    name: str = "orders",
    topic_id: UUID | None = None,
    max_wait_s: float = 0.0,
    min_bytes: int = 1,
    max_bytes: int = 1_000_000,
    partition_max_bytes: int = 1_000_000,
    leader_epoch: int = -1,
    session_epoch: int = -1,
) -> FetchRequest:
    part = FetchPartition(
        partition=index,
        fetch_offset=offset,
        partition_max_bytes=partition_max_bytes,
        current_leader_epoch=leader_epoch,
    )
    return FetchRequest(
        max_wait=timedelta(seconds=max_wait_s),
        min_bytes=min_bytes,
        max_bytes=max_bytes,
        topics=(FetchTopic(topic=name, topic_id=topic_id, partitions=(part,)),),
        session_epoch=session_epoch,
    )


async def produce(wire: Wire, version: int, body: ProduceRequest) -> ProduceResponse:
    return await wire.ask(ProduceResponse, version, body)


async def fetch(wire: Wire, version: int, body: FetchRequest) -> FetchResponse:
    return await wire.ask(FetchResponse, version, body)
