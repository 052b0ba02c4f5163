"""The wall clock is for people: nothing that is stored, kept or deleted goes by it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.varlog_lite.lite_client import LiteClient, connected, eventually, payloads, refused
from varlog_client.pb import admpb_pb2
from varlog_lite import sweeper
from varlog_lite.cluster import Cluster
from varlog_lite.server import LiteServer

YEAR_S = 365 * 24 * 3600
TIMES = [-YEAR_S, 0, 1, 4_000_000_000]


def set_clock(monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
    monkeypatch.setattr(time, "time", lambda: float(seconds))
    monkeypatch.setattr(time, "time_ns", lambda: seconds * 1_000_000_000)


async def unregister(client: LiteClient, topic_id: int) -> None:
    await client.admin.UnregisterTopic(admpb_pb2.UnregisterTopicRequest(topic_id=topic_id))


async def use(client: LiteClient, ids: tuple[int, int], number: int) -> None:
    """One more entry, read back; all but the last two trimmed; sealed and unsealed."""
    assert await client.append(*ids, b"%d" % number) == [(number, number)]
    begin = max(number - 2, 1)
    assert payloads(await client.read(*ids, begin, number + 1))[-1] == b"%d" % number
    await client.trim(ids[0], max(number - 2, 0))
    assert (await client.watermarks(*ids))[1] == (number, number)
    await client.seal(*ids)
    await client.unseal(*ids)
    assert len((await client.replica(*ids)).path) > 0


async def test_a_clock_that_jumps_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a server runs, and from one to the next, in both directions."""
    number, index = 0, 0
    set_clock(monkeypatch, 1_700_000_000)
    async with LiteServer(tmp_path) as server, connected(server.address) as client:
        ids = await client.new_log_stream()
    for at_start in TIMES:
        set_clock(monkeypatch, at_start)
        async with LiteServer(tmp_path) as server, connected(server.address) as client:
            for now in TIMES:
                set_clock(monkeypatch, now)
                number += 1
                await use(client, ids, number)
                await client.new_log_stream()
                before, (index, _, topics) = index, await client.metadata()
                assert index > before
                assert topics == list(range(1, number + 2))


@pytest.mark.parametrize("now", TIMES)
async def test_an_unregistered_log_stream_is_neither_forgotten_early_nor_taken_for_registered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, now: int
) -> None:
    set_clock(monkeypatch, now)
    async with LiteServer(tmp_path) as server, connected(server.address) as client:
        ids = await client.new_log_stream()
        await client.append(*ids, b"x")
        await unregister(client, ids[0])
    set_clock(monkeypatch, now + YEAR_S)
    async with LiteServer(tmp_path) as server, connected(server.address) as client:
        kept = await client.new_log_stream()
        await client.append(*kept, b"x")
        await client.trim(kept[0], 1)  # the sweeper has looked at all before this is swept
        assert server._rooms is not None
        store = server._rooms._store

        async def swept() -> bool:
            return store.record_at(kept[1], 0) is None

        await eventually(swept)
        assert (await client.metadata())[1] == {kept[1]: 0}
        assert await client.read(*ids, end=2) == [(1, b"x")]


async def test_an_unregistered_log_stream_goes_after_a_day_of_service_over_several_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with LiteServer(tmp_path) as server, connected(server.address) as client:
        ids = await client.new_log_stream()
        await client.append(*ids, b"x")
        await unregister(client, ids[0])
    for hours, kept in ((20, True), (3, True), (2, False)):
        async with LiteServer(tmp_path) as server, connected(server.address) as client:
            assert server._rooms is not None
            cluster, sweeping = server._rooms._cluster, server._rooms._sweeper
            sweeping._counted_until -= hours * 3600
            aged = cluster.log_streams[ids[1]].unregistered_s + hours * 3600
            cluster.to_sweep.set()

            async def looked_at(aged: int = aged, cluster: Cluster = cluster) -> bool:
                stream = cluster.log_streams.get(ids[1])
                return stream is None or stream.unregistered_s >= aged

            await eventually(looked_at)
            if kept:
                assert await client.read(*ids, end=2) == [(1, b"x")]
            else:

                async def gone(cluster: Cluster = cluster) -> bool:
                    return ids[1] not in cluster.log_streams

                await eventually(gone)
                assert (await refused(client.replica(*ids))).text == "no such log stream"
    assert sweeper.UNREGISTERED_KEPT_S == 24 * 3600
