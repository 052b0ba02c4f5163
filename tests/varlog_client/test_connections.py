"""Channels: one per server, any message size; what is read anew when a stream breaks."""

from __future__ import annotations

import asyncio

from grpc import StatusCode

from tests.varlog_client.answers import BOUND_S
from tests.varlog_client.scripted import STREAM, TOPIC, ScriptedVarlog
from varlog_client import GLSN, LLSN, Log

LARGE = b"x" * (9 << 20)  # more than twice what gRPC lets through by default


async def test_everything_goes_over_one_connection_per_server(server: ScriptedVarlog, log: Log) -> None:
    appending = asyncio.create_task(log.appender(TOPIC, STREAM).append([b"x"]))
    shared = asyncio.create_task(log.append(TOPIC, [b"y"]))
    for _ in range(2):
        stream = await server.stream()
        await stream.answer(await stream.request())
    await asyncio.gather(appending, shared)
    log.subscribe_to(TOPIC, STREAM, LLSN(1))
    log.subscribe(TOPIC, GLSN(1))
    await server.subscription()
    await server.topic_subscription()
    await log.refresh()
    assert len(server.peers) == 1


async def test_entries_of_any_size_come_and_go(server: ScriptedVarlog, log: Log) -> None:
    entries = log.subscribe_to(TOPIC, STREAM, LLSN(1), LLSN(2))
    await (await server.subscription()).entry(1, LARGE)
    async with asyncio.timeout(BOUND_S):
        assert [entry.data async for entry in entries] == [LARGE]


async def test_a_broken_subscription_renews_the_metadata(server: ScriptedVarlog, log: Log) -> None:
    before = server.metadata_calls
    async with log.subscribe_to(TOPIC, STREAM, LLSN(1)), log.subscribe(TOPIC, GLSN(1)):
        await (await server.subscription()).end(StatusCode.UNAVAILABLE, "gone")
        await server.subscription()
        async with asyncio.timeout(BOUND_S):
            while server.metadata_calls == before:
                await asyncio.sleep(0.01)
        between = server.metadata_calls
        await (await server.topic_subscription()).end(StatusCode.UNAVAILABLE, "gone")
        async with asyncio.timeout(BOUND_S):
            while server.metadata_calls == between:
                await asyncio.sleep(0.01)


async def test_a_server_that_comes_back_is_used_again(log: Log, server: ScriptedVarlog) -> None:
    port = server.address
    await server.stop()
    appending = asyncio.create_task(log.append(TOPIC, [b"x"], retries=20))
    async with ScriptedVarlog(address=port) as again:
        stream = await again.stream()
        await stream.answer(await stream.request())
        async with asyncio.timeout(BOUND_S):
            [meta] = await appending
    assert meta.llsn == 1
