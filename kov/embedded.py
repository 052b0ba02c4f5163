"""The embedded store: varlog_lite as a child process, started, watched, restarted and stopped from here.

It runs in a session of its own, so that Ctrl-C in a terminal reaches kov alone, which then stops it last.
It ends by itself when kov is gone, however kov ended (`--exit-with-parent`).
"""

from __future__ import annotations

import asyncio
import logging
import sys
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import Coroutine
from pathlib import Path
from typing import Final

from kov.data_directory import DataDirectory
from kov.errors import CannotStart

_log = logging.getLogger(__name__)

EMBEDDED_CLUSTER_ID: Final = 1

_READY: Final = "varlog-lite ready on "
_READY_TIMEOUT_S: Final = 60.0
_STOP_TIMEOUT_S: Final = 10.0
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0
_SETTLED_AFTER_S: Final = 30.0
_LEFT_OVER_TIMEOUT_S: Final = 15.0
_LINE_LIMIT: Final = 1 << 20
_KEPT_LINES: Final = 20


class EmbeddedStore:
    """Owns the child and its directory. After `ready` the address stays the same until `close`."""

    def __init__(self, directory: Path) -> None:
        self.address = ""
        self._directory = DataDirectory(directory)
        self._process: Process | None = None
        self._said: deque[str] = deque(maxlen=_KEPT_LINES)
        self._readers: set[asyncio.Task[None]] = set()
        self._watcher: asyncio.Task[None] | None = None

    @property
    def directory(self) -> Path:
        return self._directory.path

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def spawn(self) -> None:
        """Take the directory and start the child without waiting for it. Raises CannotStart in one line."""
        self._directory.hold()
        await self._spawn("127.0.0.1:0")

    async def ready(self) -> None:
        """Returns when the store answers; the child is watched from then on. CannotStart in one line."""
        deadline = asyncio.get_running_loop().time() + _LEFT_OVER_TIMEOUT_S
        while not self.address:
            try:
                self.address = await self._ready()
            except CannotStart as error:
                # We hold the directory, so it is the child of a kov that was killed: it is about to end.
                if "in use" not in str(error) or asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(_FIRST_PAUSE_S)
                await self._spawn("127.0.0.1:0")
        self._directory.tell(self.address)
        self._watcher = asyncio.create_task(self._watch(), name="embedded store watcher")

    async def close(self) -> None:
        """Stop the child: asked first, killed if it takes longer than 10 s. Idempotent."""
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.cancel()
            await asyncio.wait([watcher])
        await self._stop()
        self._directory.release()

    async def _spawn(self, listen: str) -> None:
        command = ["-m", "varlog_lite", "serve", "--listen", listen, "--data", str(self.directory / "varlog")]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *command,
            "--auto-unseal",
            "--exit-with-parent",
            stdin=PIPE,  # its end tells the child that this process has ended
            stdout=PIPE,
            stderr=PIPE,
            start_new_session=True,
            limit=_LINE_LIMIT,
        )
        assert process.stderr is not None
        self._process = process
        self._said.clear()
        self._own(self._relay(process.stderr))

    async def _ready(self) -> str:
        """The address from the child's ready line. If it never comes, the child is ended."""
        assert self._process is not None
        try:
            async with asyncio.timeout(_READY_TIMEOUT_S):
                return await self._ready_line(self._process)
        except TimeoutError:
            await self._stop()
            raise CannotStart(
                f"the embedded store in {self.directory} was not ready within {_READY_TIMEOUT_S:g} s"
            ) from None
        except BaseException:  # also when cancelled: no child may be left behind
            await self._stop()
            raise

    async def _ready_line(self, process: Process) -> str:
        assert process.stdout is not None
        while line := (await process.stdout.readline()).decode(errors="replace"):
            if line.startswith(_READY):
                self._own(_drain(process.stdout))
                return line.removeprefix(_READY).strip()
        status = await process.wait()
        await self._all_said()
        reason = self._said[-1] if self._said else f"it ended with {_described(status)}"
        raise CannotStart(f"the embedded store can't start: {reason.removeprefix('varlog-lite: ')}")

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        pause_s = _FIRST_PAUSE_S
        while True:
            if self._process is not None:
                started = loop.time()
                status = await self._process.wait()
                _log.error("the embedded store ended (%s), starting it again", _described(status))
                if loop.time() - started > _SETTLED_AFTER_S:
                    pause_s = _FIRST_PAUSE_S
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
            try:
                await self._spawn(self.address)
                await self._ready()
                _log.warning("the embedded store runs again")
            except (CannotStart, OSError) as error:
                _log.error("%s; trying again in %g s", error, pause_s)

    async def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(_STOP_TIMEOUT_S):
                    await process.wait()
            except TimeoutError:
                _log.warning("the embedded store did not stop within %g s and is killed", _STOP_TIMEOUT_S)
                process.kill()
                await process.wait()
        await self._all_said()

    async def _all_said(self) -> None:
        if self._readers:
            await asyncio.wait(self._readers)

    async def _relay(self, stderr: asyncio.StreamReader) -> None:
        while line := await stderr.readline():
            text = line.decode(errors="replace").rstrip()
            self._said.append(text)
            _log.info("embedded store: %s", text)

    def _own(self, reading: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(reading, name="embedded store output")
        self._readers.add(task)
        task.add_done_callback(self._readers.discard)


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.read(4096):
        pass


def _described(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"status {status}"
