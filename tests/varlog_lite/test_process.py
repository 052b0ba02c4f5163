from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from asyncio.subprocess import PIPE
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import psutil
import pytest

from tests.varlog_lite.child import READY, command, failing, serving
from tests.varlog_lite.lite_client import LiteClient, connected, eventually
from tests.varlog_lite.load import Written, check, write_until_broken
from varlog_client.pb import snpb_pb2
from varlog_lite.directory import StoreUnusable
from varlog_lite.server import CannotListen, LiteServer


async def test_a_second_process_on_the_directory_says_so_in_one_line(tmp_path: Path) -> None:
    async with serving(tmp_path) as child:
        status, out, err = await failing(tmp_path)
    assert (status, out) == (1, "")
    pid = child.process.pid
    assert err == f"varlog-lite: data directory {tmp_path} is in use by another process (pid {pid})\n"


async def test_a_killed_process_leaves_the_directory_free(tmp_path: Path) -> None:
    async with serving(tmp_path) as child:
        await child.kill()
    async with serving(tmp_path):
        pass


async def test_a_second_server_in_the_same_process_is_refused(tmp_path: Path) -> None:
    async with LiteServer(tmp_path):
        with pytest.raises(StoreUnusable, match="in use"):
            await LiteServer(tmp_path).start()


async def test_a_taken_port_is_named_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        status, out, err = await failing(tmp_path, listen=address)
        assert (status, out) == (1, "")
        assert err == f"varlog-lite: can't listen on {address}: Address already in use\n"
        with pytest.raises(CannotListen, match="already in use"):
            await LiteServer(tmp_path, address).start()
    async with LiteServer(tmp_path, address) as server:
        assert server.address == address


async def test_a_directory_that_cant_be_made_is_named_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    status, out, err = await failing(tmp_path / "file" / "data")
    assert (status, out) == (1, "")
    assert err == f"varlog-lite: data directory {tmp_path}/file/data can't be used: Not a directory\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_it_with_status_zero(tmp_path: Path, number: signal.Signals) -> None:
    async with serving(tmp_path) as child:
        child.process.send_signal(number)
        async with asyncio.timeout(10):
            assert await child.process.wait() == 0


async def test_a_stop_under_load_answers_what_it_stores(tmp_path: Path) -> None:
    async with LiteServer(tmp_path) as server, connected(server.address) as client:
        ids = await client.new_log_stream()
        written = Written()
        writing = asyncio.create_task(write_until_broken(client, ids, 0, written))
        reading = asyncio.create_task(read_status(client, ids))

        async def under_way() -> bool:
            return len(written.acknowledged) > 20

        await eventually(under_way)
        await server.stop()
        await writing
        assert await reading is grpc.StatusCode.UNAVAILABLE
    async with LiteServer(tmp_path) as server, connected(server.address) as client:
        _, (last, _) = await client.watermarks(*ids)
        check(await client.read(*ids, 1, last + 1), 1, 0, written)


async def read_status(client: LiteClient, ids: tuple[int, int]) -> grpc.StatusCode:
    """Of a subscription that follows the tail until it ends."""
    request = snpb_pb2.SubscribeToRequest(
        topic_id=ids[0], log_stream_id=ids[1], llsn_begin=1, llsn_end=2**64 - 1
    )
    call = client.log_io.SubscribeTo(request)
    try:
        async for _ in call:
            pass
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


PARENT = """
import subprocess, sys, time
child = subprocess.Popen(sys.argv[1:], stdin={stdin}, stdout=subprocess.PIPE, text=True)
print(child.pid, child.stdout.readline(), end="", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("stdin", ["subprocess.PIPE", "subprocess.DEVNULL"])
async def test_the_child_ends_when_its_parent_is_killed(tmp_path: Path, stdin: str) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PARENT.format(stdin=stdin),
        *command(tmp_path, "--exit-with-parent"),
        stdout=PIPE,
    )
    assert parent.stdout is not None
    async with asyncio.timeout(60):
        pid, _, ready = (await parent.stdout.readline()).decode().partition(" ")
    assert ready.startswith(READY)
    parent.kill()
    await parent.wait()

    async def gone() -> bool:
        try:
            return psutil.Process(int(pid)).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    await eventually(gone)
    async with LiteServer(tmp_path):
        pass


async def test_a_closed_standard_input_is_a_parents_end(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *command(tmp_path, "--exit-with-parent"), stdin=PIPE, stdout=PIPE
    )
    assert process.stdout is not None
    assert process.stdin is not None
    await process.stdout.readline()
    process.stdin.close()
    async with asyncio.timeout(10):
        assert await process.wait() == 0


async def test_the_thread_that_made_the_child_may_end(tmp_path: Path) -> None:
    """On Linux the kernel counts a thread's end as the parent's; the child must not."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as pool:
        child = await loop.run_in_executor(
            pool,
            lambda: subprocess.Popen(
                command(tmp_path, "--exit-with-parent"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            ),
        )
        assert child.stdout is not None
        address = (await asyncio.to_thread(child.stdout.readline)).removeprefix(READY).strip()
    try:
        async with connected(address) as client:
            for _ in range(20):
                await client.metadata()
        assert child.poll() is None
    finally:
        child.terminate()
        assert await asyncio.to_thread(child.wait) == 0
        for pipe in (child.stdin, child.stdout):
            assert pipe is not None
            pipe.close()
