from __future__ import annotations

import random
from pathlib import Path

import grpc
import lmdb
import pytest

from tests.varlog_lite.lite_client import connected, refused
from varlog_lite import layout
from varlog_lite.directory import DataDirectory, StoreUnusable
from varlog_lite.pages import check_pages
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
    with pytest.raises(StoreUnusable, match=r"data\.mdb is damaged: the metadata of cluster"):
        await LiteServer(tmp_path).start()


async def refusal_to_start(path: Path) -> str:
    """It must name the file, and let go of the directory."""
    with pytest.raises(StoreUnusable) as refusal:
        await LiteServer(path).start()
    text = str(refusal.value)
    assert text.startswith(f"{path / 'data.mdb'} ")
    DataDirectory(path).close()
    return text


@pytest.mark.parametrize("pages", [2, 4, -1])
async def test_a_file_cut_short_is_a_refusal_to_start(tmp_path: Path, pages: int) -> None:
    await filled(tmp_path)
    data = tmp_path / "data.mdb"
    whole = data.read_bytes()
    data.write_bytes(whole[: pages * 4096])
    text = await refusal_to_start(tmp_path)
    cut = data.stat().st_size
    assert text.endswith(f" is damaged: it is cut short: {cut} bytes instead of {len(whole)}")


async def test_an_emptied_or_lost_file_is_not_taken_for_a_new_one(tmp_path: Path) -> None:
    await filled(tmp_path)
    marker = tmp_path / "varlog-lite.format"
    (tmp_path / "data.mdb").write_bytes(b"")
    assert (await refusal_to_start(tmp_path)).endswith(f" is empty, but there was data: {marker}")
    (tmp_path / "data.mdb").unlink()
    assert (await refusal_to_start(tmp_path)).endswith(f" is missing, but there was data: {marker}")
    marker.unlink()
    async with LiteServer(tmp_path) as server, connected(server.address) as client:
        assert await client.metadata() == (1, {}, [])


async def test_a_new_store_in_the_lost_ones_place_is_noticed(tmp_path: Path) -> None:
    await filled(tmp_path)
    (tmp_path / "data.mdb").unlink()
    with lmdb.open(str(tmp_path), max_dbs=2) as env:
        env.open_db(b"entries")
    assert (await refusal_to_start(tmp_path)).endswith("is damaged: the metadata of cluster is missing")


async def test_a_start_that_was_cut_off_before_any_data_is_made_up_for(tmp_path: Path) -> None:
    (tmp_path / "data.mdb").write_bytes(b"")
    (tmp_path / "varlog-lite.lock").write_bytes(b"1\n")
    async with LiteServer(tmp_path) as server, connected(server.address) as client:
        assert await client.metadata() == (1, {}, [])


async def test_damaged_pages_are_a_refusal_to_start_or_do_not_matter(tmp_path: Path) -> None:
    """Never the end of the process, which LMDB's own assertions would be."""
    ids = await filled(tmp_path)
    data = tmp_path / "data.mdb"
    whole = data.read_bytes()
    refusals: list[str] = []
    for page in range(2, len(whole) // 4096):
        for wrong in (bytes(4096), b"\xff" * 4096):
            data.write_bytes(whole[: page * 4096] + wrong + whole[(page + 1) * 4096 :])
            try:
                async with LiteServer(tmp_path) as server, connected(server.address) as client:
                    # A free page, or one that is an entry's own and tells by its checksum.
                    assert await client.read(*ids, 1, 3) == [(1, b"one"), (2, b"two")]
            except StoreUnusable as refusal:
                refusals.append(str(refusal))
    assert all(text.startswith(f"{data} is damaged: ") for text in refusals)
    assert len(refusals) >= 8, "the trees' own pages"


async def test_a_page_damaged_behind_the_limit_is_a_refusal_to_serve_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await filled(tmp_path)
    async with LiteServer(tmp_path) as server, connected(server.address) as client:
        monkeypatch.setattr(layout, "check", _no_page)
        ended = await refused(client.read(*ids, 1, 4))
        assert (ended.code, ended.details[-1]) == (grpc.StatusCode.DATA_LOSS, "storage: corrupt")
        assert "log stream 1, LLSN 1: " in ended.text


def _no_page(*_arguments: object) -> None:
    raise lmdb.CorruptedError("Located page was wrong type")


async def test_a_file_that_is_no_store_is_a_refusal_to_start(tmp_path: Path) -> None:
    (tmp_path / "data.mdb").write_bytes(b"something else" * 1000)
    assert " can't be opened: " in await refusal_to_start(tmp_path)


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


async def test_a_page_that_was_freed_before_it_was_written_is_not_missed(tmp_path: Path) -> None:
    """LMDB leaves such pages out of the file's end."""
    await filled(tmp_path)
    data = tmp_path / "data.mdb"
    with lmdb.open(str(tmp_path), max_dbs=2, map_size=1 << 30) as env:
        meta = env.open_db(b"meta")
        with env.begin(meta, write=True) as txn:
            txn.put(b"large", bytes(300_000))
            txn.delete(b"large")
        last_page = env.info()["last_pgno"]
    assert data.stat().st_size < last_page * 4096
    check_pages(data)
    async with LiteServer(tmp_path):
        pass
    data.write_bytes(data.read_bytes()[: 12 * 4096])
    assert "is cut short" in await refusal_to_start(tmp_path)


def test_sound_files_are_found_sound(tmp_path: Path) -> None:
    """Whatever was written and deleted before: trees of several levels, large values, emptied ones."""
    chance = random.Random(4)
    sizes = (0, 10, 100, 2000, 2040, 4090, 9000, 300_000)
    with lmdb.open(str(tmp_path), map_size=1 << 32, max_dbs=2, sync=False) as env:
        entries = env.open_db(b"entries")
        keys: list[bytes] = []
        for turn in range(150):
            with env.begin(entries, write=True) as txn:
                for _ in range(chance.randrange(1, 60)):
                    keys.append(b"%028d" % chance.randrange(10**9))
                    txn.put(keys[-1], bytes(chance.choice(sizes)))
                gone = len(keys) if turn % 40 == 39 else chance.randrange(min(len(keys), 80))
                for _ in range(gone):
                    txn.delete(keys.pop(chance.randrange(len(keys))))
            check_pages(tmp_path / "data.mdb")
