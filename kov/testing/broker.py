"""A kov in this process, for a test: the real server and the real embedded store, on a free port.

Only the store is a process of its own, as under `kov serve`; it ends with this one, however that ends.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from kov import listening
from kov.address import Address
from kov.config import Config, Listener, embedded_config
from kov.config.values import DEFAULT_AUTO_PARTITIONS, AutoCreate
from kov.embedded import EmbeddedStore

_ANY_PORT: Final = Address("127.0.0.1", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """A kov that serves."""

    bootstrap_servers: str
    """HOST:PORT, for a client's option of this name."""
    data: Path
    """Where its records are; the same directory given to a later broker has them again."""


@asynccontextmanager
async def start_broker(
    *, partitions: int = DEFAULT_AUTO_PARTITIONS, data: Path | None = None
) -> AsyncIterator[Broker]:
    """A broker in the running event loop. Topics come into being when they are used, with `partitions` each.

    Entering returns when clients are served and raises `kov.errors.CannotStart` when that can't be. Leaving
    answers what is under way, stops, and removes the records unless `data` names a directory for them.
    A test that blocks the event loop blocks the broker: use `run_broker` there.
    """
    async with AsyncExitStack() as rooms:
        directory = data or Path(rooms.enter_context(tempfile.TemporaryDirectory(prefix="kov-broker-")))
        config = _config(partitions)
        sockets = listening.bind(config.node)
        for each in sockets.values():
            rooms.callback(each.close)
        store = EmbeddedStore(directory)
        rooms.push_async_callback(store.close)
        await store.spawn()
        # The store starts while these modules are read.
        from kov.server import Server  # noqa: PLC0415

        server = Server(config, sockets, store=store)
        rooms.push_async_callback(server.close)
        await server.start()
        (address,) = server.bootstrap_servers.values()
        yield Broker(bootstrap_servers=address, data=directory)


@contextmanager
def run_broker(*, partitions: int = DEFAULT_AUTO_PARTITIONS, data: Path | None = None) -> Iterator[Broker]:
    """`start_broker` in a thread and an event loop of its own, so that the test may block as it likes."""
    started: Future[Broker] = Future()
    stop: Future[None] = Future()
    thread = threading.Thread(
        target=lambda: asyncio.run(_serve(started, stop, partitions, data)), name="kov broker", daemon=True
    )
    thread.start()
    try:
        yield started.result()
    finally:
        stop.set_result(None)
        thread.join()


async def _serve(started: Future[Broker], stop: Future[None], partitions: int, data: Path | None) -> None:
    """What goes wrong before the broker serves is for who waits for `started`."""
    try:
        async with start_broker(partitions=partitions, data=data) as broker:
            started.set_result(broker)
            await asyncio.wrap_future(stop)
    except BaseException as error:  # whatever it was, nobody may go on waiting
        if started.done():
            raise
        started.set_exception(error)


def _config(partitions: int) -> Config:
    config = replace(embedded_config(), auto_create=AutoCreate(enabled=True, partitions=partitions))
    return config.with_one_node(Listener(bind=_ANY_PORT, advertise=_ANY_PORT))
