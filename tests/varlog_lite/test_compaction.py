from __future__ import annotations

import asyncio
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.varlog_lite.child import serving
from tests.varlog_lite.lite_client import LiteClient, connected, eventually, payloads
from tests.varlog_lite.test_store import damage
from varlog_client.pb import admpb_pb2
from varlog_lite import compaction
from varlog_lite.directory import StoreUnusable
from varlog_lite.server import LiteServer

ENTRY = 30_000


def entries(begin: int, end: int) -> list[bytes]:
    return [b"%d/" % n + bytes(ENTRY) for n in range(begin, end)]


async def append(client: LiteClient, ids: tuple[int, int], begin: int, end: int) -> None:
    stream = client.open_append(*ids)
    for entry in entries(begin, end):
        await stream.append(entry)
    stream.call.cancel()


async def filled_and_trimmed(path: Path) -> tuple[int, int]:
    """LLSNs 1 to 100 were appended, those to 90 trimmed; nothing says that they are swept."""
    async with LiteServer(path) as server, connected(server.address) as client:
        ids = await client.new_log_stream()
        await append(client, ids, 1, 101)
        await client.trim(ids[0], 90)
        return ids


async def check_what_is_left(path: Path, ids: tuple[int, int]) -> None:
    async with LiteServer(path) as server, connected(server.address) as client:
        assert await client.watermarks(*ids) == ((91, 91), (100, 100))
        assert payloads(await client.read(*ids, 91, 101)) == entries(91, 101)
        assert await client.append(*ids, b"next") == [(101, 101)]
    async with LiteServer(path) as server, connected(server.address) as client:
        assert await client.read(*ids, 101, 102) == [(101, b"next")]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "varlog_lite", "compact", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


async def test_trimmed_space_is_given_back_to_the_disk(tmp_path: Path) -> None:
    ids = await filled_and_trimmed(tmp_path)
    file = tmp_path / "data.mdb"
    before = file.stat().st_size
    assert before > 100 * ENTRY
    done = run("--data", str(tmp_path))
    after = file.stat().st_size
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{file}: 10 entries, {after} bytes; freed {before - after} bytes\n"
    assert after < 13 * ENTRY
    await check_what_is_left(tmp_path, ids)


async def test_a_copy_is_made_elsewhere_and_the_old_data_kept(tmp_path: Path) -> None:
    ids = await filled_and_trimmed(tmp_path / "old")
    before = (tmp_path / "old" / "data.mdb").stat().st_size
    compacted = compaction.compact(tmp_path / "old", tmp_path / "new")
    assert compacted.bytes_after < 13 * ENTRY
    assert (tmp_path / "old" / "data.mdb").stat().st_size >= before
    await check_what_is_left(tmp_path / "new", ids)
    await check_what_is_left(tmp_path / "old", ids)
    with pytest.raises(StoreUnusable, match=r"there is data in .*new already"):
        compaction.compact(tmp_path / "old", tmp_path / "new")


async def test_what_was_removed_is_not_copied_and_its_ids_stay_used(tmp_path: Path) -> None:
    ids = await filled_and_trimmed(tmp_path)
    async with LiteServer(tmp_path) as server, connected(server.address) as client:
        await client.seal(*ids)
        named = {"topic_id": ids[0], "log_stream_id": ids[1]}
        await client.admin.UnregisterLogStream(admpb_pb2.UnregisterLogStreamRequest(**named))
        request = admpb_pb2.RemoveLogStreamReplicaRequest(storage_node_id=1, **named)
        await client.admin.RemoveLogStreamReplica(request)
    assert compaction.compact(tmp_path).bytes_after < 2 * ENTRY
    async with LiteServer(tmp_path) as server, connected(server.address) as client:
        assert await client.add_log_stream(ids[0]) == ids[1] + 1
        assert await client.append(ids[0], ids[1] + 1, b"x") == [(101, 1)]


async def test_a_directory_in_use_is_left_alone(tmp_path: Path) -> None:
    async with serving(tmp_path) as child:
        done = run("--data", str(tmp_path))
        assert done.returncode == 1
        text = f"varlog-lite: data directory {tmp_path} is in use by another process"
        assert done.stderr == f"{text} (pid {child.process.pid})\n"


