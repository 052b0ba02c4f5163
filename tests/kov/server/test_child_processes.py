"""Child processes started while gRPC has work: they must come to life, each of them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

_PROGRAM = """
import asyncio, collections
import {first}
import grpc, uvloop

async def calling(channel):
    while True:
        try:
            await channel.unary_unary("/no/such")(b"")
        except grpc.aio.AioRpcError:
            pass

async def main():
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{{port}}") as channel:
        await channel.channel_ready()
        calls = asyncio.create_task(calling(channel))
        ends = collections.Counter()
        for _ in range(400):
            process = await asyncio.create_subprocess_exec("true")
            ends[await process.wait()] += 1
        calls.cancel()
        await asyncio.wait([calls])
    await server.stop(0)
    print(dict(ends))

uvloop.run(main())
"""


@pytest.mark.parametrize("package", ["kov", "bench"])
def test_no_child_process_dies_of_grpc(package: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GRPC_")}
    ran = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(first=package)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    )
    assert ran.stdout.strip() == "{0: 400}"
