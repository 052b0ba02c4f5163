"""One kov process: bind, start, say so, wait for a signal, stop."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from kov import listening, memory, service_manager
from kov.config import Config
from kov.embedded import EmbeddedStore
from kov.reload.reloader import MappingFile, Reloader

if TYPE_CHECKING:
    from kov.server import Server

_log = logging.getLogger(__name__)

_NOT_SERVED = "not served yet: TLS and SASL, consumer groups, transactions"


class Follower(Protocol):
    """Brings new configurations to a server that serves."""

    def start(self) -> None: ...

    async def close(self) -> None: ...


async def serve(config: Config, data: Path | None, file: MappingFile | None = None) -> None:
    """Serve until SIGTERM or SIGINT; a second signal ends the process at once. Raises ConfigError.

    `data` is the embedded store's directory where the configuration names no cluster; `file` is watched.
    """
    stopping = stop_on_signals()

    async def reconfigure(wanted: Config) -> None:
        await server.reconfigure(wanted)

    reloader = None if file is None else Reloader(file, reconfigure)
    reload_on_hangup(reloader, stopping)
    with ExitStack() as held:
        sockets = listening.bind(config.node)
        for each in sockets.values():
            held.callback(each.close)
        http = listening.bind_http(config.http)
        if http is not None:
            held.callback(http.close)
        store = EmbeddedStore(data) if data is not None else None
        if store is not None:
            await store.spawn()
        # The store starts while these modules are read.
        from kov.server import Server  # noqa: PLC0415

        server = Server(config, sockets, store=store, http=http)
        looked_at = listening.urls([http])
        await run(
            server,
            stopping,
            lambda: announce(server.bootstrap_servers, place(config, data), looked_at),
            reloader,
        )


async def run(
    server: Server, stopping: asyncio.Event, announce: Callable[[], None], follower: Follower | None = None
) -> None:
    """Until `stopping`; `announce` is called when producers are served, and then the follower started.

    Raises ConfigError.
    """
    memory.keep_freed()
    try:
        if await done_before(stopping, server.start()):
            gc.freeze()
            announce()
            if follower is not None:
                follower.start()
            await stopping.wait()
            _log.info("stopping")
    finally:
        if follower is not None:
            await follower.close()
        await server.close()


async def done_before(stopping: asyncio.Event, start: Coroutine[None, None, None]) -> bool:
    """False: a signal came first, and `start` was cancelled. Raises what `start` does."""
    starting = asyncio.create_task(start, name="start")
    stop = asyncio.create_task(stopping.wait(), name="stop")
    try:
        await asyncio.wait({starting, stop}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.cancel()
        if not starting.done():
            starting.cancel()
        await asyncio.wait({starting, stop})
    if starting.cancelled():
        return False
    starting.result()
    return True


def stop_on_signals() -> asyncio.Event:
    """Set by SIGTERM or SIGINT; a second one ends the process at once."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop(number: int) -> None:
        if stopping.is_set():
            sys.stderr.write("kov: second signal, ending at once\n")
            os._exit(128 + number)
        stopping.set()
        service_manager.stopping()

    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stop, each)
    return stopping


def reload_on_hangup(reloader: Reloader | None, stopping: asyncio.Event) -> None:
    """SIGHUP asks `reloader`. Without one it is what a terminal that is closed says, and ends the process."""
    loop = asyncio.get_running_loop()
    if reloader is not None:
        loop.add_signal_handler(signal.SIGHUP, reloader.ask)
    elif signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        loop.add_signal_handler(signal.SIGHUP, stopping.set)


def place(config: Config, data: Path | None) -> str:
    return f"embedded store in {data}" if data is not None else f"topics of {config.source}"


def announce(bootstrap_servers: Mapping[str, str], where: str, http: Sequence[str]) -> None:
    """The first listener's addresses are for `bootstrap.servers`; `http`: URLs to look in."""
    first, *others = bootstrap_servers.items()
    further = "".join(f"; listener {name}: {address}" for name, address in others)
    seen = f"; http: {','.join(http)}" if http else ""
    sys.stdout.write(f"kov is ready: bootstrap.servers={first[1]} ({where}){further}{seen}\n")
    sys.stdout.flush()
    service_manager.ready(f"serving on {first[1]} ({where}){further}{seen}")
    _log.info(_NOT_SERVED)
