from __future__ import annotations

from pathlib import Path

import grpc
import lmdb
import pytest

from tests.varlog_lite.lite_client import connected, refused
from varlog_lite.directory import StoreUnusable
from varlog_lite.server import LiteServer
from varlog_lite.store import Store


async def filled(path: Path) -> tuple[int, int]:
    """A store with three entries, "one", "two" and a large one; closed again."""
    async with LiteServer(path) as server, connected(server.address) as client:
        ids = await client.new_log_stream()
        await client.append(*ids, b"one")
        await client.append(*ids, b"two")
        await client.append(*ids, b"three" * 5000)
        return ids


def damage(path: Path, old: bytes, new: bytes) -> None:
    """Changes stored bytes behind LMDB's back."""
    data = (path / "data.mdb").read_bytes()
    assert data.count(old) >= 1
    (path / "data.mdb").write_bytes(data.replace(old, new))


async def test_a_damaged_entry_is_reported_and_not_served(tmp_path: Path) -> None:
    ids = await filled(tmp_path)
    damage(tmp_path, b"two", b"twp")
    async with LiteServer(tmp_path) as server, connected(server.address) as client:
        assert await client.read(*ids, 1, 2) == [(1, b"one")]
        assert await client.read(*ids, 1, 3, limit=1) == [(1, b"one")]
        for begin in (1, 2):
            ended = await refused(client.read(*ids, begin, 4))
            assert ended.code is grpc.StatusCode.DATA_LOSS
            assert "log stream 1, LLSN 2 to 2: checksum mismatch" in ended.text
            assert ended.details[-1] == "storage: corrupt"
        assert (await client.read(*ids, 3, 4))[0][1] == b"three" * 5000
        assert await client.append(*ids, b"four") == [(4, 4)]


async def test_damage_in_a_large_entry_is_found(tmp_path: Path) -> None:
    ids = await filled(tmp_path)
    damage(tmp_path, b"three" * 100 + b"three", b"three" * 100 + b"thref")
    async with LiteServer(tmp_path) as server, connected(server.address) as client:
        assert (await refused(client.read(*ids, 3, 4))).code is grpc.StatusCode.DATA_LOSS


async def test_a_missing_entry_is_reported(tmp_path: Path) -> None:
    ids = await filled(tmp_path)
    with lmdb.open(str(tmp_path), max_dbs=2) as env, env.begin(write=True) as txn:
        cursor = txn.cursor(env.open_db(b"entries", txn=txn))
        assert cursor.first()
        assert cursor.next()
        cursor.delete()
    async with LiteServer(tmp_path) as server, connected(server.address) as client:
        ended = await refused(client.read(*ids, 1, 4))
        assert (ended.code, ended.details[-1]) == (grpc.StatusCode.DATA_LOSS, "storage: corrupt")
        assert "log stream 1, LLSN 2: missing" in ended.text


async def test_damaged_metadata_is_a_refusal_to_start(tmp_path: Path) -> None:
    await filled(tmp_path)
    damage(tmp_path, b'"next_topic":2', b'"next_topic":1')
    with pytest.raises(StoreUnusable, match="the stored metadata is damaged: cluster"):
        await LiteServer(tmp_path).start()


async def test_a_file_cut_short_is_a_refusal_to_start(tmp_path: Path) -> None:
    await filled(tmp_path)
    data = tmp_path / "data.mdb"
    data.write_bytes(data.read_bytes()[: 4 * 4096])
    with pytest.raises(StoreUnusable, match="is cut short"):
        await LiteServer(tmp_path).start()


async def test_a_file_that_is_no_store_is_a_refusal_to_start(tmp_path: Path) -> None:
    (tmp_path / "data.mdb").write_bytes(b"something else" * 1000)
    with pytest.raises(StoreUnusable, match="can't be opened"):
        await LiteServer(tmp_path).start()


async def test_another_clusters_data_is_a_refusal_to_start(tmp_path: Path) -> None:
    await filled(tmp_path)
    with pytest.raises(StoreUnusable, match="is of cluster 1, not of cluster 2"):
        await LiteServer(tmp_path, cluster_id=2).start()
    async with LiteServer(tmp_path):
        pass


async def test_a_position_is_found_by_glsn(tmp_path: Path) -> None:
    async with LiteServer(tmp_path) as server, connected(server.address) as client:
        topic_id, a = await client.new_log_stream()
        b = await client.add_log_stream(topic_id)
        own: list[tuple[int, int]] = []
        for n in range(40):
            own += await client.append(topic_id, a, *[b"x"] * (n % 4 + 1))
            await client.append(topic_id, b, *[b"y"] * (n % 3 + 1))
    store = Store(tmp_path)
    last_llsn, last_glsn = own[-1][1], own[-1][0]
    for first in (1, 7):
        kept = [place for place in own if place[1] >= first]
        for glsn in range(1, last_glsn + 3):
            expected = next(((llsn, at) for at, llsn in kept if at >= glsn), (last_llsn + 1, 0))
            assert store.first_from_glsn(a, first, last_llsn, glsn) == expected
    store.close()


async def test_a_change_of_the_limit_on_the_map_keeps_the_data(tmp_path: Path) -> None:
    ids = await filled(tmp_path)
    async with LiteServer(tmp_path, map_bytes=1 << 20) as server, connected(server.address) as client:
        assert len(await client.read(*ids, 1, 4)) == 3
