"""What fuzzing found, each as the request that showed it."""

from __future__ import annotations

import asyncio
import logging
import struct
import tracemalloc
from collections.abc import AsyncIterator

import pytest
from kio.schema.errors import ErrorCode

from kov import record_contents, records
from kov.errors import KafkaError
from tests.builders import batch, idempotent, patched
from tests.fuzz.batches import compressed
from tests.fuzz.judging import MOST_REQUEST_BYTES
from tests.fuzz.ledger import Ledger
from tests.fuzz.line import Conversation
from tests.kov.handlers.door import Door, a_door, producing
from tests.kov.kafka_table.side import asking
from tests.kov.wire.requests import frame, request, sized

_MIB = 1024 * 1024
_SMALLEST_RECORD = bytes((12, 0, 0, 0, 1, 1, 0))


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with a_door() as door:
        yield door


async def test_a_name_that_no_answer_can_repeat_closes_the_connection(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    """Bytes that are no UTF-8 take three times the room in the answer, and a string has 32,767 at most."""
    good = frame(asking(3, 1, topics=[{"name": "x" * 12_000}]))
    wire = await door.connect()
    wire.send_bytes(sized(good.replace(b"x", b"\xff")))
    assert await wire.is_closed()
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_a_longer_string_than_kafka_reads_closes_the_connection(door: Door) -> None:
    wire = await door.connect()
    wire.send_bytes(sized(frame(asking(3, 12, topics=[{"name": "x" * 32_768, "topic_id": None}]))))
    assert await wire.is_closed()


async def test_a_larger_request_than_kafka_takes_closes_the_connection(door: Door) -> None:
    """Unread, whatever is in it; what came before it is answered."""
    host, port = door.server.sockets[0].getsockname()
    before, large = frame(asking(18, 0)), bytes(MOST_REQUEST_BYTES + 1)
    for talk in (Conversation([large]), Conversation([before, large], pieces=[len(before) + 4])):
        await asyncio.to_thread(talk.hold, f"{host}:{port}", Ledger({}))
    wire = await door.connect()
    wire.send(asking(18, 0))
    await wire.receive(18, 0)


async def test_a_retry_is_answered_with_whatever_time_its_producer_chose(door: Door) -> None:
    """As in Kafka a retry is told the largest timestamp of the batch, here one far behind the year 9999."""
    latest = 2**63 - 1
    data = patched(idempotent(0), 35, ">q", latest)
    wire = await door.connect()
    wire.send(request(0, 8, producing(data)))
    await wire.receive(0, 8)
    wire.send(request(0, 8, producing(data)))
    assert struct.pack(">hqq", 0, 0, latest) in await wire.receive_bytes()
    wire.send(asking(18, 0))
    await wire.receive(18, 0)


def test_very_many_tiny_records_are_not_read() -> None:
    """A few kilobytes that hold millions of records would keep everybody waiting."""
    count = record_contents.MAX_RECORDS + 1
    payload = compressed(1, _SMALLEST_RECORD * count)
    data = batch()[: records.HEADER_SIZE] + payload
    for at, form, value in ((57, ">i", count), (23, ">i", count - 1), (21, ">h", 1)):
        data = patched(data, at, form, value)
    with pytest.raises(KafkaError) as caught:
        record_contents.read(data, records.read_header(data))
    assert caught.value.code is ErrorCode.message_too_large


@pytest.mark.parametrize("codec", [3, 4])
def test_a_small_batch_costs_little_to_decompress(codec: int) -> None:
    """It took a buffer of the largest size, all of it written, and 20 ms."""
    data = batch(codec=codec)
    tracemalloc.start()
    try:
        record_contents.read(data, records.read_header(data))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < _MIB


def test_a_batch_of_no_known_codec_stands_for_its_records() -> None:
    data = patched(batch(timestamp_ms=5), 21, ">h", 7)
    assert record_contents.first_since(data, 5) == (0, 5)


@pytest.mark.parametrize(
    "record",
    [
        (12, 0, 0, 0, 1, 40, 0),
        (12, 0, 0, 0, 40, 1, 0),
        (12, 0, 0, 0, 1, 1, 1),
        (12, 0, 0, 0, 1, 1, 2),
        (16, 0, 0, 0, 1, 1, 2, 1, 1),
        (14, 0, 0, 0, 1, 1, 0, 0),
    ],
    ids=["value", "key", "negative headers", "no header", "header without a key", "bytes behind"],
)
def test_a_record_that_no_consumer_can_read_is_refused(record: tuple[int, ...]) -> None:
    """Its length was right, what stood inside was not looked at."""
    data = batch([b"v"])[: records.HEADER_SIZE] + bytes(record)
    with pytest.raises(KafkaError) as caught:
        record_contents.read(data, records.read_header(data))
    assert caught.value.code is ErrorCode.invalid_record


def test_a_record_with_headers_is_read() -> None:
    data = batch([b"v"])[: records.HEADER_SIZE] + bytes((22, 0, 0, 0, 1, 1, 4, 2, 65, 1, 0, 0))
    assert len(record_contents.read(data, records.read_header(data))) == 1
