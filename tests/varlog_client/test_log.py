"""Opening a log, its metadata, and peek, against a server that says what it is told to."""

from __future__ import annotations

import asyncio
import logging
import socket

import pytest
from grpc import StatusCode

from tests.varlog_client.answers import BOUND_S
from tests.varlog_client.scripted import NODE, STREAM, TOPIC, ScriptedVarlog
from varlog_client import (
    LLSN,
    Closed,
    ClusterMetadata,
    Log,
    LogStreamId,
    LogStreamStatus,
    NotFound,
    StorageNodeId,
    TopicId,
    Unavailable,
)


@pytest.fixture
def dead_address() -> str:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{bound.getsockname()[1]}"


async def test_any_seed_that_answers_will_do(server: ScriptedVarlog, dead_address: str) -> None:
    async with await Log.open(1, [dead_address, server.address]) as log:
        assert log.metadata.storage_nodes[NODE].address == server.address
        assert log.metadata.log_streams[STREAM].replicas[0].storage_node_id == NODE


async def test_opening_waits_for_a_leader(server: ScriptedVarlog) -> None:
    server.leader = 0
    opening = asyncio.create_task(Log.open(1, [server.address]))
    await asyncio.sleep(0.3)
    assert not opening.done()
    server.leader = 1
    async with await opening as log:
        assert log.metadata.version == 1


async def test_opening_in_vain_names_the_addresses_and_what_they_said(
    server: ScriptedVarlog, dead_address: str
) -> None:
    server.leader = 0
    with pytest.raises(Unavailable) as caught:
        await Log.open(1, [dead_address, server.address], open_timeout_s=1)
    message = str(caught.value)
    assert "not reached within 1 s" in message
    assert f"{dead_address}: " in message
    assert f"{server.address}: the metadata repository has no leader now" in message


async def test_a_seed_that_never_answers_is_named_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(Unavailable, match=address):
            await Log.open(1, [address], open_timeout_s=0.3)


async def test_a_node_of_another_cluster_is_refused(server: ScriptedVarlog) -> None:
    with pytest.raises(Unavailable, match="is a node of cluster 1, not of 2"):
        await Log.open(2, [server.address], open_timeout_s=1)


async def test_opening_without_an_address_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="at least one"):
        await Log.open(1, [])


async def test_members_learnt_from_a_seed_outlive_it(server: ScriptedVarlog) -> None:
    async with ScriptedVarlog() as seed:
        seed.endpoint = server.address
        async with await Log.open(1, [seed.address]) as log:
            await seed.stop()
            server.version = 5
            assert (await log.refresh()).version == 5


async def test_refreshes_at_the_same_time_are_one(server: ScriptedVarlog, log: Log) -> None:
    server.metadata_gate.clear()
    calls = server.metadata_calls
    refreshing = [asyncio.create_task(log.refresh()) for _ in range(5)]
    async with asyncio.timeout(BOUND_S):
        while server.metadata_calls == calls:
            await asyncio.sleep(0.001)
    server.metadata_gate.set()
    await asyncio.gather(*refreshing)
    assert server.metadata_calls == calls + 1


async def test_a_refresh_is_no_older_than_its_call(server: ScriptedVarlog, log: Log) -> None:
    """What another call is being told may be what was true before this one."""
    first = await asking(server, log)
    second = asyncio.create_task(log.refresh())
    await asyncio.sleep(0)
    calls = server.metadata_calls
    server.metadata_gate.set()
    await asyncio.wait_for(asyncio.gather(first, second), BOUND_S)
    assert server.metadata_calls == calls + 1


async def test_a_stream_that_breaks_during_a_refresh_brings_another(server: ScriptedVarlog, log: Log) -> None:
    appender = log.appender(TOPIC, STREAM)
    stream = await server.stream()
    first = await asking(server, log)
    calls = server.metadata_calls
    await stream.end(StatusCode.UNAVAILABLE, "gone")
    async with asyncio.timeout(BOUND_S):
        while appender.broken is None:
            await asyncio.sleep(0.001)
        server.metadata_gate.set()
        await first
        while server.metadata_calls == calls:
            await asyncio.sleep(0.001)
    assert server.metadata_calls == calls + 1


