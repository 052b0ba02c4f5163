"""Producers that send whatever they are told: Produce v3 by hand, as much as the socket takes."""

from __future__ import annotations

import asyncio
import struct
from collections import Counter
from dataclasses import dataclass, field

from tests.builders import batch

_HEAD = struct.Struct(">hhih")  # key, version, correlation id, no client id
_BODY = struct.Struct(">hhii")  # no transactional id, acks, timeout_ms, one topic
_PRODUCE, _VERSION = 0, 3
_ANSWER = struct.Struct(">ihqq")  # partition, error, base offset, log append time
BATCH_BYTES = 1_000_000


def produce_request(topic: str, *, acks: int, timeout_ms: int, value: bytes = b"x" * BATCH_BYTES) -> bytes:
    """One batch with one record for partition 0."""
    records = batch([value])
    name = topic.encode()
    frame = _HEAD.pack(_PRODUCE, _VERSION, 7, -1) + _BODY.pack(-1, acks, timeout_ms, 1)
    frame += struct.pack(">h", len(name)) + name + struct.pack(">iii", 1, 0, len(records)) + records
    return struct.pack(">i", len(frame)) + frame


@dataclass
class Flood:
    """`codes` counts the answers by error code; `sent_bytes` is what kov took from the sockets, and what the
    kernel holds for it."""

    address: str
    request: bytes
    codes: Counter[int] = field(default_factory=Counter)
    sent_bytes: int = 0

    async def run(self, connections: int, seconds: float) -> None:
        """Sends on so many connections at once, for so long, then hangs up without waiting for answers."""
        await asyncio.gather(*(self._connection(seconds) for _ in range(connections)))

    async def _connection(self, seconds: float) -> None:
        host, _, port = self.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        hearing = asyncio.create_task(self._hear(reader))
        try:
            async with asyncio.timeout(seconds):
                while True:
                    writer.write(self.request)
                    await writer.drain()
                    self.sent_bytes += len(self.request)
        except (TimeoutError, ConnectionError):
            pass
        finally:
            hearing.cancel()
            await asyncio.wait([hearing])
            writer.transport.abort()

    async def _hear(self, reader: asyncio.StreamReader) -> None:
        while size := await reader.read(4):
            answer = await reader.readexactly(struct.unpack(">i", size)[0])
            # The partition's answer and the throttle time are the last of it.
            _, code, _, _ = _ANSWER.unpack(answer[-_ANSWER.size - 4 : -4])
            self.codes[code] += 1
