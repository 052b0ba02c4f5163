"""`varlog-lite serve`, the program around `LiteServer`, and `varlog-lite compact`."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
import uvloop

# gRPC's own log lines would stand between ours; what matters of them is raised as well.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from varlog_lite import compaction
from varlog_lite.directory import StoreUnusable
from varlog_lite.parent import ParentWatch
from varlog_lite.server import CannotListen, LiteServer
from varlog_lite.store import DEFAULT_MAP_BYTES

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

_SWITCH_INTERVAL_S = 0.0005


@app.callback()
def _program() -> None:
    """Varlog on one machine: one process that speaks Varlog's own gRPC, its data in one LMDB file."""


@app.command()
def serve(
    data: Annotated[Path, typer.Option(help="Data directory; made if missing.")],
    listen: Annotated[str, typer.Option(help="HOST:PORT; port 0 takes a free one.")] = "127.0.0.1:9191",
    advertise: Annotated[
        str | None, typer.Option(help="HOST:PORT that clients are told; default: the listening address.")
    ] = None,
    auto_unseal: Annotated[
        bool, typer.Option("--auto-unseal", help="Unseal the log streams that a restart leaves sealed.")
    ] = False,
    cluster_id: Annotated[int, typer.Option(min=1, help="Varlog cluster id.")] = 1,
    max_bytes: Annotated[
        int, typer.Option(min=1 << 20, help="How large the data file may grow; default: as the disk allows.")
    ] = DEFAULT_MAP_BYTES,
    exit_with_parent: Annotated[
        bool, typer.Option("--exit-with-parent", help="End when the process that started this one ends.")
    ] = False,
) -> None:
    """Serve until SIGTERM or SIGINT. Prints one line when ready, which names the address."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="varlog-lite: %(message)s")
    server = LiteServer(
        data,
        listen,
        advertise=advertise,
        auto_unseal=auto_unseal,
        cluster_id=cluster_id,
        map_bytes=max_bytes,
    )
    # The writer's thread must not wait long for the event loop's to let go of the interpreter.
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    try:
        reason = uvloop.run(_serve(server, exit_with_parent=exit_with_parent))
    except (StoreUnusable, CannotListen) as error:
        reason = str(error)
    if reason:
        sys.stderr.write(f"varlog-lite: {reason}\n")
        raise typer.Exit(1)


@app.command()
def compact(
    data: Annotated[Path, typer.Option(help="Data directory; no server may be using it.")],
    into: Annotated[
        Path | None, typer.Option(help="Write the compacted data here and leave --data as it is.")
    ] = None,
) -> None:
    """Give the space of trimmed entries back to the disk. Needs room for what is kept meanwhile."""
    try:
        compacted = compaction.compact(data, into)
    except StoreUnusable as error:
        sys.stderr.write(f"varlog-lite: {error}\n")
        raise typer.Exit(1) from error
    sys.stdout.write(f"{compacted}\n")


async def _serve(server: LiteServer, *, exit_with_parent: bool) -> str | None:
    """Why it can't go on; None for a stop that was asked for."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    watch = ParentWatch(stopped.set)
    if exit_with_parent:
        watch.start()
    try:
        return await _run(server, stopped)
    finally:
        await watch.close()


async def _run(server: LiteServer, stopped: asyncio.Event) -> str | None:
    async with server:
        gc.freeze()
        sys.stdout.write(f"varlog-lite ready on {server.address}\n")
        sys.stdout.flush()
        stop, failure = asyncio.create_task(stopped.wait()), asyncio.create_task(server.failed())
        done, pending = await asyncio.wait({stop, failure}, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        return failure.result() if failure in done else None


def main() -> None:
    app()