async def test_a_log_counts_what_it_opens_and_what_breaks(server: ScriptedVarlog, log: Log) -> None:
    closed, broken = log.appender(TOPIC, STREAM), log.appender(TOPIC, STREAM)
    streams = [await server.stream(), await server.stream()]
    subscriber = log.subscribe_to(TOPIC, STREAM, LLSN(1))
    assert set(log.appenders) == {closed, broken}
    assert (log.counts.appenders, log.counts.subscribers, log.subscribers) == (2, 1, 1)
    refreshes = log.counts.refreshes
    await closed.close()
    for stream in streams:
        await stream.end(StatusCode.UNAVAILABLE, "gone")
    async with asyncio.timeout(BOUND_S):
        while log.appenders or log.counts.refreshes == refreshes:
            await asyncio.sleep(0.001)
    await subscriber.aclose()
    assert log.subscribers == 0
    assert log.counts.appender_ends == {"AppenderClosed": 1, "StreamBroken": 1}


async def asking(server: ScriptedVarlog, log: Log) -> asyncio.Task[ClusterMetadata]:
    """A refresh whose question has reached the server, which keeps the answer behind its gate."""
    server.metadata_gate.clear()
    calls = server.metadata_calls
    refreshing = asyncio.create_task(log.refresh())
    async with asyncio.timeout(BOUND_S):
        while server.metadata_calls == calls:
            await asyncio.sleep(0.001)
    return refreshing


async def test_a_cancelled_refresh_does_not_cancel_that_of_others(server: ScriptedVarlog, log: Log) -> None:
    server.metadata_gate.clear()
    server.version = 2
    first, second = asyncio.create_task(log.refresh()), asyncio.create_task(log.refresh())
    await asyncio.sleep(0)
    first.cancel()
    server.metadata_gate.set()
    assert (await asyncio.wait_for(second, BOUND_S)).version == 2
    assert first.cancelled()


async def test_the_view_is_swapped_whole(server: ScriptedVarlog, log: Log) -> None:
    before = log.metadata
    server.version, server.nodes = 2, {}
    await log.refresh()
    assert before.log_streams.keys() == {STREAM}
    assert log.metadata.log_streams == {}


async def test_the_metadata_is_renewed_from_time_to_time(server: ScriptedVarlog) -> None:
    async with await Log.open(1, [server.address], refresh_interval_s=0.02) as log, asyncio.timeout(BOUND_S):
        server.version = 3
        while log.metadata.version != 3:
            await asyncio.sleep(0.005)


async def test_a_failed_renewal_is_logged_and_the_old_view_stays(
    server: ScriptedVarlog, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "varlog_client"):
        async with await Log.open(1, [server.address], refresh_interval_s=0.02) as log:
            server.leader = 0
            async with asyncio.timeout(BOUND_S):
                while not caplog.records:
                    await asyncio.sleep(0.005)
            assert log.metadata.log_streams.keys() == {STREAM}
            with pytest.raises(Unavailable):
                await log.refresh()


async def test_what_the_metadata_does_not_know_is_not_found(log: Log) -> None:
    with pytest.raises(NotFound):
        log.appender(TOPIC, LogStreamId(99))
    with pytest.raises(NotFound):
        log.appender(TopicId(2), STREAM)
    with pytest.raises(NotFound):
        await log.peek(TOPIC, LogStreamId(99))


async def test_peek_finds_a_log_stream_made_after_opening(server: ScriptedVarlog) -> None:
    nodes, server.nodes = server.nodes, {}
    async with await Log.open(1, [server.address]) as log:
        server.nodes = nodes
        assert (await log.peek(TOPIC, STREAM)).appendable


