"""What broken, hostile and vanishing clients do must not be felt by the next healthy one."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator

import pytest
from kio.schema.errors import ErrorCode

from kov.handlers import APIS
from kov.handlers.api_versions import ApiVersionsRequest, ApiVersionsResponse
from kov.handlers.metadata import MetadataRequest, MetadataRequestTopic
from kov.wire.limits import Limits
from tests.builders import batch
from tests.kov.handlers.door import Door, Wire, a_door, produce, producing
from tests.kov.wire.requests import frame, request, sized
from tests.kov_process import KovProcess
from tests.waiting import wait_for

HEADER = struct.Struct(">hhih")
PRODUCE = frame(request(0, 9, producing(batch())))
METADATA = frame(request(3, 1, MetadataRequest(topics=(MetadataRequestTopic(name="orders"),))))


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with a_door(limits=Limits(max_request_bytes=1_000_000)) as door:
        yield door
        healthy = await door.connect()
        answer = await produce(healthy, 9, producing(batch()))
        assert answer.responses[0].partition_responses[0].error_code is ErrorCode.none


@pytest.fixture
async def wire(door: Door) -> Wire:
    return await door.connect()


def header(key: int, version: int) -> bytes:
    return HEADER.pack(key, version, 7, -1)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: kov\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
        struct.pack(">i", -1) + bytes(20),
        struct.pack(">i", 1_000_001),
        struct.pack(">i", 2**31 - 1) + bytes(20),
        sized(b""),
        sized(b"\0\0\0"),
        sized(bytes(9)),
        sized(header(99, 0)),
        sized(header(-1, 0)),
        sized(header(11, 0)),
        sized(header(3, 14)),
        sized(header(3, -1)),
        sized(PRODUCE[:2] + b"\0\2" + PRODUCE[4:]),
        sized(PRODUCE[:2] + b"\0\0" + PRODUCE[4:]),
        sized(PRODUCE[:-10]),
        sized(PRODUCE[:20] + b"\xff\xff\xff\xff\x0f" + PRODUCE[20:]),
        sized(METADATA[:-12] + b"\x7f\xff\xff\xff" + METADATA[-8:]),
        sized(METADATA[:8] + b"\x7f\xff" + METADATA[10:]),
    ],
    ids=[
        "http", "tls", "negative size", "too large", "huge", "empty", "no header", "half a header",
        "unknown api", "negative api", "an api not served", "unsupported version", "negative version",
        "produce v2", "produce v0", "cut", "broken varint", "array length", "client id length",
    ],
)  # fmt: skip
async def test_bad_input_closes_its_connection_and_says_why(
    wire: Wire, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    wire.send_bytes(data)
    assert await wire.is_closed()
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "closing the connection" in record.getMessage()
    assert "127.0.0.1:" in record.getMessage()


async def test_text_that_is_not_utf_8_is_read_as_java_reads_it(wire: Wire) -> None:
    wire.send_bytes(sized(METADATA[:-6] + b"\xff\xfe\xfd\xfc\xfb\xfa"))
    assert "invalid_topic_exception" in repr(await wire.receive(3, 1))


@pytest.mark.parametrize("api", APIS.values(), ids=lambda api: api.name)
async def test_the_version_behind_the_last_closes_the_connection(wire: Wire, api: object) -> None:
    key, after = api.key, api.versions[-1] + 1  # type: ignore[attr-defined]
    wire.send_bytes(sized(header(key, after)))
    if key == 18:
        assert (await wire.receive(18, 0))[0] == 7
    else:
        assert await wire.is_closed()


async def test_requests_before_the_bad_one_are_answered(wire: Wire) -> None:
    good = sized(frame(request(18, 0, ApiVersionsRequest()), correlation_id=1))
    wire.send_bytes(good + sized(PRODUCE) + sized(header(99, 0)) + good)
    assert (await wire.receive(18, 0))[0] == 1
    assert (await wire.receive(0, 9))[0] == 7
    assert await wire.is_closed()


async def test_one_byte_per_write_is_as_good_as_any(wire: Wire) -> None:
    for byte in sized(PRODUCE) + sized(METADATA):
        wire.send_bytes(bytes([byte]))
        await wire.writer.drain()
        await asyncio.sleep(0)
    assert (await wire.receive(0, 9))[0] == 7
    assert (await wire.receive(3, 1))[0] == 7


async def test_a_request_that_never_ends_holds_nobody_up(door: Door, wire: Wire) -> None:
    wire.send_bytes(struct.pack(">i", 900_000) + bytes(100_000))
    await wire.writer.drain()
    other = await door.connect()
    assert (await other.ask(ApiVersionsResponse, 0, ApiVersionsRequest())).error_code is ErrorCode.none


async def test_the_real_server_lives_on(shared_kov: KovProcess, topic: str) -> None:
    host, port = shared_kov.address.rsplit(":", 1)
    for data in (b"GET / HTTP/1.1\r\n\r\n", sized(header(99, 0)), sized(PRODUCE[:-10]), sized(METADATA[:20])):
        wire = Wire(*await asyncio.open_connection(host, int(port)))
        wire.send_bytes(data)
        assert await wire.is_closed()
        wire.writer.close()
    healthy = Wire(*await asyncio.open_connection(host, int(port)))
    asked = MetadataRequest(topics=(MetadataRequestTopic(name=topic),))
    async with asyncio.timeout(20):
        while "leader_not_available" in repr(await healthy.ask_entity(1, asked)):
            await asyncio.sleep(0.05)
    answer = await produce(healthy, 9, producing(batch(), name=topic))
    assert answer.responses[0].partition_responses[0].error_code is ErrorCode.none
    healthy.writer.close()


async def test_many_connections_that_say_nothing_are_let_go(door: Door) -> None:
    wires = [await door.connect() for _ in range(100)]
    await wait_for(lambda: len(door.peers) == 100)
    for wire in wires:
        wire.writer.transport.abort()
    await wait_for(lambda: len(door.peers) == 0)


async def test_a_flood_of_broken_clients_is_not_a_flood_of_log_lines(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(50):
        wire = await door.connect()
        wire.send_bytes(sized(header(99, 0)))
        assert await wire.is_closed()
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1


async def test_a_defect_in_a_handler_is_logged_and_ends_only_its_connection(
    door: Door, wire: Wire, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(listener: str) -> object:
        raise ZeroDivisionError(listener)

    with monkeypatch.context() as patch:
        patch.setattr(door.broker, "nodes", broken)
        wire.send_bytes(sized(METADATA))
        assert await wire.is_closed()
    assert "ZeroDivisionError: internal" in caplog.text
    assert "Metadata v1 failed" in caplog.text


async def test_closing_answers_what_is_under_way_and_takes_nothing_more(door: Door, wire: Wire) -> None:
    await produce(wire, 9, producing(batch()))
    log = door.partitions.logs[0]
    log.hold()
    wire.send_bytes(sized(PRODUCE))
    await wait_for(lambda: log.sent)
    idle = await door.connect()
    await wait_for(lambda: len(door.peers) == 2)
    closing = asyncio.ensure_future(door.peers.close(5))
    assert await idle.is_closed()
    wire.send_bytes(sized(METADATA))
    log.release()
    assert (await wire.receive(0, 9))[0] == 7
    assert await wire.is_closed()
    await closing
    door.peers._closing = False  # the door's own check wants a healthy client afterwards


async def test_closing_cuts_off_what_is_not_answered_in_time(door: Door, wire: Wire) -> None:
    await produce(wire, 9, producing(batch()))
    door.partitions.logs[0].hold()
    wire.send_bytes(sized(PRODUCE))
    await wait_for(lambda: door.partitions.logs[0].sent)
    await door.peers.close(0.05)
    assert await wire.is_closed()
    late = await door.connect()
    assert await late.is_closed()
    door.partitions.logs[0].release()
    door.peers._closing = False
