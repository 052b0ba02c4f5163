"""How much memory a kov takes, and whether it stores anything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psutil
from confluent_kafka import Producer

from tests.kov_process import KovProcess

MIB = 1024 * 1024
BUDGET = 512 * MIB  # what kov says that it may hold for its clients
FLAT = BUDGET + 300 * MIB  # with itself, and with what was taken from sockets and not counted yet


class Memory:
    """The most that a process has held, looked at every 20 ms."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self.most = 0

    async def watch(self) -> None:
        while True:
            self.most = max(self.most, self._process.memory_info().rss)
            await asyncio.sleep(0.02)


@asynccontextmanager
async def watched(kov: KovProcess) -> AsyncIterator[Memory]:
    memory = Memory(psutil.Process(kov.process.pid))
    watching = asyncio.create_task(memory.watch())
    try:
        yield memory
    finally:
        watching.cancel()
        await asyncio.wait([watching])


def produce_one(kov: KovProcess, topic: str, timeout_s: float = 60) -> int:
    """Its offset, when it is stored."""
    offsets: list[int] = []
    producer = Producer(
        {"bootstrap.servers": kov.address, "message.timeout.ms": int(timeout_s * 1000), "linger.ms": 0}
    )

    def report(error: object, message: object) -> None:
        assert error is None
        offsets.append(message.offset())  # type: ignore[attr-defined]

    producer.produce(topic, b"one", partition=0, on_delivery=report)
    producer.flush(timeout_s)
    (offset,) = offsets
    return offset
