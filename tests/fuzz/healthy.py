"""The next healthy client: what it writes is what it reads, at the offsets it was told."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any, Final, cast

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from kio.schema.errors import ErrorCode
from kio.static.protocol import Payload

from tests.builders import batch
from tests.fuzz.judging import answer_to
from tests.fuzz.ledger import Ledger, Place
from tests.fuzz.line import Line
from tests.kov.kafka_table.batches import good
from tests.kov.kafka_table.side import asking
from tests.kov.wire.requests import Entity, frame, sized

_TOPIC: Final = "healthy"
_RAW, _LIBRARY = 0, 1
_TIMEOUT_S: Final = 60.0
_MANY: Final = 1 << 20
_DELETED: Final = {ErrorCode.none, ErrorCode.unknown_topic_or_partition}  # by somebody, just now


class Unwell(Exception):
    """A healthy client got another answer than it should have."""


class Healthy:
    """Writes to the partitions of a topic that nobody else writes to."""

    def __init__(self, address: str, ledger: Ledger) -> None:
        self._address = address
        self._ledger = ledger
        self._next_offset = 0

    def open_all(self, places: Sequence[Place]) -> None:
        """A batch for each, so that no later one has to open anything."""
        with Line(self._address) as line:
            for name, index in places:
                request = frame(_produce(good(), name, index))
                self._ledger.sent(request)
                self._ledger.answered(request, asked(line, request))

    def check(self) -> None:
        """Raw requests: a produce, and a fetch of the same bytes. Raises `Unwell`."""
        sent, offset = batch([os.urandom(20), b""]), self._next_offset
        with Line(self._address) as line:
            (topic,) = ask(line, _produce(sent, _TOPIC, _RAW)).responses
            (part,) = topic.partition_responses
            if part.error_code is not ErrorCode.none or part.base_offset != offset:
                raise Unwell(f"the batch for offset {offset} was answered {part}")
            found = fetched(line, _TOPIC, _RAW, offset)
        if found[:8] != offset.to_bytes(8, "big") or found[16:] != sent[16:]:
            raise Unwell(f"offset {offset} should hold {sent.hex()}, it holds {found.hex()}")
        self._next_offset += 2

    def check_library(self) -> None:
        """The same with aiokafka. Raises `Unwell`."""
        asyncio.run(asyncio.wait_for(self._write_and_read(), _TIMEOUT_S))

    async def _write_and_read(self) -> None:
        place, value = TopicPartition(_TOPIC, _LIBRARY), os.urandom(20)
        async with AIOKafkaProducer(bootstrap_servers=self._address, enable_idempotence=True) as producer:
            told = await producer.send_and_wait(_TOPIC, value, key=b"k", partition=_LIBRARY)
        consumer = AIOKafkaConsumer(bootstrap_servers=self._address)
        await consumer.start()
        try:
            consumer.assign([place])
            consumer.seek(place, told.offset)
            read = await consumer.getone()
        finally:
            await consumer.stop()
        if (read.offset, read.key, read.value) != (told.offset, b"k", value):
            raise Unwell(f"aiokafka wrote {value!r} at {told.offset} and read {read}")

    def audit(self, places: Sequence[Place]) -> None:
        """Reads what was stored there since the last time. Raises `ledger.Misstored`."""
        with Line(self._address) as line:
            for place in places:
                while data := fetched(line, *place, self._ledger.next_offset[place]):
                    self._ledger.check(place, data)
                self._ledger.check_end(place)


def ask(line: Line, body: Entity) -> Any:
    """The decoded answer. Raises `Unwell` if there is none."""
    return cast("Any", asked(line, frame(body)))


def asked(line: Line, request: bytes) -> Payload:
    """The same for bytes."""
    line.send(sized(request))
    data = line.receive()
    if data is None:
        raise Unwell(f"the connection was closed upon {request.hex()}")
    return answer_to(request, data)


def fetched(line: Line, topic: str, index: int, offset: int) -> bytes:
    """Whole batches from `offset` on, b"" at the end. Raises `Unwell` for an error code."""
    asked = {
        "partition": index,
        "fetch_offset": offset,
        "partition_max_bytes": _MANY,
        "current_leader_epoch": -1,
    }
    body = asking(
        1, 11, replica_id=-1, max_wait=timedelta(0), min_bytes=0, max_bytes=_MANY, session_epoch=-1,
        topics=[{"topic": topic, "partitions": [asked]}],
    )  # fmt: skip
    (answered,) = ask(line, body).responses
    (part,) = answered.partitions
    if part.error_code is not ErrorCode.none:
        raise Unwell(f"a fetch of {topic}/{index} from {offset} was answered {part}")
    return bytes(part.records or b"")


def _produce(sent: bytes, topic: str, index: int) -> Entity:
    parts = [{"index": index, "records": sent}]
    return asking(
        0, 9, acks=-1, timeout=timedelta(seconds=30), topic_data=[{"name": topic, "partition_data": parts}]
    )


def delete_others(address: str, kept: Collection[str]) -> None:
    """Deletes all topics but these, as an administrator would. Raises `Unwell`."""
    with Line(address) as line:
        known = [topic.name for topic in ask(line, asking(3, 1, topics=None)).topics]
        others = [name for name in known if name not in kept]
        deleting = asking(20, 4, topic_names=others, timeout=timedelta(seconds=30))
        for answered in ask(line, deleting).responses:
            if answered.error_code not in _DELETED:
                raise Unwell(f"to delete a topic was answered {answered}")
