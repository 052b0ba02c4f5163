"""Reads the mapping file again when it has changed, or when somebody asks, and hands over what is good."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from kov import service_manager
from kov.config import Config, read_bytes
from kov.errors import ConfigError
from kov.reload.changes import compare
from kov.reload.watch import FileWatch

_log = logging.getLogger(__name__)

Apply = Callable[[Config], Awaitable[None]]
"""Takes over the topics of a configuration, or raises ConfigError and has changed nothing."""

_EVERY_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingFile:
    """`loaded` is what was read from it when kov was started, `node_id` what stood in for the file's."""

    path: Path
    loaded: Config
    node_id: int | None = None

    def read(self, data: bytes) -> Config:
        """Raises ConfigError."""
        return read_bytes(data, source=str(self.path), node_id=self.node_id)


class Reloader:
    """Whatever goes wrong is said in the log, and what was in force stays in force."""

    def __init__(self, file: MappingFile, apply: Apply, *, every_s: float = _EVERY_S) -> None:
        """`every_s`: how often the file is looked at; a change is taken the second time it is seen."""
        self._file = file
        self._apply = apply
        self._every_s = every_s
        self._watch = FileWatch(file.path, file.loaded.digest)
        self._running = file.loaded
        self._missing = False
        self._asked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """From now on the file is watched; what was asked for before is done now."""
        self._task = asyncio.create_task(self._run(), name="mapping file watcher")

    def ask(self) -> None:
        """Read the file now, changed or not: what SIGHUP means. Returns at once."""
        self._asked.set()

    async def close(self) -> None:
        """What is being read then is not taken over. Idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._every_s):
                    await self._asked.wait()
            except TimeoutError:
                await self._look()
            else:
                self._asked.clear()
                await self._take()

    async def _look(self) -> None:
        content = await asyncio.to_thread(self._watch.poll)
        if content is not None:
            await self._reload(content)
        elif self._watch.missing != self._missing:
            self._missing = not self._missing
            if self._missing:
                _log.warning("%s is gone; its topics are served on as they are", self._file.path)
            else:
                _log.info("%s is there again", self._file.path)

    async def _take(self) -> None:
        try:
            content = await asyncio.to_thread(self._watch.take)
        except OSError as error:
            self._keep(f"{self._file.path}: the file can't be read: {error.strerror}")
        else:
            await self._reload(content)

    async def _reload(self, content: bytes) -> None:
        service_manager.reloading()
        try:
            # A file of thousands of topics takes a second to read.
            wanted = await asyncio.to_thread(self._file.read, content)
            self._check(wanted)
            await self._apply(wanted)
        except ConfigError as error:
            self._keep(str(error))
        else:
            self._say(wanted)
            self._running = replace(self._running, topics=wanted.topics)
        finally:
            service_manager.reloaded()

    def _check(self, wanted: Config) -> None:
        assert self._running.varlog is not None
        assert wanted.varlog is not None
        old, new = self._running.varlog.cluster_id, wanted.varlog.cluster_id
        if old != new:
            raise ConfigError(
                f"{self._file.path}: varlog.cluster_id: was {old} and is {new}: another cluster's topics "
                f"are served only when kov is started again; start it again, or write {old}"
            )

    def _keep(self, problems: str) -> None:
        for line in problems.splitlines():
            _log.error("%s", line)
        _log.error("%s is not taken over: the topics are served as before", self._file.path)

    def _say(self, wanted: Config) -> None:
        changes = compare(self._running, wanted)
        _log.info(
            "%s was read again: %s", self._file.path, "; ".join(changes.topics) or "no topic has changed"
        )
        for sentence in (*changes.moved, *changes.fixed):
            _log.warning("%s: %s", self._file.path, sentence)
