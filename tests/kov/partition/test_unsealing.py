from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from kov.partition import unsealing
from kov.partition.stream import Stream
from kov.partition.unsealing import Unsealer
from varlog_client import Admin, Log, LogStreamStatus
from varlog_lite.server import LiteServer

SETTLED_S = 0.2


@pytest.fixture(autouse=True)
def _settled_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unsealing, "SETTLED_S", SETTLED_S)


async def test_log_streams_that_were_sealed_together_do_not_wait_for_each_other(tmp_path: Path) -> None:
    """A dead storage node seals all of its own; unsealing one of them changes the cluster's metadata."""
    async with LiteServer(tmp_path) as server, await Admin.connect(server.address) as admin:
        topic = (await admin.add_topic()).topic_id
        ids = [(await admin.add_log_stream(topic)).log_stream_id for _ in range(4)]
        for log_stream in ids:
            await admin.seal(topic, log_stream)
        async with await Log.open(1, [server.address]) as log:
            streams = [Stream(log, topic, log_stream) for log_stream in ids]
            unsealer = Unsealer(server.address)
            for stream in streams:
                await unsealer.consider(stream)
            assert await statuses(log) == {LogStreamStatus.SEALED}
            await asyncio.sleep(SETTLED_S)  # the pause itself is what is tested
            for stream in streams:
                await unsealer.consider(stream)
            assert await statuses(log) == {LogStreamStatus.RUNNING}


async def test_a_log_stream_that_was_seen_running_meanwhile_waits_anew(tmp_path: Path) -> None:
    async with LiteServer(tmp_path) as server, await Admin.connect(server.address) as admin:
        topic = (await admin.add_topic()).topic_id
        log_stream = (await admin.add_log_stream(topic)).log_stream_id
        async with await Log.open(1, [server.address]) as log:
            stream, unsealer = Stream(log, topic, log_stream), Unsealer(server.address)
            await admin.seal(topic, log_stream)
            await unsealer.consider(stream)
            await admin.unseal(topic, log_stream)
            await unsealer.consider(stream)
            await asyncio.sleep(SETTLED_S)
            await admin.seal(topic, log_stream)
            await unsealer.consider(stream)
            assert await statuses(log) == {LogStreamStatus.SEALED}


async def test_a_log_stream_that_is_sealed_again_after_kov_unsealed_it_waits_anew(tmp_path: Path) -> None:
    """The admin server seals again what was unsealed too early."""
    async with LiteServer(tmp_path) as server, await Admin.connect(server.address) as admin:
        topic = (await admin.add_topic()).topic_id
        log_stream = (await admin.add_log_stream(topic)).log_stream_id
        async with await Log.open(1, [server.address]) as log:
            stream, unsealer = Stream(log, topic, log_stream), Unsealer(server.address)
            await admin.seal(topic, log_stream)
            await unsealer.consider(stream)
            await asyncio.sleep(SETTLED_S)
            await unsealer.consider(stream)
            assert await statuses(log) == {LogStreamStatus.RUNNING}
            await admin.seal(topic, log_stream)
            await unsealer.consider(stream)
            assert await statuses(log) == {LogStreamStatus.SEALED}


async def test_what_was_seen_long_ago_counts_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have run meanwhile, and have been sealed again just now."""
    monkeypatch.setattr(unsealing, "FORGOTTEN_S", SETTLED_S / 2)
    async with LiteServer(tmp_path) as server, await Admin.connect(server.address) as admin:
        topic = (await admin.add_topic()).topic_id
        log_stream = (await admin.add_log_stream(topic)).log_stream_id
        async with await Log.open(1, [server.address]) as log:
            stream, unsealer = Stream(log, topic, log_stream), Unsealer(server.address)
            await admin.seal(topic, log_stream)
            for _ in range(2):
                await unsealer.consider(stream)
                await asyncio.sleep(SETTLED_S)
            assert await statuses(log) == {LogStreamStatus.SEALED}


async def statuses(log: Log) -> set[LogStreamStatus]:
    return {stream.status for stream in (await log.refresh()).log_streams.values()}
