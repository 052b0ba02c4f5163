"""`python -m tests.bench.reference`: a server whose work for each request stays the same for ever.

It has what kov has of everything, so that a busy machine makes both dearer alike: uvloop's sockets, Python,
copies of bytes, a thread and back for each request. It prints its port. A request is its size and so many
bytes; the answer is eight bytes.
"""

from __future__ import annotations

import asyncio
import json
import struct

import uvloop

_TEXT = json.dumps([{"topic": f"topic-{n}", "partition": n, "offsets": list(range(n))} for n in range(24)])
_SIZE = struct.Struct(">i")
_copied = bytearray(64 * 1024)


def work() -> int:
    """Parsing and writing, small objects, and copies."""
    found: dict[int, int] = {}
    for number, each in enumerate(json.loads(_TEXT)):
        found[number] = sum(each["offsets"]) + len(each["topic"])
    for number in range(200):
        found[number & 31] = found.get(number & 31, 0) + number
    for _ in range(2):
        _copied[:] = bytes(_copied)
    return len(json.dumps(found))


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    loop = asyncio.get_running_loop()
    while head := await reader.read(_SIZE.size):
        body = await reader.readexactly(*_SIZE.unpack(head))
        first = work()
        second = await loop.run_in_executor(None, work)
        writer.write(_SIZE.pack(first + second) + _SIZE.pack(len(bytes(body))))
        await writer.drain()
    writer.close()


async def _run() -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run())
