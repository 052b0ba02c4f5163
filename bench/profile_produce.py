"""Where the time of a Produce request goes, room by room: `python -m bench.profile_produce`.

kov (or, with --of store, varlog_lite) runs in this process under cProfile, while a producer in a process of
its own loads it. The profile's clock is the CPU time of the thread with the event loop, so waiting counts
nothing. Profiling makes small Python functions look dearer than they are: trust the order, not the
microsecond. What is done once, at the first requests, is left out.
"""

from __future__ import annotations

import asyncio
import cProfile
import gc
import json
import logging
import pstats
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console

from bench import hot_spots
from bench.cells import ROOT
from bench.hot_spots import Profile
from bench.site import TOPIC, mapping
from bench.values import KafkaLoad, Outcome
from kov import listening
from kov.address import Address
from kov.config import embedded_config
from kov.embedded import EmbeddedStore
from kov.server import Server
from tests.kov_process import KovProcess
from varlog_client import Admin
from varlog_lite.server import LiteServer

_WIDTH = 140
_WARM_UP_S = 0.5


class Side(StrEnum):
    KOV = "kov"
    STORE = "store"


@asynccontextmanager
async def kov_here(directory: Path) -> AsyncIterator[str]:
    """kov in this process, its embedded store in a child; the address for producers."""
    config = embedded_config().with_one_node(listening.listener(Address("127.0.0.1", 0), None))
    sockets = listening.bind(config.node)
    store = EmbeddedStore(directory)
    await store.spawn()
    server = Server(config, sockets, store=store)
    await server.start()
    try:
        yield next(iter(server.bootstrap_servers.values()))
    finally:
        await server.close()


@asynccontextmanager
async def store_here(directory: Path) -> AsyncIterator[str]:
    """varlog_lite in this process, a kov with a mapping file in a child; the address for producers."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(LiteServer(directory / "store"))
        admin = await stack.enter_async_context(await Admin.connect(server.address))
        topic = await admin.add_topic()
        log_stream = await admin.add_log_stream(topic.topic_id)
        file = directory / "mapping.yaml"
        file.write_text(mapping(server.address, topic.topic_id, log_stream.log_stream_id))
        kov = KovProcess(directory, str(file))
        await asyncio.to_thread(kov.start)
        stack.push_async_callback(asyncio.to_thread, kov.close)
        yield kov.address


async def profiled(side: Side, directory: Path, load: KafkaLoad) -> Profile:
    serve = kov_here if side is Side.KOV else store_here
    async with serve(directory) as bootstrap:
        load = replace(load, bootstrap=bootstrap)
        await _loaded(replace(load, seconds=_WARM_UP_S))
        gc.freeze()
        threads, main_s = hot_spots.threads(), time.thread_time()
        profiler = cProfile.Profile(time.thread_time)
        profiler.enable()
        try:
            outcome = await _loaded(load)
        finally:
            profiler.disable()
        return Profile(
            lines=hot_spots.lines(pstats.Stats(profiler), ROOT),
            main_s=time.thread_time() - main_s,
            threads=hot_spots.since(threads),
            outcome=outcome,
            record_bytes=load.record_bytes,
        )


async def _loaded(load: KafkaLoad) -> Outcome:
    command = (sys.executable, "-m", "bench.load_kafka", json.dumps(asdict(load)))
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(f"the load ended with status {process.returncode}")
    return Outcome(**json.loads(said))


def main(
    of: Annotated[Side, typer.Option(help="Whose time.")] = Side.KOV,
    size: Annotated[int, typer.Option(help="Record size in bytes.")] = 1024,
    seconds: Annotated[float, typer.Option(help="How long to load it.")] = 5.0,
    plain: Annotated[bool, typer.Option("--plain", help="A producer without idempotence.")] = False,
    rate: Annotated[
        float | None, typer.Option(help="Records per second; default: as fast as it goes.")
    ] = None,
    loop: Annotated[
        str, typer.Option(help="uvloop, as kov serves, or asyncio: shows socket calls.")
    ] = "uvloop",
    shown: Annotated[int, typer.Option(help="How many functions to show.")] = 30,
) -> None:
    logging.getLogger("kov").setLevel(logging.ERROR)
    load = KafkaLoad(
        seconds=seconds,
        rate=rate,
        seed=1,
        bootstrap="",
        topic=TOPIC,
        record_bytes=size,
        idempotent=not plain,
    )
    factory = uvloop.new_event_loop if loop == "uvloop" else asyncio.new_event_loop
    with tempfile.TemporaryDirectory() as directory, asyncio.Runner(loop_factory=factory) as runner:
        profile = runner.run(profiled(of, Path(directory), load))
    hot_spots.show(Console(width=_WIDTH), profile, f"{of.value} on {loop}", shown)


if __name__ == "__main__":
    typer.run(main)
