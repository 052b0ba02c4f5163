"""Nodes that die or freeze. Each test has a cluster of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.conftest import Place, Varlog, start
from tests.contract.steps import append, appender_at, read
from tests.real_varlog import RealVarlog, start_real_varlog
from tests.varlog_client.answers import Answers
from varlog_client import (
    LLSN,
    AppendError,
    AppendNotSent,
    CallTimeout,
    ClusterMetadata,
    Log,
    LogEntry,
    LogStreamAppender,
    LogStreamState,
    NotPrimary,
    StorageNodeId,
    StreamBroken,
    Subscriber,
    Unavailable,
)

NODE = StorageNodeId(1)
PATIENCE_S = (
    250.0  # a real node needs 5 s and more to be sealed after its restart, on a busy machine far more
)

pytestmark = pytest.mark.timeout(300)
REAL_IS_SLOW = ["lite", pytest.param("real", marks=[pytest.mark.real, pytest.mark.slow])]


@pytest.fixture(params=REAL_IS_SLOW)
async def own(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Varlog]:
    async with start(request.param, tmp_path) as cluster:
        yield cluster


@pytest.fixture(params=[REAL_IS_SLOW[1]])
async def two_nodes(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RealVarlog]:
    """Two storage nodes, each log stream on both."""
    async with start_real_varlog(tmp_path, storage_nodes=2, replication_factor=2) as cluster:
        yield cluster


@pytest.fixture(params=[pytest.param(n, marks=[pytest.mark.real, pytest.mark.slow]) for n in (1, 2)])
async def real_nodes(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RealVarlog]:
    """As many storage nodes as copies of each log stream."""
    copies = request.param
    async with start_real_varlog(tmp_path, storage_nodes=copies, replication_factor=copies) as cluster:
        yield cluster


async def opened(cluster: Varlog) -> tuple[Log, Place]:
    topic = await cluster.add_topic()
    stream = await cluster.add_log_stream(topic)
    log = await Log.open(cluster.cluster_id, [cluster.metadata_repository])
    return log, Place(topic=topic, stream=stream)


class Load:
    """Batches of three equal entries until the appender breaks; `rolling` is set when 30 are acknowledged."""

    def __init__(self, appender: LogStreamAppender) -> None:
        self.answers = Answers()
        self.rolling = asyncio.Event()
        self._appender = appender

    async def run(self) -> list[str]:
        names: list[str] = []
        while self._appender.broken is None:
            name = f"{len(names)}"
            names.append(name)
            await self._appender.append_batch([name.encode()] * 3, self.answers.callback(name))
            if len(self.answers.order) > 30:
                self.rolling.set()
        await self.answers.wait(*names)
        return names


async def append_when_back(log: Log, place: Place, payload: bytes) -> int:
    while True:
        try:
            [meta] = await append(log.appender(place.topic, place.stream), payload)
        except AppendNotSent:
            await asyncio.sleep(0.05)
        else:
            return meta.llsn


async def test_after_kill_9_all_acknowledged_entries_are_there_and_no_batch_is_torn(own: Varlog) -> None:
    log, place = await opened(own)
    async with log, asyncio.timeout(PATIENCE_S):
        load = Load(log.appender(place.topic, place.stream, pipeline=8))
        following = log.subscribe_to(place.topic, place.stream, LLSN(1), patience_s=PATIENCE_S)
        loading = asyncio.create_task(load.run())
        await load.rolling.wait()
        own.kill(NODE)
        names = await loading
        await own.restart(NODE)
        await own.unseal(place.topic, place.stream)
        last = await append_when_back(log, place, b"last")

        entries = [await anext(following) for _ in range(last)]
        assert entries == await read(log, place.topic, place.stream, 1, last + 1)
        check(entries, names, load.answers)


def check(entries: list[LogEntry], names: list[str], answers: Answers) -> None:
    stored = [entry.data.decode() for entry in entries[:-1]]
    assert stored[::3] == stored[1::3] == stored[2::3], "a torn batch"
    order = [int(name) for name in stored[::3]]
    assert order == sorted(set(order)), "out of order, or twice"
    for name in names:
        outcome = answers.outcome(name)
        if isinstance(outcome, AppendNotSent):
            assert name not in stored
        elif isinstance(outcome, AppendError):
            assert isinstance(outcome, StreamBroken)
        else:
            assert [entries[meta.llsn - 1].data.decode() for meta in outcome] == [name] * 3


async def test_an_idle_appender_notices_that_its_node_was_killed(own: Varlog) -> None:
    log, place = await opened(own)
    async with log, asyncio.timeout(PATIENCE_S):
        appender = log.appender(place.topic, place.stream)
        await append(appender, b"x")
        own.kill(NODE)
        with pytest.raises((AppendNotSent, StreamBroken)):
            await append(appender, b"y")
        with pytest.raises(AppendNotSent):
            await append(appender, b"z")
        with pytest.raises(Unavailable):
            await log.peek(place.topic, place.stream)


async def test_a_frozen_node_hangs_appends_until_the_own_watch_ends_them(own: Varlog) -> None:
    log, place = await opened(own)
    async with log, asyncio.timeout(PATIENCE_S):
        appender = log.appender(place.topic, place.stream, call_timeout_s=1.0)
        await append(appender, b"x")
        own.freeze(NODE)
        with pytest.raises(CallTimeout):
            await append(appender, b"in doubt")
        with pytest.raises(Unavailable):
            await log.peek(place.topic, place.stream)
        own.thaw(NODE)
        state = await peeked(log, place)
        entries = [each.data for each in await read(log, place.topic, place.stream, 1, state.last.llsn + 1)]
        assert entries in ([b"x"], [b"x", b"in doubt"])


async def peeked(log: Log, place: Place) -> LogStreamState:
    """Tries until the node answers."""
    while True:
        try:
            return await log.peek(place.topic, place.stream)
        except Unavailable:
            await asyncio.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize("paused_before", [True, False])
async def test_an_idle_append_stream_to_a_frozen_node_is_given_up_after_5_to_15_s(
    own: Varlog, paused_before: bool
) -> None:
    """The connection's own pings find out, with no call timeout and nothing on its way."""
    await check_that_an_idle_stream_is_given_up(own, paused_before=paused_before)


