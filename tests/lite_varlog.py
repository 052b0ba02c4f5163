"""A `varlog-lite` process on a free loopback port, with the surface of `RealVarlog`.

    async with start_lite_varlog(directory) as cluster:
        topic = await cluster.add_topic()
        log_stream = await cluster.add_log_stream(topic)

Nothing in it belongs to an event loop, so it may be shared by tests that each run in their own.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from varlog_client import Admin, LogStreamId, StorageNodeId, TopicId

_START_S = 20.0
_READY = b"varlog-lite ready on "


@asynccontextmanager
async def start_lite_varlog(directory: Path) -> AsyncIterator[LiteVarlog]:
    """A running server whose data are in `directory`; it is killed on leaving."""
    cluster = LiteVarlog(directory)
    try:
        await cluster.start()
        yield cluster
    finally:
        cluster.stop()


class LiteVarlog:
    """One address for everything. Its only storage node is number 1; to kill that is to kill the server."""

    cluster_id = 1
    replication_factor = 1

    def __init__(self, directory: Path) -> None:
        self.address = "127.0.0.1:0"
        self.arguments: tuple[str, ...] = ()
        """Further ones of the command line, from the next start on."""
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def metadata_repository(self) -> str:
        return self.address

    @property
    def admin(self) -> str:
        return self.address

    @property
    def pid(self) -> int:
        assert self._process is not None, "varlog-lite does not run"
        return self._process.pid

    async def start(self) -> None:
        """Raises `RuntimeError` with what the server said when it doesn't come up."""
        log = self._directory.with_suffix(".log")
        self._process = process = self._spawn(log)
        assert process.stdout is not None
        async with asyncio.timeout(_START_S):
            ready = await asyncio.to_thread(process.stdout.readline)
        if not ready.startswith(_READY):
            raise RuntimeError(f"varlog-lite did not start: {log.read_text(errors='replace')[-2000:]}")
        self.address = ready.removeprefix(_READY).decode().strip()

    def _spawn(self, log: Path) -> subprocess.Popen[bytes]:
        program = Path(sys.executable).with_name("varlog-lite")
        command = (
            *(str(program), "serve", f"--listen={self.address}", f"--data={self._directory}"),
            *self.arguments,
        )
        with log.open("ab") as said:
            return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said)

    def stop(self) -> None:
        """`kill -9`."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    async def add_topic(self) -> TopicId:
        async with await Admin.connect(self.admin) as admin:
            return (await admin.add_topic()).topic_id

    async def add_log_stream(self, topic_id: TopicId) -> LogStreamId:
        async with await Admin.connect(self.admin) as admin:
            return (await admin.add_log_stream(topic_id)).log_stream_id

    async def seal(self, topic_id: TopicId, log_stream_id: LogStreamId) -> None:
        async with await Admin.connect(self.admin) as admin:
            await admin.seal(topic_id, log_stream_id)

    async def unseal(self, topic_id: TopicId, log_stream_id: LogStreamId) -> None:
        async with await Admin.connect(self.admin) as admin:
            await admin.unseal(topic_id, log_stream_id)

    async def keep_running(self, topic_id: TopicId, log_stream_id: LogStreamId) -> None:
        """It never seals one by itself."""

    def kill(self, node: StorageNodeId) -> None:
        """`kill -9`. Its log streams are sealed when it is back: see `unseal`."""
        assert node == 1
        self.stop()

    def freeze(self, node: StorageNodeId) -> None:
        """SIGSTOP: connections stay, nothing answers."""
        assert node == 1
        self._signal(signal.SIGSTOP)

    def thaw(self, node: StorageNodeId) -> None:
        assert node == 1
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def restart(self, node: StorageNodeId) -> None:
        assert node == 1
        await self.start()
