"""Connections without traffic, in bytes: pings are no abuse, and a client that fell silent is dropped."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from varlog_lite.server import LiteServer

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_SETTINGS, _PING, _GOAWAY = 4, 6, 7
_ACK = 1
_HEAD = 9


def frame(kind: int, flags: int = 0, payload: bytes = b"") -> bytes:
    """An HTTP/2 frame of the connection itself."""
    return len(payload).to_bytes(3) + bytes((kind, flags)) + bytes(4) + payload


async def next_frame(reader: asyncio.StreamReader) -> tuple[int, int]:
    head = await reader.readexactly(_HEAD)
    await reader.readexactly(int.from_bytes(head[:3]))
    return head[3], head[4]


@asynccontextmanager
async def connected(server: LiteServer) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    host, _, port = server.address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(_PREFACE + frame(_SETTINGS) + frame(_SETTINGS, _ACK))
    try:
        yield reader, writer
    finally:
        writer.close()


async def test_pings_are_answered_however_often_they_come_and_are_no_abuse(server: LiteServer) -> None:
    """Go's client pings every 10 s without any call; after a few gRPC's defaults end the connection."""
    async with connected(server) as (reader, writer), asyncio.timeout(20):
        for number in range(50):
            writer.write(frame(_PING, payload=number.to_bytes(8)))
            while True:
                kind, flags = await next_frame(reader)
                assert kind != _GOAWAY, f"ping {number} was one too many"
                if (kind, flags) == (_PING, _ACK):
                    break


@pytest.mark.slow
async def test_a_client_that_answers_no_ping_is_dropped_in_half_a_minute(server: LiteServer) -> None:
    begun = time.monotonic()
    async with connected(server) as (reader, _), asyncio.timeout(60):
        while await reader.read(1 << 16):
            pass
    assert 25 < time.monotonic() - begun < 45
