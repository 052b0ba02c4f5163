"""`kov serve --workers N`: N nodes on one machine, each in a process of its own.

This process runs the embedded store and holds the sockets of all nodes, so that clients that connect while
a node is down wait in its backlog instead of being refused. A node that ends is started again. A node ends
when this process does: its standard input is a pipe from here, which it never gets anything more from.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
import socket
import struct
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from kov import listening, process
from kov.config import Config, NodeConfig
from kov.embedded import EmbeddedStore
from kov.errors import CannotStart
from kov.log_lines import Logged
from kov.reload.reloader import MappingFile, Reloader

_log = logging.getLogger(__name__)

READY: Final = b"ready\n"
LENGTH: Final = struct.Struct(">I")

_READY_TIMEOUT_S: Final = 90.0
_STOP_TIMEOUT_S: Final = 60.0  # a server may take some 40 s
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0
_SETTLED_AFTER_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a node's process is told first on its standard input; then there come configurations."""

    config: Config
    descriptors: Mapping[str, int]
    """By listener: bound sockets that it inherits."""
    http: int | None
    """The same for its HTTP server, if it is to have one."""
    logged: Logged

    @property
    def inherited(self) -> tuple[int, ...]:
        return (*self.descriptors.values(), *(() if self.http is None else (self.http,)))


def framed(message: Order | Config) -> bytes:
    """As it is told to a node: its length, then itself, pickled."""
    content = pickle.dumps(message)
    return LENGTH.pack(len(content)) + content


async def serve(
    config: Config, data: Path | None, file: MappingFile | None = None, *, logged: Logged
) -> None:
    """Serve all nodes of `config` until SIGTERM or SIGINT, as `process.serve` does for one.

    Raises ConfigError, CannotStart where a node can't start; then none is left running.
    """
    stopping = process.stop_on_signals()
    reloader = None if file is None else Reloader(file, lambda wanted: _reconfigure(workers, wanted))
    process.reload_on_hangup(reloader, stopping)
    async with AsyncExitStack() as rooms:
        sockets = {node.node_id: _bind(node, rooms) for node in config.nodes}
        http = [_bind_http(config, by, rooms) for by, _ in enumerate(config.nodes)]
        if data is not None:
            config = await _with_store(config, data, rooms)
        nodes = tuple(listening.advertised(node, sockets[node.node_id]) for node in config.nodes)
        config = replace(config, nodes=nodes)
        workers = [
            _worker(config, node, sockets[node.node_id], seen, logged)
            for node, seen in zip(nodes, http, strict=True)
        ]
        rooms.push_async_callback(_close, workers)
        if await process.done_before(stopping, _start(workers)):
            process.announce(_bootstrap_servers(nodes), process.place(config, data), listening.urls(http))
            if reloader is not None:
                rooms.push_async_callback(reloader.close)
                reloader.start()
            await stopping.wait()
            _log.info("stopping")


def _bind(node: NodeConfig, rooms: AsyncExitStack) -> dict[str, socket.socket]:
    bound = listening.bind(node)
    for each in bound.values():
        rooms.callback(each.close)
    return bound


def _bind_http(config: Config, by: int, rooms: AsyncExitStack) -> socket.socket | None:
    """Each node has a port of its own, so that what is seen there is one process."""
    bound = listening.bind_http(config.http and listening.shifted(config.http, by))
    if bound is not None:
        rooms.callback(bound.close)
    return bound


async def _with_store(config: Config, data: Path, rooms: AsyncExitStack) -> Config:
    store = EmbeddedStore(data)
    rooms.push_async_callback(store.close)
    await store.spawn()
    # The store starts while gRPC is read, which nothing before this has use for.
    from kov.embedded_cluster import cluster_in  # noqa: PLC0415

    varlog, catalog = await cluster_in(store)
    return config.with_store(varlog, catalog, store.directory)


def _worker(
    config: Config,
    node: NodeConfig,
    bound: Mapping[str, socket.socket],
    http: socket.socket | None,
    logged: Logged,
) -> Worker:
    order = Order(
        config=replace(config, node_id=node.node_id),
        descriptors={name: each.fileno() for name, each in bound.items()},
        http=None if http is None else http.fileno(),
        logged=logged,
    )
    return Worker(order)


def _bootstrap_servers(nodes: Sequence[NodeConfig]) -> dict[str, str]:
    return {
        name: ",".join(str(node.listeners[name].advertise) for node in nodes) for name in nodes[0].listeners
    }


async def _start(workers: Sequence[Worker]) -> None:
    """Raises CannotStart where one did not."""
    try:
        async with asyncio.TaskGroup() as group:
            for worker in workers:
                group.create_task(worker.start())
    except* CannotStart as several:
        raise several.exceptions[0] from None


async def _reconfigure(workers: Sequence[Worker], wanted: Config) -> None:
    for worker in workers:
        worker.reconfigure(wanted)


async def _close(workers: Sequence[Worker]) -> None:
    """All at once: each drains its connections."""
    await asyncio.gather(*[worker.close() for worker in workers])


class Worker:
    """One node's process, started again whenever it ends, until `close`."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._process: Process | None = None
        self._watcher: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        return f"node {self._order.config.node_id}"

    async def start(self) -> None:
        """Returns when it serves. Raises CannotStart; what was wrong it has said itself."""
        await self._start()
        self._watcher = asyncio.create_task(self._watch(), name=f"{self.name} watcher")

    def reconfigure(self, wanted: Config) -> None:
        """Tells it, and whoever is started again in its place, to serve the topics of `wanted`."""
        config = replace(self._order.config, topics=wanted.topics)
        self._order = replace(self._order, config=config)
        running = self._process
        if running is not None and running.stdin is not None and running.returncode is None:
            running.stdin.write(framed(config))

    async def close(self) -> None:
        """Ask it to end, kill it if it takes longer than 60 s. Idempotent."""
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.cancel()
            await asyncio.wait([watcher])
        running, self._process = self._process, None
        if running is not None and running.returncode is None:
            running.terminate()
            await self._ended(running)

    async def _ended(self, running: Process) -> None:
        try:
            async with asyncio.timeout(_STOP_TIMEOUT_S):
                await running.wait()
        except TimeoutError:
            _log.warning("%s did not stop within %g s and is killed", self.name, _STOP_TIMEOUT_S)
            running.kill()
            await running.wait()

    async def _start(self) -> None:
        self._process = running = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "kov.worker"),
            stdin=PIPE,
            stdout=PIPE,
            pass_fds=self._order.inherited,
            start_new_session=True,  # Ctrl-C in a terminal is for this process, which then ends that one
        )
        assert running.stdin is not None
        assert running.stdout is not None
        running.stdin.write(framed(self._order))
        try:
            async with asyncio.timeout(_READY_TIMEOUT_S):
                said = await running.stdout.readline()
        except TimeoutError:
            running.kill()
            raise CannotStart(f"{self.name} was not ready within {_READY_TIMEOUT_S:g} s") from None
        if said != READY:
            raise CannotStart(f"{self.name} can't start, see above (status {await running.wait()})")

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        pause_s = _FIRST_PAUSE_S
        while True:
            started = loop.time()
            assert self._process is not None
            status = await self._process.wait()
            _log.error("%s ended (status %d), starting it again", self.name, status)
            pause_s = _FIRST_PAUSE_S if loop.time() - started > _SETTLED_AFTER_S else pause_s
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
            try:
                await self._start()
                _log.warning("%s runs again", self.name)
            except (CannotStart, OSError) as error:
                _log.error("%s; trying again in %g s", error, pause_s)
