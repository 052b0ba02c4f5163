"""varlog_lite through gRPC beside LMDB alone, with the same entries and commits: `python -m bench.lite`.

A round is one run of the server, in a process of its own, with DEPTH appends of one entry in flight, and one
run of LMDB with as many entries, spread over as many transactions, each synced. What counts is the ratio.
Before each run the data files' page cache is dropped, and a first round is not counted: whoever is first to
touch the memory of a virtual machine pays for it.
"""

from __future__ import annotations

import asyncio
import os
import platform
import random
import statistics
import sys
import tempfile
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import grpc
import lmdb
import typer
import uvloop

from bench import page_cache
from varlog_client.pb import admpb_pb2, admpb_pb2_grpc, snpb_pb2

GOAL = 0.5
_MIB = 1 << 20
_READY = "varlog-lite ready on "
_UNLIMITED = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    entry_bytes: int
    depth: int
    seconds: float

    def entries(self) -> list[bytes]:
        """Some that differ and can't be compressed."""
        chance = random.Random(1)
        return [chance.randbytes(self.entry_bytes) for _ in range(16)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    entries: int
    commits: int
    seconds: float

    def mib_per_s(self, load: Load) -> float:
        return self.entries * load.entry_bytes / _MIB / self.seconds


@asynccontextmanager
async def _serving(data: Path) -> AsyncIterator[str]:
    command = ("-m", "varlog_lite", "serve", "--listen", "127.0.0.1:0", "--data", str(data))
    process = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=PIPE)
    try:
        assert process.stdout is not None
        line = (await process.stdout.readline()).decode()
        if not line.startswith(_READY):
            raise SystemExit("varlog-lite did not start")
        yield line.removeprefix(_READY).strip()
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def run_server(data: Path, load: Load) -> Run:
    """Requests are serialized beforehand and answers not parsed: this is the server's speed."""
    async with _serving(data) as address, grpc.aio.insecure_channel(address, _UNLIMITED) as channel:
        admin = admpb_pb2_grpc.ClusterManagerStub(channel)
        topic = (await admin.AddTopic(admpb_pb2.AddTopicRequest())).topic.topic_id
        stream = (await admin.AddLogStream(admpb_pb2.AddLogStreamRequest(topic_id=topic))).log_stream
        ids = {"topic_id": topic, "log_stream_id": stream.log_stream_id}
        requests = [snpb_pb2.AppendRequest(**ids, payload=[e]).SerializeToString() for e in load.entries()]
        before = _commits(data)
        entries, seconds = await _append(channel, requests, load)
    return Run(entries=entries, commits=_commits(data) - before, seconds=seconds)


async def _append(channel: grpc.aio.Channel, requests: list[bytes], load: Load) -> tuple[int, float]:
    append: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(
        "/varlog.snpb.LogIO/Append"
    )
    call = append()
    began = time.monotonic()
    sent = answered = 0
    while sent == 0 or sent > answered:
        while sent - answered < load.depth and time.monotonic() - began < load.seconds:
            await call.write(requests[sent % len(requests)])
            sent += 1
        await call.read()
        answered += 1
    seconds = time.monotonic() - began
    await call.done_writing()
    return answered, seconds


def _commits(data: Path) -> int:
    """LMDB numbers its transactions."""
    with lmdb.open(str(data), readonly=True, lock=False, max_dbs=2) as env:
        return int(env.info()["last_txnid"])


def run_lmdb(data: Path, load: Load, like: Run) -> Run:
    entries = load.entries()
    with lmdb.open(str(data), map_size=1 << 40, max_dbs=2) as env:
        database = env.open_db(b"entries")
        began = time.monotonic()
        done = 0
        for commit in range(like.commits):
            until = like.entries * (commit + 1) // like.commits
            with env.begin(database, write=True) as txn:
                for number in range(done, until):
                    txn.put(b"%028d" % number, entries[number % len(entries)], overwrite=False)
            done = until
        return Run(entries=done, commits=like.commits, seconds=time.monotonic() - began)


def _round(directory: Path, load: Load) -> tuple[Run, Run]:
    with tempfile.TemporaryDirectory(dir=directory) as where:
        served = uvloop.run(run_server(Path(where, "lite"), load))
        page_cache.drop(Path(where))
        alone = run_lmdb(Path(where, "lmdb"), load, served)
        page_cache.drop(Path(where))
        return served, alone


def _conditions(load: Load) -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("grpcio", "lmdb", "uvloop"))
    return (
        f"{load.entry_bytes} bytes an entry, {load.depth} in flight, {load.seconds:g} s; "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, {packages}; client, server and disk on one machine"
    )


def main(
    directory: Annotated[Path, typer.Option(help="On the disk to measure.")] = Path(),
    entry_bytes: Annotated[int, typer.Option(min=1)] = 64 * 1024,
    depth: Annotated[int, typer.Option(min=1)] = 8,
    seconds: Annotated[float, typer.Option(help="Of one run of the server.")] = 3.0,
    rounds: Annotated[int, typer.Option(min=1)] = 5,
) -> None:
    """Prints a line for each round, and the median ratio with the conditions."""
    load = Load(entry_bytes=entry_bytes, depth=depth, seconds=seconds)
    print(_conditions(load))
    _round(directory, replace(load, seconds=min(1.0, seconds)))
    ratios: list[float] = []
    for number in range(rounds):
        served, alone = _round(directory, load)
        ratios.append(served.mib_per_s(load) / alone.mib_per_s(load))
        print(
            f"round {number + 1}: varlog_lite {served.mib_per_s(load):.0f} MiB/s, "
            f"LMDB alone {alone.mib_per_s(load):.0f} MiB/s, ratio {ratios[-1]:.2f} "
            f"({served.entries} entries in {served.commits} commits)",
            flush=True,
        )
    median = statistics.median(ratios)
    print(f"median ratio {median:.2f}; the goal is {GOAL}: {'met' if median >= GOAL else 'missed'}")


if __name__ == "__main__":
    typer.run(main)