async def test_where_there_is_no_data_nothing_is_made(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(StoreUnusable, match=f"there is no data in {missing}"):
        compaction.compact(missing)
    assert not missing.exists()


async def test_too_little_room_is_noticed_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await filled_and_trimmed(tmp_path)
    real = os.statvfs(tmp_path)
    full = os.statvfs_result((*real[:4], 10, *real[5:]))
    monkeypatch.setattr(os, "statvfs", lambda _path: full)
    with pytest.raises(StoreUnusable, match=r"compacting needs \d+ bytes on the disk .* has \d+ left"):
        compaction.compact(tmp_path)
    monkeypatch.undo()
    assert not (tmp_path / "data.mdb.compacting").exists()
    await check_what_is_left(tmp_path, ids)


async def test_a_damaged_entry_is_kept_and_named(tmp_path: Path) -> None:
    await filled_and_trimmed(tmp_path)
    damage(tmp_path, b"95/" + bytes(100), b"95#" + bytes(100))
    compacted = compaction.compact(tmp_path)
    assert compacted.damaged == "log stream 1, LLSN 95 to 95: checksum mismatch"
    assert str(compacted).endswith(f"damaged: {compacted.damaged}")


async def test_a_new_file_that_differs_does_not_take_the_place_of_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await filled_and_trimmed(tmp_path)
    fsync = os.fsync

    def damage_first(file: int) -> None:
        new = tmp_path / "data.mdb.compacting"
        if new.exists():
            new.write_bytes(new.read_bytes().replace(b"97/", b"98/"))
        fsync(file)

    monkeypatch.setattr(os, "fsync", damage_first)
    with pytest.raises(StoreUnusable, match="the new file differs from the old one in its entries"):
        compaction.compact(tmp_path)
    monkeypatch.undo()
    await check_what_is_left(tmp_path, ids)


_KILLED_AT = """
import os, signal, sys
from pathlib import Path
from varlog_lite import compaction
def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)
step = sys.argv[2]
if step == "while it is written":
    import resource
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    compaction._check_room = lambda *_: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
elif step == "replace":
    Path.replace = die
else:
    setattr(compaction, step, die)
compaction.compact(Path(sys.argv[1]))
"""


@pytest.mark.parametrize("step", ["while it is written", "_compare", "replace", "sync_directory"])
async def test_a_crash_leaves_the_old_or_the_new_file(tmp_path: Path, step: str) -> None:
    ids = await filled_and_trimmed(tmp_path)
    old = (tmp_path / "data.mdb").stat().st_size
    command = [sys.executable, "-c", _KILLED_AT, str(tmp_path), step]
    assert (await asyncio.to_thread(subprocess.run, command, check=False, timeout=60)).returncode < 0
    assert ((tmp_path / "data.mdb").stat().st_size >= old) == (step != "sync_directory")
    assert (tmp_path / "data.mdb.compacting").exists() == (step != "sync_directory")
    await check_what_is_left(tmp_path, ids)
    assert not (tmp_path / "data.mdb.compacting").exists()


async def test_space_that_was_trimmed_is_used_again_and_the_file_does_not_grow(tmp_path: Path) -> None:
    async with LiteServer(tmp_path) as server, connected(server.address) as client:
        ids = await client.new_log_stream()
        assert server._rooms is not None
        store = server._rooms._store
        sizes: list[int] = []
        for turn in range(12):
            await append(client, ids, turn * 100 + 1, turn * 100 + 101)
            await client.trim(ids[0], turn * 100 + 95)

            async def swept(first: int = turn * 100 + 96) -> bool:
                head = store.record_at(ids[1], 0)
                return head is not None and head.llsn == first

            await eventually(swept)
            sizes.append(store.used_bytes())
        # Free pages lie scattered at first, so it takes a few turns until they suffice.
        assert sizes[0] > 100 * ENTRY
        assert sizes[-1] < 2 * sizes[0], "twelve times as much was appended"
        assert sizes[-1] < 1.02 * sizes[-4]


def test_the_lock_is_held_while_it_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data.mdb").write_bytes(b"")
    with (tmp_path / "varlog-lite.lock").open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(StoreUnusable, match="is in use"):
            compaction.compact(tmp_path)
