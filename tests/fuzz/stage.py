"""A kov process to attack, on varlog_lite, with topics that nobody can delete; and what it must not do."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

import psutil
import yaml

from kov.config import load
from tests.fuzz.ledger import Place
from tests.kov.kafka_table.side import TOPICS, TopicSpec
from tests.kov_process import KovProcess
from tests.lite_varlog import LiteVarlog
from tests.waiting import wait_for_sync
from varlog_client import Admin

HEALTHY: Final = TopicSpec("healthy", 2, {})
_MIB: Final = 1024 * 1024
_DEFECT: Final = re.compile(r"Traceback|\bERROR\b|\bCRITICAL\b|never awaited|never retrieved")
_FD_SLACK: Final = 12
_SETTLED_S: Final = 30.0


class Damaged(Exception):
    """kov is not what it was before: it died, it said that something failed, it holds what it should not."""


@dataclass(frozen=True, slots=True)
class Holding:
    """What a kov with no clients holds."""

    tasks: Mapping[str, int]
    fds: int
    rss_mib: int


class _Watched(KovProcess):
    COMMAND = (sys.executable, "-m", "tests.fuzz.watched_kov")


class Stage:
    """A context manager. Damage is looked for by `check`; the process is called `kov`."""

    def __init__(self, directory: Path, *, most_growth_mib: int = 256) -> None:
        self._directory = directory
        self._most_growth_mib = most_growth_mib
        self._watch = directory / "watch.jsonl"
        self._ended = ExitStack()
        self._before: Holding | None = None
        self.topics: dict[str, UUID] = {}
        self.growth_mib = 0

    def __enter__(self) -> Stage:
        try:
            self._start()
        except BaseException:
            self._ended.close()
            raise
        return self

    def _start(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        store = LiteVarlog(self._directory / "varlog")
        store.arguments = ("--exit-with-parent",)
        self._ended.callback(store.stop)
        asyncio.run(store.start())
        mapping = self._directory / "mapping.yaml"
        mapping.write_text(yaml.safe_dump(asyncio.run(_mapping(store.address))))
        self.topics = {topic.name: topic.uuid for topic in load(mapping).topics}
        self.kov = _Watched(self._directory, str(mapping))
        os.environ["KOV_WATCH"] = str(self._watch)
        self._ended.enter_context(self.kov)

    def __exit__(self, *_: object) -> None:
        self._ended.close()

    @property
    def address(self) -> str:
        return self.kov.address

    @property
    def attacked(self) -> Mapping[str, UUID]:
        """The topics that requests may write to."""
        return {name: uuid for name, uuid in self.topics.items() if name != HEALTHY.name}

    def places(self) -> Sequence[Place]:
        return [(topic.name, index) for topic in TOPICS for index in range(topic.partitions)]

    def warm(self) -> None:
        """What kov holds from now on is what it may hold."""
        self._before = self._settled()

    def check(self) -> None:
        """Nobody is connected. Raises `Damaged`."""
        self.check_alive()
        now, before = self._settled(), self._before
        if before is None:
            return
        self.growth_mib = max(self.growth_mib, now.rss_mib - before.rss_mib)
        if now.fds > before.fds + _FD_SLACK:
            raise Damaged(f"{now.fds} open files, {before.fds} before")
        if now.rss_mib > before.rss_mib + self._most_growth_mib:
            raise Damaged(f"{now.rss_mib} MiB, {before.rss_mib} before")
        if grown := {name: n for name, n in now.tasks.items() if n > before.tasks.get(name, 0) + _FD_SLACK}:
            raise Damaged(f"more tasks than before, {dict(before.tasks)}: {grown}")

    def check_alive(self) -> None:
        """It runs, and has not complained about itself. Raises `Damaged`."""
        if (status := self.kov.process.poll()) is not None:
            raise Damaged(f"kov ended with status {status}: {self.kov.log.read_text()[-3000:]}")
        if found := _DEFECT.search(said := self.kov.log.read_text(errors="replace")):
            raise Damaged(f"kov says: {said[max(0, found.start() - 300) : found.start() + 4000]}")

    def said(self) -> str:
        """The last lines of kov's log."""
        return self.kov.log.read_text(errors="replace")[-2000:] if self.kov.log.exists() else ""

    def _settled(self) -> Holding:
        """When the last connection is gone and no byte is held."""
        process = psutil.Process(self.kov.process.pid)
        tasks = wait_for_sync(self._idle_tasks, timeout_s=_SETTLED_S, what=f"an idle kov: {self._watch}")
        assert tasks is not None
        return Holding(tasks, process.num_fds(), process.memory_info().rss // _MIB)

    def _idle_tasks(self) -> dict[str, int] | None:
        told = self._ask()
        return None if told["connections"] or told["held_bytes"] else told["tasks"]

    def _ask(self) -> dict[str, dict[str, int]]:
        before = whole_lines(self._watch)
        self.kov.process.send_signal(signal.SIGUSR1)
        lines = wait_for_sync(
            lambda: after if len(after := whole_lines(self._watch)) > len(before) else None,
            timeout_s=_SETTLED_S,
            what="kov to say what it holds",
        )
        assert lines is not None
        told: dict[str, dict[str, int]] = json.loads(lines[-1])
        return told


def whole_lines(path: Path) -> list[str]:
    """Those that are there up to their ends: another process may be writing the next one."""
    return path.read_text().split("\n")[:-1] if path.exists() else []


async def _mapping(address: str) -> dict[str, object]:
    made: dict[str, object] = {}
    async with await Admin.connect(address) as admin:
        for topic in (*TOPICS, HEALTHY):
            topic_id = (await admin.add_topic()).topic_id
            streams = [
                int((await admin.add_log_stream(topic_id)).log_stream_id) for _ in range(topic.partitions)
            ]
            config = {name: int(value) if value.isdigit() else value for name, value in topic.config.items()}
            made[topic.name] = {"topic_id": int(topic_id), "partitions": streams, "config": config}
        catalog = (await admin.add_topic()).topic_id
        stream = int((await admin.add_log_stream(catalog)).log_stream_id)
    return {
        "varlog": {"cluster_id": 1, "metadata_repositories": [address], "admin": address, "unseal": True},
        "topics": made,
        "catalog": {"topic_id": int(catalog), "log_stream": stream},
        "auto_create": {"enabled": True, "partitions": 2},
    }
