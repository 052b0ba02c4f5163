"""What a node's process is told on its standard input by the one that runs it: `kov.workers` says it."""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
from collections.abc import Awaitable, Callable

from kov.config import Config
from kov.errors import ConfigError
from kov.workers import LENGTH, Order

_log = logging.getLogger(__name__)

_CHUNK = 1 << 16


class Told:
    """First an order, then configurations that take the place of the one before."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._received = bytearray()
        self._newest: Config | None = None
        self._apply: Callable[[Config], Awaitable[None]] | None = None
        self._come = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def order(self) -> Order | None:
        """Blocks until it is there; None if whoever says it ended first."""
        while True:
            message = self._next()
            if message is not None:
                assert isinstance(message, Order)
                return message
            if not self._receive():
                return None

    def follow(self, apply: Callable[[Config], Awaitable[None]], stopping: asyncio.Event) -> None:
        """`stopping` is set as soon as nobody can say anything more; see `start` for `apply`."""
        self._apply = apply
        asyncio.get_running_loop().add_reader(self._descriptor, self._on_readable, stopping)

    def start(self) -> None:
        """From now on configurations are applied, one after the other; of several that wait, the newest."""
        self._task = asyncio.create_task(self._run(), name="configurations")

    async def close(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _run(self) -> None:
        while True:
            await self._come.wait()
            self._come.clear()
            config, self._newest = self._newest, None
            if config is None or self._apply is None:
                continue
            try:
                await self._apply(config)
            except ConfigError as error:
                _log.error("%s; this node serves the topics as before", error)

    def _on_readable(self, stopping: asyncio.Event) -> None:
        if not self._receive():
            asyncio.get_running_loop().remove_reader(self._descriptor)
            stopping.set()
        while (message := self._next()) is not None:
            assert isinstance(message, Config)
            self._newest = message
            self._come.set()

    def _receive(self) -> bool:
        chunk = os.read(self._descriptor, _CHUNK)
        self._received += chunk
        return bool(chunk)

    def _next(self) -> object:
        if len(self._received) < LENGTH.size:
            return None
        (length,) = LENGTH.unpack_from(self._received)
        end = LENGTH.size + length
        if len(self._received) < end:
            return None
        content = bytes(self._received[LENGTH.size : end])
        del self._received[:end]
        message: object = pickle.loads(content)  # noqa: S301 - it comes from the process that started this one
        return message
