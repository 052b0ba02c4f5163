"""A topic of two log streams on one or two real storage nodes, one of which dies, freezes or comes back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.real_varlog import RealVarlog, start_real_varlog
from varlog_client import (
    GLSN,
    AppendRefused,
    AppendUnknown,
    CallTimeout,
    Log,
    LogStreamId,
    StorageNodeId,
    TopicId,
    Trimmed,
)

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(300)]
PATIENCE_S = 250.0


@pytest.fixture
async def two_nodes(tmp_path: Path) -> AsyncIterator[RealVarlog]:
    """Each log stream on both."""
    async with start_real_varlog(tmp_path, storage_nodes=2, replication_factor=2) as cluster:
        yield cluster


async def two_log_streams(cluster: RealVarlog) -> tuple[TopicId, set[LogStreamId]]:
    topic = await cluster.add_topic()
    return topic, {await cluster.add_log_stream(topic), await cluster.add_log_stream(topic)}


@pytest.fixture(params=[1, 2])
async def nodes(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RealVarlog]:
    """As many storage nodes as copies of each log stream."""
    copies = request.param
    async with start_real_varlog(tmp_path, storage_nodes=copies, replication_factor=copies) as cluster:
        yield cluster


def opening(cluster: RealVarlog) -> asyncio.Task[Log]:
    return asyncio.create_task(Log.open(cluster.cluster_id, [cluster.metadata_repository]))


@pytest.mark.parametrize("how", ["kill", "freeze"])
async def test_a_topic_is_read_on_when_a_node_goes(two_nodes: RealVarlog, how: str) -> None:
    topic, streams = await two_log_streams(two_nodes)
    async with await opening(two_nodes) as log, asyncio.timeout(PATIENCE_S):
        for number in range(24):  # 1 MiB each, more than is read ahead
            stream = sorted(streams)[number % 2]
            await log.append_to(topic, stream, [b"%02d" % number * (1 << 19)])
        async with log.subscribe(topic, GLSN(1), GLSN(25), silence_s=0.5) as entries:
            assert (await anext(entries)).glsn == 1
            primary = log.metadata.log_streams[min(streams)].replicas[0].storage_node_id
            two_nodes.kill(primary) if how == "kill" else two_nodes.freeze(primary)
            found = [(entry.glsn, entry.data[:2]) async for entry in entries]
        assert found == [(number + 1, b"%02d" % number) for number in range(1, 24)]


async def test_appends_go_on_after_a_restart_and_nothing_acknowledged_is_lost_or_doubled(
    nodes: RealVarlog,
) -> None:
    topic, streams = await two_log_streams(nodes)
    async with await opening(nodes) as log, asyncio.timeout(PATIENCE_S):
        acknowledged = [await appended(log, topic, b"%d" % number) for number in range(20)]
        nodes.kill(StorageNodeId(1))
        with contextlib.suppress(AppendRefused, AppendUnknown):
            while True:  # until it is noticed
                acknowledged.append(await appended(log, topic, b"%d" % len(acknowledged), retries=0))
        await nodes.restart(StorageNodeId(1))
        for stream in streams:
            await nodes.unseal(topic, stream)
        await log.refresh()
        last = await appended(log, topic, b"last", retries=10)
        async with log.subscribe(topic, GLSN(1), GLSN(last + 1)) as entries:
            found = {entry.glsn: entry.data async for entry in entries}
        assert sorted(found) == list(range(1, last + 1))
        assert [found[GLSN(glsn)] for glsn in acknowledged] == [b"%d" % n for n in range(len(acknowledged))]
        assert found[GLSN(last)] == b"last"


async def appended(log: Log, topic: TopicId, payload: bytes, *, retries: int = 3) -> int:
    [meta] = await log.append(topic, [payload], retries=retries, timeout_s=20)
    return meta.glsn


async def test_a_trim_that_a_restarted_node_has_forgotten_is_still_said(nodes: RealVarlog) -> None:
    topic, streams = await two_log_streams(nodes)
    async with await opening(nodes) as log, asyncio.timeout(PATIENCE_S):
        for number in range(6):
            await log.append_to(topic, sorted(streams)[number % 2], [b"x"])
        assert await log.trim(topic, GLSN(3)) == set(nodes.nodes)
        for stream in sorted(streams):
            await log.append_to(topic, stream, [b"x"])
        for node in nodes.nodes:
            nodes.kill(node)
            await nodes.restart(node)
        for begin in (1, 2, 3):
            async with log.subscribe(topic, GLSN(begin)) as entries:
                with pytest.raises(Trimmed):
                    await anext(entries)
        async with log.subscribe(topic, GLSN(4), GLSN(9)) as entries:
            assert [entry.glsn async for entry in entries] == [4, 5, 6, 7, 8]


async def test_without_the_admin_server_appending_reading_and_trimming_go_on(nodes: RealVarlog) -> None:
    topic, _ = await two_log_streams(nodes)
    nodes.kill_admin()
    async with await opening(nodes) as log, asyncio.timeout(PATIENCE_S):
        glsns = [await appended(log, topic, b"x") for _ in range(4)]
        async with log.subscribe(topic, GLSN(1), GLSN(5)) as entries:
            assert [entry.glsn async for entry in entries] == glsns == [1, 2, 3, 4]
        assert await log.trim(topic, GLSN(2)) == set(nodes.nodes)


async def test_an_append_under_way_outlives_a_restart_of_the_metadata_repository(
    nodes: RealVarlog,
) -> None:
    topic, _ = await two_log_streams(nodes)
    async with await opening(nodes) as log, asyncio.timeout(PATIENCE_S):
        assert await appended(log, topic, b"before") == 1
        nodes.kill_metadata_repository()
        with pytest.raises(CallTimeout):
            await log.append(topic, [b"in doubt"], timeout_s=1)
        hanging = asyncio.create_task(log.append(topic, [b"during"]))
        await nodes.restart_metadata_repository()
        [meta] = await hanging
        async with log.subscribe(topic, GLSN(1), GLSN(meta.glsn + 1)) as entries:
            found = [entry.data async for entry in entries]
        assert found[0] == b"before"
        assert found.count(b"during") == 1
        assert found.count(b"in doubt") <= 1
