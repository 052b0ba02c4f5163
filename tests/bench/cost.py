"""What a Produce request costs kov, beside what a request costs a server that never changes.

CPU time alone says how fast the machine is, and how busy. Here both servers get their requests in turns, one
at a time, so that both meet the same caches and neighbours, and the ratio of their CPU times is what counts.
"""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.crash.flood import produce_request
from tests.crash.watching import produce_one
from tests.kov_process import ROOT, KovProcess

TOPIC = "cost"
_PATIENCE_S = 30.0
_MESSAGE = struct.pack(">i", 16 * 1024) + bytes(16 * 1024)
_CPU_CLOCK = 2  # with the process's id, as clock_getcpuclockid(3) puts them together


class Side:
    """One connection to a server, with one request on its way at a time."""

    def __init__(self, pid: int, port: int, request: bytes) -> None:
        self._pid = pid
        self._request = request
        self._connection = socket.create_connection(("127.0.0.1", port), _PATIENCE_S)

    def close(self) -> None:
        self._connection.close()

    def cpu_s(self) -> float:
        """Of all its threads, to the nanosecond: what /proc says in ticks would be too coarse."""
        return time.clock_gettime(~self._pid << 3 | _CPU_CLOCK)

    def send(self) -> None:
        self._connection.sendall(self._request)

    def receive(self, count: int) -> bytes:
        found = bytearray()
        while len(found) < count:
            more = self._connection.recv(count - len(found))
            assert more, "the connection was closed"
            found += more
        return bytes(found)


@contextmanager
def kov_side(kov: KovProcess, *, value_bytes: int) -> Iterator[Side]:
    produce_one(kov, TOPIC)
    request = produce_request(TOPIC, acks=-1, timeout_ms=30_000, value=bytes(value_bytes))
    side = Side(kov.process.pid, int(kov.address.rpartition(":")[2]), request)
    try:
        yield side
    finally:
        side.close()


@contextmanager
def reference_side() -> Iterator[Side]:
    command = (sys.executable, "-m", "tests.bench.reference")
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            side = Side(process.pid, int(process.stdout.readline()), _MESSAGE)
            try:
                yield side
            finally:
                side.close()
        finally:
            process.kill()


def costs(kov: KovProcess, *, value_bytes: int, requests: int, rounds: int) -> list[float]:
    """kov's CPU time for a request by the reference's, in each round."""
    with kov_side(kov, value_bytes=value_bytes) as asked, reference_side() as reference:
        _round(asked, reference, requests)  # buffers grow, threads begin
        return [_round(asked, reference, requests) for _ in range(rounds)]


def _round(asked: Side, reference: Side, requests: int) -> float:
    before = asked.cpu_s(), reference.cpu_s()
    for _ in range(requests):
        asked.send()
        (size,) = struct.unpack(">i", asked.receive(4))
        answer = asked.receive(size)
        assert answer[-22:-20] == bytes(2), answer  # its error code
        reference.send()
        reference.receive(8)
    return (asked.cpu_s() - before[0]) / (reference.cpu_s() - before[1])