@pytest.mark.slow
@pytest.mark.parametrize("paused_before", [True, False])
async def test_an_idle_append_stream_to_a_frozen_primary_is_given_up_although_its_backup_lives(
    two_nodes: RealVarlog, paused_before: bool
) -> None:
    await check_that_an_idle_stream_is_given_up(two_nodes, paused_before=paused_before)


async def check_that_an_idle_stream_is_given_up(varlog: Varlog, *, paused_before: bool) -> None:
    log, place = await opened(varlog)
    async with log, asyncio.timeout(PATIENCE_S):
        primary = log.metadata.log_streams[place.stream].replicas[0].storage_node_id
        appender = log.appender(place.topic, place.stream)
        await append(appender, b"x")
        if paused_before:
            await asyncio.sleep(2)  # gRPC measures the line with pings of its own as long as there is traffic
        varlog.freeze(primary)
        frozen_at = asyncio.get_running_loop().time()
        while appender.broken is None:
            await asyncio.sleep(0.05)
        assert 4 < asyncio.get_running_loop().time() - frozen_at < 20  # 5 more for a busy machine
        assert isinstance(appender.broken, StreamBroken)
        with pytest.raises(AppendNotSent):
            await append(appender, b"y")
        varlog.thaw(primary)


@pytest.mark.slow
async def test_an_append_to_a_frozen_node_is_given_up_also_without_a_call_timeout(own: Varlog) -> None:
    log, place = await opened(own)
    async with log, asyncio.timeout(PATIENCE_S):
        appender = log.appender(place.topic, place.stream)
        await append(appender, b"x")
        own.freeze(NODE)
        with pytest.raises(StreamBroken):
            await appender.append([b"in doubt"])
        own.thaw(NODE)


async def test_a_backup_refuses_appends_and_names_itself(two_nodes: RealVarlog) -> None:
    log, place = await opened(two_nodes)
    async with log:
        backup = log.metadata.log_streams[place.stream].replicas[1].storage_node_id
        appender = appender_at(log, backup, place.topic, place.stream)
        with pytest.raises(NotPrimary) as caught:
            await append(appender, b"x")
        assert caught.value.storage_node_id == backup
        await appender.close()


@pytest.mark.parametrize("how", ["kill", "freeze"])
async def test_reading_goes_on_at_the_backup(two_nodes: RealVarlog, how: str) -> None:
    log, place = await opened(two_nodes)
    async with log, asyncio.timeout(PATIENCE_S):
        appender = log.appender(place.topic, place.stream)
        for number in range(12):
            await append(appender, b"%d" % number * (1 << 20))
        primary = log.metadata.log_streams[place.stream].replicas[0].storage_node_id
        entries = log.subscribe_to(place.topic, place.stream, LLSN(1), LLSN(13), silence_s=0.5)
        assert (await anext(entries)).llsn == 1  # no more than 4 MiB are read ahead
        two_nodes.kill(primary) if how == "kill" else two_nodes.freeze(primary)
        assert await rest(entries) == list(range(2, 13))


async def rest(entries: Subscriber) -> list[int]:
    return [entry.llsn async for entry in entries]


async def test_a_frozen_backup_hangs_appends_until_the_own_watch_ends_them(two_nodes: RealVarlog) -> None:
    log, place = await opened(two_nodes)
    async with log, asyncio.timeout(PATIENCE_S):
        await append(log.appender(place.topic, place.stream), b"x")
        appender = log.appender(place.topic, place.stream, call_timeout_s=1.0)
        backup = log.metadata.log_streams[place.stream].replicas[1].storage_node_id
        two_nodes.freeze(backup)
        with pytest.raises(CallTimeout):
            await append(appender, b"y")
        two_nodes.thaw(backup)


async def test_without_metadata_repository_appends_hang_and_reads_work(real_nodes: RealVarlog) -> None:
    log, place = await opened(real_nodes)
    async with log, asyncio.timeout(PATIENCE_S):
        await append(log.appender(place.topic, place.stream), b"x")
        appender = log.appender(place.topic, place.stream, call_timeout_s=1.0)
        real_nodes.kill_metadata_repository()
        with pytest.raises(CallTimeout):
            await append(appender, b"y")
        assert [entry.data for entry in await read(log, place.topic, place.stream, 1, 2)] == [b"x"]
        assert (await log.peek(place.topic, place.stream)).last.llsn == 1
        with pytest.raises(Unavailable):
            await log.refresh()
        await real_nodes.restart_metadata_repository()
        assert place.stream in (await refreshed(log)).log_streams


async def refreshed(log: Log) -> ClusterMetadata:
    """Tries until the metadata repository answers: the connection is made anew every half second."""
    while True:
        try:
            return await log.refresh()
        except Unavailable:
            await asyncio.sleep(0.05)
