"""How many may connect, and for how long without asking: the whole door, over real sockets."""

from __future__ import annotations

import asyncio
import gc
import logging
import time

import pytest
from kio.schema.errors import ErrorCode

from kov.errors import KafkaError
from kov.handlers.api_versions import ApiVersionsRequest, ApiVersionsResponse
from kov.handlers.produce import ProduceRequest
from kov.wire.limits import MIB, Limits
from tests.builders import batch
from tests.kov.handlers.door import Door, Wire, a_door, fetch, fetching, produce, producing
from tests.kov.wire.requests import frame, request, sized
from tests.waiting import wait_for


async def is_served(wire: Wire) -> bool:
    answer = await wire.ask(ApiVersionsResponse, 0, ApiVersionsRequest())
    return answer.error_code is ErrorCode.none


async def connect_from(door: Door, host: str) -> Wire:
    address = door.server.sockets[0].getsockname()
    wire = Wire(*await asyncio.open_connection(*address, local_addr=(host, 0)))
    door._wires.append(wire)
    return wire


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]


async def test_past_max_connections_the_newcomer_is_closed_and_the_others_stay(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with a_door(limits=Limits(max_connections=2)) as door:
        first, second = await door.connect(), await door.connect()
        assert await is_served(first)
        assert await is_served(second)
        for _ in range(20):
            assert await (await door.connect()).is_closed()
        assert len(door.peers) == 2
        assert await is_served(first)
        (said,) = warnings(caplog)  # one of twenty
        assert "refusing the connection: there are 2 connections, as many as max.connections allows" in said


async def test_a_connection_that_ended_makes_room_for_another() -> None:
    async with a_door(limits=Limits(max_connections=1, max_connections_per_host=1)) as door:
        for _ in range(5):
            wire = await door.connect()
            assert await is_served(wire)
            assert await (await door.connect()).is_closed()
            wire.writer.close()
            await wait_for(lambda: len(door.peers) == 0)


async def test_one_address_can_t_take_all_connections(caplog: pytest.LogCaptureFixture) -> None:
    async with a_door(limits=Limits(max_connections=5, max_connections_per_host=2)) as door:
        for _ in range(2):
            assert await is_served(await connect_from(door, "127.0.0.1"))
        assert await (await connect_from(door, "127.0.0.1")).is_closed()
        for _ in range(2):
            assert await is_served(await connect_from(door, "127.0.0.2"))
        (said,) = warnings(caplog)
        assert "127.0.0.1 has 2 connections, as many as max.connections.per.ip allows" in said


async def test_idle_connections_are_closed_and_busy_ones_stay(caplog: pytest.LogCaptureFixture) -> None:
    async with a_door(limits=Limits(max_idle_s=0.3)) as door:
        begun = time.monotonic()
        idle, busy = await door.connect(), await door.connect()
        closed = asyncio.create_task(idle.is_closed())
        while not closed.done():
            assert await is_served(busy)
            await asyncio.sleep(0.02)
        assert time.monotonic() - begun >= 0.3
        assert await is_served(busy)
        assert warnings(caplog) == []


async def test_a_fetch_that_waits_longer_than_a_connection_may_be_idle_is_answered() -> None:
    async with a_door(limits=Limits(max_idle_s=0.2)) as door:
        wire = await door.connect()
        begun = time.monotonic()
        answer = await fetch(wire, 4, fetching(0, max_wait_s=0.8))
        assert answer.responses[0].partitions[0].error_code is ErrorCode.none
        assert time.monotonic() - begun > 0.7
        assert await wire.is_closed()


async def test_a_produce_that_storage_holds_up_keeps_its_connection() -> None:
    async with a_door(limits=Limits(max_idle_s=0.2)) as door:
        wire = await door.connect()
        assert (await fetch(wire, 4, fetching(0))).responses
        door.partitions.logs[0].hold()
        wire.send_bytes(sized(frame(request(0, 9, producing(batch())))))
        await asyncio.sleep(0.6)  # three times what an idle connection gets
        assert len(door.peers) == 1
        door.partitions.logs[0].release()
        assert (await wire.receive(0, 9))[0] == 7


async def test_one_byte_now_and_then_keeps_no_connection(caplog: pytest.LogCaptureFixture) -> None:
    async with a_door(limits=Limits(max_idle_s=0.3)) as door:
        wire = await door.connect()
        closed = asyncio.create_task(wire.is_closed())
        for byte in sized(frame(request(0, 9, producing(batch())))):
            wire.send_bytes(bytes([byte]))
            await asyncio.sleep(0.02)
            if closed.done():
                break
        assert closed.done()
        (said,) = warnings(caplog)
        assert "a request has begun and doesn't arrive" in said


async def test_nothing_is_swept_when_nobody_is_connected() -> None:
    async with a_door(limits=Limits(max_idle_s=0.05)) as door:
        await wait_for(lambda: door.peers._sweep is None)
        assert await is_served(await door.connect())
        assert door.peers._sweep is not None
        await wait_for(lambda: len(door.peers) == 0 and door.peers._sweep is None)


async def test_a_fetch_gets_less_where_little_memory_is_left_and_gives_it_back() -> None:
    async with a_door(limits=Limits(max_total_bytes=4 * MIB)) as door:
        wire = await door.connect()
        for _ in range(4):
            assert (await produce(wire, 9, producing(batch([bytes(600_000)])))).responses
        answer = await fetch(wire, 4, fetching(0, max_bytes=50 * MIB, partition_max_bytes=50 * MIB))
        (part,) = answer.responses[0].partitions
        assert 600_000 < len(b"".join(part.records)) < 700_000  # two would be more than 1 MiB
        await wait_for(lambda: door.peers.budget.used == 0)


async def test_what_a_waiting_fetch_has_found_counts_until_its_connection_is_gone() -> None:
    async with a_door() as door:
        wire = await door.connect()
        assert (await produce(wire, 9, producing(batch([bytes(600_000)])))).responses
        wire.send(request(1, 4, fetching(0, max_wait_s=30, min_bytes=MIB)))
        await wait_for(lambda: 600_000 < door.peers.budget.used < 700_000)
        wire.writer.close()
        await wait_for(lambda: door.peers.budget.used == 0)


def refusable() -> list[object]:
    return [each for each in gc.get_objects() if isinstance(each, ProduceRequest | KafkaError)]


async def test_what_was_refused_is_not_kept_until_the_garbage_collector_comes() -> None:
    """An error that keeps its traceback keeps the request, in a circle; and collections are seldom."""
    async with a_door() as door:
        wire = await door.connect()
        assert (await produce(wire, 9, producing(batch()))).responses
        gc.collect()
        before = {id(each) for each in refusable()}  # of other tests
        gc.disable()
        try:
            for index, records in ((99, batch()), (0, b"no batch"), (0, batch())):
                assert (await produce(wire, 9, producing(records, index=index))).responses
            for offset in (99, -1, 0):
                assert (await fetch(wire, 12, fetching(offset))).responses
            await wire.ask(ApiVersionsResponse, 0, ApiVersionsRequest())
            kept = [repr(each) for each in refusable() if id(each) not in before]
        finally:
            gc.enable()
        assert kept == []