async def test_peek_takes_the_largest_watermarks_of_those_that_answer(server: ScriptedVarlog) -> None:
    second, third = StorageNodeId(2), StorageNodeId(3)
    async with ScriptedVarlog(second) as ahead, ScriptedVarlog(third) as frozen:
        server.nodes = server.nodes | ahead.nodes | frozen.nodes
        server.watermarks, ahead.watermarks, frozen.watermarks = (3, 10), (4, 12), None
        server.status, ahead.status = LogStreamStatus.SEALED, LogStreamStatus.RUNNING
        async with await Log.open(1, [server.address], call_timeout_s=0.5) as log:
            state = await log.peek(TOPIC, STREAM)
    assert (state.first.llsn, state.last.llsn) == (4, 12)
    assert [replica.storage_node_id for replica in state.replicas] == [NODE, second]
    assert (state.readable, state.appendable, state.sealed) == (True, False, False)


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ((LogStreamStatus.RUNNING, LogStreamStatus.SEALING), (True, True, False)),
        ((LogStreamStatus.SEALING, LogStreamStatus.SEALING), (False, False, False)),
        ((LogStreamStatus.SEALED, LogStreamStatus.SEALING), (True, False, False)),
        ((LogStreamStatus.SEALED, LogStreamStatus.SEALED), (True, False, True)),
    ],
)
async def test_peek_says_what_may_be_done(
    server: ScriptedVarlog,
    statuses: tuple[LogStreamStatus, LogStreamStatus],
    expected: tuple[bool, bool, bool],
) -> None:
    async with ScriptedVarlog(StorageNodeId(2)) as backup:
        server.nodes = server.nodes | backup.nodes
        server.status, backup.status = statuses
        async with await Log.open(1, [server.address]) as log:
            state = await log.peek(TOPIC, STREAM)
    assert (state.readable, state.appendable, state.sealed) == expected


async def test_peek_says_sealed_only_when_every_replica_answered(server: ScriptedVarlog) -> None:
    async with ScriptedVarlog(StorageNodeId(2)) as silent:
        server.nodes = server.nodes | silent.nodes
        server.status, silent.watermarks = LogStreamStatus.SEALED, None
        async with await Log.open(1, [server.address], call_timeout_s=0.1) as log:
            assert not (await log.peek(TOPIC, STREAM)).sealed


async def test_peek_is_unavailable_when_one_replica_is_silent_and_another_gone(
    server: ScriptedVarlog,
) -> None:
    async with ScriptedVarlog(StorageNodeId(2)) as silent:
        server.nodes = server.nodes | silent.nodes
        server.replica_error, silent.watermarks = StatusCode.NOT_FOUND, None
        async with await Log.open(1, [server.address], call_timeout_s=0.5) as log:
            with pytest.raises(Unavailable, match=r"node 1: NOT_FOUND.*node 2: DEADLINE_EXCEEDED"):
                await log.peek(TOPIC, STREAM)


async def test_peek_is_unavailable_when_no_replica_answers(server: ScriptedVarlog) -> None:
    server.watermarks = None
    async with await Log.open(1, [server.address], call_timeout_s=0.1) as log:
        with pytest.raises(Unavailable, match="node 1: DEADLINE_EXCEEDED"):
            await log.peek(TOPIC, STREAM)


async def test_peek_is_not_found_when_every_replica_says_so(server: ScriptedVarlog, log: Log) -> None:
    server.replica_error = StatusCode.NOT_FOUND
    with pytest.raises(NotFound):
        await log.peek(TOPIC, STREAM)


async def test_a_closed_log_says_so(server: ScriptedVarlog) -> None:
    log = await Log.open(1, [server.address])
    await log.close()
    await log.close()
    with pytest.raises(Closed):
        await log.refresh()
    with pytest.raises(Closed):
        await log.peek(TOPIC, STREAM)
    assert repr(log) == "<Log closed appenders=0 subscribers=0>"


async def test_a_refresh_under_way_when_the_log_is_closed_says_so(server: ScriptedVarlog, log: Log) -> None:
    server.metadata_gate.clear()
    refreshing = asyncio.create_task(log.refresh())
    await asyncio.sleep(0)
    await log.close()
    with pytest.raises(Closed):
        await refreshing
