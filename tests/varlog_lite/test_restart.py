from __future__ import annotations

from pathlib import Path

import pytest

from tests.varlog_lite.lite_client import LiteClient, connected, eventually, payloads, refused
from varlog_client.pb import admpb_pb2
from varlog_lite import sweeper
from varlog_lite.server import LiteServer
from varlog_lite.store import Store

RUNNING, SEALED = 0, 2


async def remove(client: LiteClient, topic_id: int, log_stream_id: int) -> None:
    ids = {"topic_id": topic_id, "log_stream_id": log_stream_id}
    await client.seal(topic_id, log_stream_id)
    await client.admin.UnregisterLogStream(admpb_pb2.UnregisterLogStreamRequest(**ids))
    request = admpb_pb2.RemoveLogStreamReplicaRequest(storage_node_id=1, **ids)
    await client.admin.RemoveLogStreamReplica(request)


async def test_a_fresh_directory_has_no_topics(client: LiteClient) -> None:
    assert await client.metadata() == (1, {}, [])


async def test_a_restart_leaves_log_streams_sealed_and_everything_there(tmp_path: Path) -> None:
    async with LiteServer(tmp_path) as server, connected(server.address) as client:
        ids = await client.new_log_stream()
        await client.append(*ids, b"x", b"y")
        index, statuses, _ = await client.metadata()
        assert statuses == {ids[1]: RUNNING}
    async with LiteServer(tmp_path, auto_unseal=False) as server, connected(server.address) as client:
        later, statuses, topics = await client.metadata()
        assert (statuses, topics) == ({ids[1]: SEALED}, [ids[0]])
        assert later > index
        assert (await client.replica(*ids)).status == SEALED
        assert (await client.try_append(*ids, b"z")).text == "sealed"
        assert payloads(await client.read(*ids, end=3)) == [b"x", b"y"]
        await client.unseal(*ids)
        assert await client.append(*ids, b"z") == [(3, 3)]


async def test_auto_unseal_makes_log_streams_run_again(tmp_path: Path) -> None:
    async with LiteServer(tmp_path) as server, connected(server.address) as client:
        ids = await client.new_log_stream()
        await client.append(*ids, b"x")
        await client.seal(*ids)
    async with LiteServer(tmp_path, auto_unseal=True) as server, connected(server.address) as client:
        assert (await client.metadata())[1] == {ids[1]: RUNNING}
        assert await client.append(*ids, b"y") == [(2, 2)]


async def test_numbers_go_on_after_a_restart_where_everything_was_trimmed(tmp_path: Path) -> None:
    async with LiteServer(tmp_path) as server, connected(server.address) as client:
        ids = await client.new_log_stream()
        await client.append(*ids, b"x", b"y")
        await client.trim(ids[0], 2)
    async with LiteServer(tmp_path) as server, connected(server.address) as client:
        assert await client.watermarks(*ids) == ((0, 0), (0, 0))
        assert await client.append(*ids, b"z") == [(3, 3)]
        assert await client.watermarks(*ids) == ((3, 3), (3, 3))


async def test_a_trim_survives_a_restart_by_llsn_and_is_forgotten_by_glsn(tmp_path: Path) -> None:
    async with LiteServer(tmp_path) as server, connected(server.address) as client:
        ids = await client.new_log_stream()
        await client.append(*ids, b"x", b"y", b"z")
        await client.trim(ids[0], 2)
    async with LiteServer(tmp_path) as server, connected(server.address) as client:
        assert (await refused(client.read(*ids, 2, 4))).details[-1] == "logstream: trimmed"
        assert await client.read_glsn(*ids, 1, 4) == [(3, 3, b"z")]


async def test_ids_and_glsns_are_never_used_twice(tmp_path: Path) -> None:
    async with LiteServer(tmp_path) as server, connected(server.address) as client:
        topic_id, log_stream_id = await client.new_log_stream()
        await client.append(topic_id, log_stream_id, b"x")
        await remove(client, topic_id, log_stream_id)
        assert await client.add_log_stream(topic_id) == log_stream_id + 1
    async with LiteServer(tmp_path) as server, connected(server.address) as client:
        other = await client.add_log_stream(topic_id)
        assert other == log_stream_id + 2
        assert await client.append(topic_id, other, b"y") == [(2, 1)]
        await client.admin.UnregisterTopic(admpb_pb2.UnregisterTopicRequest(topic_id=topic_id))
    async with LiteServer(tmp_path) as server, connected(server.address) as client:
        assert await client.add_topic() == topic_id + 1


async def test_what_was_trimmed_or_removed_is_deleted_in_the_background(tmp_path: Path) -> None:
    async with LiteServer(tmp_path) as server, connected(server.address) as client:
        topic_id, kept = await client.new_log_stream()
        removed = await client.add_log_stream(topic_id)
        for log_stream_id in (kept, removed):
            stream = client.open_append(topic_id, log_stream_id)
            for _ in range(600):
                await stream.append(bytes(100))
            stream.call.cancel()
        before = (await client.watermarks(topic_id, kept))[1][1]
        await client.trim(topic_id, before - 3)
        await remove(client, topic_id, removed)
        assert server._rooms is not None
        store = server._rooms._store

        async def swept() -> bool:
            with store.env.begin() as txn:
                return txn.stat(store.entries)["entries"] <= 3

        await eventually(swept)
        assert payloads(await client.read(topic_id, kept, 598, 601)) == [bytes(100)] * 3


async def test_unregistered_log_streams_go_after_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with LiteServer(tmp_path) as server, connected(server.address) as client:
        ids = await client.new_log_stream()
        await client.append(*ids, b"x")
        await client.admin.UnregisterTopic(admpb_pb2.UnregisterTopicRequest(topic_id=ids[0]))
    async with LiteServer(tmp_path) as server, connected(server.address) as client:
        assert await client.read(*ids, end=2) == [(1, b"x")]
        assert (await client.try_append(*ids, b"y")).text == "sealed"
    monkeypatch.setattr(sweeper, "UNREGISTERED_KEPT_S", -10)
    async with LiteServer(tmp_path) as server, connected(server.address) as client:
        assert server._rooms is not None
        held = server._rooms._cluster.log_streams

        async def gone() -> bool:
            return ids[1] not in held

        await eventually(gone)
        assert (await refused(client.replica(*ids))).text == "no such log stream"
    store = Store(tmp_path)
    assert store.last_record(ids[1]) is None
    store.close()
