"""Who unseals what a restart left sealed: an operator with patience, or nobody, where kov is to do it.

The operator reads kov's log, too, and seals what it calls stuck, as it says; then unseals it like any other.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from pathlib import Path

from varlog_client import Admin, Log, LogStreamId, LogStreamStatus, TopicId, VarlogError

LogStreamPlace = tuple[TopicId, LogStreamId]

_LOOK_S = 0.3
_RUNNING_S = 60.0
_STUCK = re.compile(
    rb"log stream (\d+) of Varlog topic (\d+) runs and answers no append: .*; seal and unseal it"
)


class Janitor:
    """Looks at `places` again and again, but not at `left_sealed`. Unseals only where it is safe."""

    def __init__(self, metadata_repository: str, admin: str, *, unseals: bool, patience_s: float) -> None:
        """`patience_s`: how long a log stream must have been sealed on all replicas before it is unsealed."""
        self.places: list[LogStreamPlace] = []
        self.left_sealed: set[LogStreamPlace] = set()
        self._addresses = metadata_repository, admin
        self._unseals = unseals
        self._patience_s = patience_s
        self._sealed_since: dict[LogStreamPlace, float] = {}
        self.logs: list[Path] = []
        self.sealed: list[LogStreamPlace] = []
        self._read: dict[Path, int] = {}
        self._looked = asyncio.Event()
        self._running: set[LogStreamPlace] = set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._look_for_ever())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def all_running(self) -> None:
        """Returns when all replicas of all places run. TimeoutError after a minute."""
        self._running.clear()
        async with asyncio.timeout(_RUNNING_S):
            while self._running != set(self.places):
                self._looked.clear()
                await self._looked.wait()

    async def _look_for_ever(self) -> None:
        metadata_repository, admin_address = self._addresses
        while True:
            with contextlib.suppress(VarlogError):
                async with (
                    await Log.open(1, [metadata_repository], call_timeout_s=1.0) as log,
                    await Admin.connect(admin_address) as admin,
                ):
                    while True:
                        places = [*self.places]  # what is added from here on, the view may not have
                        await log.refresh()
                        await asyncio.gather(*(self._look(log, admin, place) for place in places))
                        for place in self._called_stuck():
                            await admin.seal(*place)
                            self.sealed.append(place)
                        self._looked.set()
                        await asyncio.sleep(_LOOK_S)

    async def _look(self, log: Log, admin: Admin, place: LogStreamPlace) -> None:
        with contextlib.suppress(VarlogError):
            known = log.metadata.log_streams[place[1]]
            extent = await log.peek(*place)
            running = [each for each in extent.replicas if each.status is LogStreamStatus.RUNNING]
            if known.status is LogStreamStatus.RUNNING and len(running) == len(known.replicas):
                self._running.add(place)
            else:
                self._running.discard(place)
            if known.status is not LogStreamStatus.SEALED or not extent.sealed:
                self._sealed_since.pop(place, None)
            elif self._unseals and place not in self.left_sealed and self._is_patient_enough(place):
                await admin.unseal(*place)

    def _called_stuck(self) -> set[LogStreamPlace]:
        """In what kov has logged since the last look."""
        stuck = set()
        for file in self.logs:
            with file.open("rb") as log:
                log.seek(self._read.get(file, 0))
                lines, newline, _ = log.read().rpartition(b"\n")
            self._read[file] = self._read.get(file, 0) + len(lines + newline)
            for log_stream, topic in _STUCK.findall(lines):
                stuck.add((TopicId(int(topic)), LogStreamId(int(log_stream))))
        return stuck

    def _is_patient_enough(self, place: LogStreamPlace) -> bool:
        now = asyncio.get_running_loop().time()
        return now - self._sealed_since.setdefault(place, now) >= self._patience_s
