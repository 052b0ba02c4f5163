"""`varlog-lite serve` as a child process."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

READY = "varlog-lite ready on "

_START_TIMEOUT_S = 60
"""A start takes 0.6 s of CPU, which was seen to last 28 s on two cores at a load of 54."""


class Child:
    def __init__(self, process: Process, address: str) -> None:
        self.process = process
        self.address = address

    async def kill(self) -> None:
        """As a power cut would, but for what the system has in memory."""
        self.process.kill()
        await self.process.wait()

    async def terminate(self) -> int:
        """Asks it to stop; its exit status."""
        self.process.terminate()
        async with asyncio.timeout(10):
            return await self.process.wait()


def command(data: Path, *options: str, listen: str = "127.0.0.1:0") -> list[str]:
    return [sys.executable, "-m", "varlog_lite", "serve", "--listen", listen, "--data", str(data), *options]


@asynccontextmanager
async def serving(data: Path, *options: str) -> AsyncIterator[Child]:
    """A running child; killed at the end if it is still there."""
    process = await asyncio.create_subprocess_exec(*command(data, *options), stdin=DEVNULL, stdout=PIPE)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(_START_TIMEOUT_S):
            line = (await process.stdout.readline()).decode()
        assert line.startswith(READY)
        yield Child(process, line.removeprefix(READY).strip())
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def failing(data: Path, *options: str, listen: str = "127.0.0.1:0") -> tuple[int, str, str]:
    """(exit status, standard output, standard error) of one that can't start."""
    process = await asyncio.create_subprocess_exec(
        *command(data, *options, listen=listen), stdin=DEVNULL, stdout=PIPE, stderr=PIPE
    )
    async with asyncio.timeout(_START_TIMEOUT_S):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()
