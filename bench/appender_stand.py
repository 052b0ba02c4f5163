"""The stores that `bench.appender` measures, and a process that appends to one of them."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from bench import page_cache
from bench.appender_cells import Figures
from bench.appender_load import Job
from bench.cells import ROOT, LoadFailed
from bench.site import Cluster
from tests.lite_varlog import start_lite_varlog
from tests.real_varlog import missing_programs, start_real_varlog
from varlog_client import LogStreamId, TopicId

_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """`copies` of every entry are stored. `missing`: why it can't be measured here, or None."""

    name: str
    copies: int
    start: Callable[[Path], AbstractAsyncContextManager[Cluster]]
    missing: Callable[[], str | None]


def _real(copies: int) -> Callable[[Path], AbstractAsyncContextManager[Cluster]]:
    return partial(start_real_varlog, storage_nodes=copies, replication_factor=copies)


TARGETS = {
    each.name: each
    for each in (
        Target(name="varlog_lite", copies=1, start=start_lite_varlog, missing=lambda: None),
        Target(name="varlog-rf1", copies=1, start=_real(1), missing=missing_programs),
        Target(name="varlog-rf2", copies=2, start=_real(2), missing=missing_programs),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """A fresh store with one log stream, and a worker that appends to it."""

    directory: Path
    metadata_repository: str
    topic_id: TopicId
    log_stream_id: LogStreamId
    worker: asyncio.subprocess.Process

    async def measure(self, job: Job) -> Figures:
        """Raises `LoadFailed`."""
        await asyncio.to_thread(page_cache.drop, self.directory)
        assert self.worker.stdin is not None
        assert self.worker.stdout is not None
        self.worker.stdin.write(json.dumps(asdict(job)).encode() + b"\n")
        try:
            async with asyncio.timeout(job.seconds + _PATIENCE_S):
                line = await self.worker.stdout.readline()
        except TimeoutError:
            raise LoadFailed("the process that appends did not answer") from None
        if not line:
            raise LoadFailed("the process that appends has ended")
        values = json.loads(line)
        if "failure" in values:
            raise LoadFailed(values["failure"])
        return Figures(**values)


@asynccontextmanager
async def open_stand(target: Target, directory: Path) -> AsyncIterator[Stand]:
    """Both are ended on leaving; the data stay in `directory`."""
    async with target.start(directory / "store") as cluster:
        topic_id = await cluster.add_topic()
        log_stream_id = await cluster.add_log_stream(topic_id)
        where = (cluster.metadata_repository, str(topic_id), str(log_stream_id))
        worker = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.appender_load", *where),
            cwd=ROOT,
            stdin=PIPE,
            stdout=PIPE,
            start_new_session=True,  # Ctrl-C is for the program that measures, which then ends this one
        )
        try:
            yield Stand(
                directory=directory,
                metadata_repository=cluster.metadata_repository,
                topic_id=topic_id,
                log_stream_id=log_stream_id,
                worker=worker,
            )
        finally:
            worker.kill()
            await worker.communicate()
