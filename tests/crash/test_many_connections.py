"""Clients in great number, clients that never listen, and clients that don't wait for an answer."""

from __future__ import annotations

import asyncio
import resource
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psutil
import pytest

from tests.clients.checking import read_all_ways
from tests.clients.stage import EmbeddedStage
from tests.crash.flood import produce_request
from tests.crash.watching import BUDGET, FLAT, MIB, produce_one, watched
from tests.kov_process import KovProcess
from tests.waiting import wait_for

IDLE = 2000
SILENT = 200
_ASK_VERSIONS = struct.pack(">ihhih", 10, 18, 0, 7, -1)
_BYTES_EACH = 64 * 1024
_IDLE_CPU_SHARE = 0.1  # of one core, with all that kov does by itself
_MOST = {
    "produce": FLAT,
    "produce and fetch": 4 * BUDGET,
}  # old data on its way passes through gRPC's buffers
_ROUNDS = 2


@asynccontextmanager
async def connections(
    kov: KovProcess, count: int, receive_bytes: int = 0
) -> AsyncIterator[list[socket.socket]]:
    """Sockets without a reader: what kov sends stays in them."""
    host, _, port = kov.address.rpartition(":")
    loop = asyncio.get_running_loop()
    opened: list[socket.socket] = []
    try:
        for _ in range(count):
            sock = socket.socket()
            opened.append(sock)
            sock.setblocking(False)
            if receive_bytes:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
            await loop.sock_connect(sock, (host, int(port)))
        yield opened
    finally:
        for sock in opened:
            sock.close()


async def ask(sock: socket.socket) -> None:
    """One request and its answer, which comes after those of all that was sent before."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(20):
        await loop.sock_sendall(sock, _ASK_VERSIONS)
        assert await loop.sock_recv(sock, 65536)


@pytest.fixture
def many_files() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert most == resource.RLIM_INFINITY or most > IDLE + 500, f"at most {most} files may be open here"
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@pytest.mark.slow
@pytest.mark.usefixtures("many_files")
async def test_two_thousand_idle_connections_cost_little_memory_and_no_work(
    kov_server: KovProcess, topic: str
) -> None:
    await asyncio.to_thread(produce_one, kov_server, topic)
    process = psutil.Process(kov_server.process.pid)
    before = process.memory_info().rss
    async with connections(kov_server, IDLE) as opened:
        for sock in opened:
            await ask(sock)
        each = (process.memory_info().rss - before) / IDLE
        assert each < _BYTES_EACH, f"{each:.0f} bytes each"
        worked = sum(process.cpu_times()[:2])
        await asyncio.sleep(5)
        share = (sum(process.cpu_times()[:2]) - worked) / 5
        assert share < _IDLE_CPU_SHARE, f"{share:.1%} of a core"
        print(f"{each:.0f} bytes for each idle connection, {share:.1%} of a core for {IDLE}")
        assert await asyncio.to_thread(produce_one, kov_server, topic) > 0
        for sock in opened[::100]:
            await ask(sock)


def fetch_request(topic: str) -> bytes:
    """Fetch v4 of partition 0 from its beginning."""
    name = topic.encode()
    frame = struct.pack(">hhih", 1, 4, 7, -1) + struct.pack(">iiiib", -1, 0, 1, 2**26, 0)
    frame += struct.pack(">ih", 1, len(name)) + name + struct.pack(">iiqi", 1, 0, 0, 2**26)
    return struct.pack(">i", len(frame)) + frame


async def send_until_stuck(sock: socket.socket, requests: bytes) -> int:
    """Sends without ever reading; the bytes that went before kov took no more for 2 s, or hung up."""
    loop, sent = asyncio.get_running_loop(), 0
    try:
        while sent < 8 * MIB:
            await asyncio.wait_for(loop.sock_sendall(sock, requests), 2)
            sent += len(requests)
    except (TimeoutError, ConnectionError):
        pass
    return sent


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("asking", ["produce", "produce and fetch"])
async def test_memory_stays_flat_under_producers_that_never_read_their_answers(
    kov_server: KovProcess, topic: str, asking: str
) -> None:
    """Who fetches as well is sent more than its sockets hold, so that its answers pile up in kov."""
    await asyncio.to_thread(produce_one, kov_server, topic)
    requests = produce_request(topic, acks=1, timeout_ms=30_000, value=b"x" * 100_000)
    if asking == "produce and fetch":
        requests += fetch_request(topic)
    async with watched(kov_server) as memory:
        for _ in range(_ROUNDS):
            async with connections(kov_server, SILENT, 4096) as opened:
                sent = sum(await asyncio.gather(*(send_until_stuck(sock, requests) for sock in opened)))
                print(f"{sent // MIB} MiB sent, {memory.most // MIB} MiB at most")
                assert sent > BUDGET
                # They are all still there, and yet who comes later is served.
                assert await asyncio.to_thread(produce_one, kov_server, topic) > 0
            assert memory.most < _MOST[asking], f"{memory.most // MIB} MiB"
    assert kov_server.process.poll() is None


@pytest.mark.parametrize("more", [0, 40])
@pytest.mark.slow
async def test_a_graceful_stop_stores_what_came_without_asking_for_an_answer(
    kov: KovProcess, more: int
) -> None:
    """acks=0: all that kov has received when it is told to end; `more` comes while it is."""
    stage = EmbeddedStage(kov)
    topic = stage.topic()
    assert await asyncio.to_thread(produce_one, kov, topic) == 0
    request = produce_request(topic, acks=0, timeout_ms=30_000, value=b"unanswered" * 1000)
    loop = asyncio.get_running_loop()
    async with connections(kov, 5) as opened:
        for sock in opened:
            await loop.sock_sendall(sock, request * 40)
        for sock in opened:
            await ask(sock)  # kov has taken all that lies before it
        for sock in opened:
            await loop.sock_sendall(sock, request * more)
        assert await asyncio.to_thread(kov.stop) == 0
    kov.start()
    stored = (await read_all_ways(stage, topic, await stage.ends(topic))).stored
    assert 5 * 40 <= len(stored) - 1 <= 5 * (40 + more)


async def test_connections_that_ended_leave_no_open_file(kov: KovProcess) -> None:
    process = psutil.Process(kov.process.pid)
    before = process.num_fds()
    async with connections(kov, 300) as opened:
        for sock in opened:
            await ask(sock)
        assert process.num_fds() >= before + 300
    await wait_for(lambda: process.num_fds() <= before)
