"""A thousand consumers that wait at the tail: what they cost, and what it takes to wake or to lose them."""

from __future__ import annotations

import asyncio
import struct
import time

import psutil
import pytest

from tests.crash.test_many_connections import connections, many_files
from tests.crash.watching import produce_one
from tests.kov_process import KovProcess
from tests.waiting import wait_for

__all__ = ["many_files"]  # a fixture

CONSUMERS = 1000
_WAIT_MS = 30_000
_WOKEN_S = 5.0
_BYTES_EACH = 64 * 1024
_IDLE_CPU_SHARE = 0.1  # of one core, with all that kov does by itself


def waiting_fetch(topic: str, offset: int) -> bytes:
    """Fetch v4 of partition 0 that waits for one byte."""
    name = topic.encode()
    frame = struct.pack(">hhih", 1, 4, 7, -1) + struct.pack(">iiiib", -1, _WAIT_MS, 1, 2**20, 0)
    frame += struct.pack(">ih", 1, len(name)) + name + struct.pack(">iiqi", 1, 0, offset, 2**20)
    return struct.pack(">i", len(frame)) + frame


@pytest.mark.slow
@pytest.mark.usefixtures("many_files")
async def test_a_thousand_waiting_consumers_cost_little_and_are_woken_by_one_record(
    kov_server: KovProcess, topic: str
) -> None:
    assert await asyncio.to_thread(produce_one, kov_server, topic) == 0
    process, loop = psutil.Process(kov_server.process.pid), asyncio.get_running_loop()
    before, files = process.memory_info().rss, process.num_fds()
    async with connections(kov_server, CONSUMERS) as opened:
        for sock in opened:
            await loop.sock_sendall(sock, waiting_fetch(topic, 1))
        await wait_for(lambda: process.num_fds() >= files + CONSUMERS)
        worked = sum(process.cpu_times()[:2])
        await asyncio.sleep(3)  # the measurement
        share = (sum(process.cpu_times()[:2]) - worked) / 3
        each = (process.memory_info().rss - before) / CONSUMERS
        worked, begun = sum(process.cpu_times()[:2]), time.monotonic()
        assert await asyncio.to_thread(produce_one, kov_server, topic) == 1
        async with asyncio.timeout(_WOKEN_S):
            answers = await asyncio.gather(*(loop.sock_recv(sock, 65536) for sock in opened))
        took, cost = time.monotonic() - begun, sum(process.cpu_times()[:2]) - worked
        print(f"{each:.0f} bytes each, {share:.1%} of a core; all woken in {took:.2f} s, {cost:.2f} s of CPU")
        assert all(b"one" in answer for answer in answers)
        assert each < _BYTES_EACH
        assert share < _IDLE_CPU_SHARE
        for sock in opened:
            await loop.sock_sendall(sock, waiting_fetch(topic, 2))
    await wait_for(lambda: process.num_fds() <= files)  # gone while they wait
    assert await asyncio.to_thread(produce_one, kov_server, topic) == 2
