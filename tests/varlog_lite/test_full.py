from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import grpc
import pytest

from tests.varlog_lite.lite_client import LiteClient, connected, ended, eventually, refused
from varlog_lite.server import LiteServer
from varlog_lite.store import RESERVE_BYTES

ENTRY = bytes(30_000)


async def fill(client: LiteClient, ids: tuple[int, int]) -> int:
    """Appends until there is no room; how many entries were acknowledged."""
    stream = client.open_append(*ids)
    count = 0
    try:
        while count < 10_000:
            await stream.append(ENTRY)
            count += 1
    except grpc.aio.AioRpcError as error:
        end = ended(error)
    assert end.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert end.text.startswith("storage: no room: ")
    return count


async def check_full_and_freed(client: LiteClient) -> None:
    ids = await client.new_log_stream()
    stored = await fill(client, ids)
    assert stored > 10
    assert await client.watermarks(*ids) == ((1, 1), (stored, stored))
    assert len(await client.read(*ids, 1, stored + 1)) == stored
    assert await fill(client, ids) == 0
    assert (await client.replica(*ids)).status == 0

    for _ in range(3):
        last = (await client.watermarks(*ids))[1][1]
        await client.trim(ids[0], last - 2)
        room: list[int] = []

        async def goes_on(room: list[int] = room) -> bool:
            room.append(await fill(client, ids))
            return sum(room) > stored / 2

        await eventually(goes_on)
        assert await client.watermarks(*ids) == ((last - 1,) * 2, (last + sum(room),) * 2)


async def test_a_full_store_refuses_appends_and_goes_on_after_a_trim(tmp_path: Path) -> None:
    async with LiteServer(tmp_path, map_bytes=4 << 20) as server, connected(server.address) as client:
        await check_full_and_freed(client)


async def test_what_was_refused_is_not_there_after_a_restart(tmp_path: Path) -> None:
    async with LiteServer(tmp_path, map_bytes=1 << 20) as server, connected(server.address) as client:
        ids = await client.new_log_stream()
        stored = await fill(client, ids)
        end = await refused(client.append(*ids, *[ENTRY] * 100))
        assert end.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    async with LiteServer(tmp_path) as server, connected(server.address) as client:
        assert await client.watermarks(*ids) == ((1, 1), (stored, stored))
        assert await client.append(*ids, b"x") == [(stored + 1, stored + 1)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    mounted = tmp_path / "disk"
    mounted.mkdir()
    size = RESERVE_BYTES + (6 << 20)
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(mounted)],
        check=False,
        capture_output=True,
    )
    if made.returncode:
        pytest.skip("a small disk can't be mounted here: that needs root")
    yield mounted
    subprocess.run(["umount", str(mounted)], check=True)


async def test_a_full_disk_refuses_appends_and_goes_on_after_a_trim(small_disk: Path) -> None:
    async with LiteServer(small_disk / "data") as server, connected(server.address) as client:
        await check_full_and_freed(client)


async def test_a_disk_that_others_fill_is_used_again_when_they_leave(small_disk: Path) -> None:
    async with LiteServer(small_disk / "data") as server, connected(server.address) as client:
        ids = await client.new_log_stream()
        await client.append(*ids, b"before")
        with (small_disk / "other").open("wb", buffering=0) as other, suppress(OSError):
            while True:
                other.write(bytes(4096))
        end = await refused(client.append(*ids, ENTRY))
        assert end.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await client.read(*ids, end=2) == [(1, b"before")]
        (small_disk / "other").unlink()
        assert await client.append(*ids, b"after") == [(2, 2)]
