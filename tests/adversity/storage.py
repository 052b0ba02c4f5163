"""The Varlog of a round, with a wire before every storage node, and what can happen to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from tests.adversity.ballast import Ballast
from tests.adversity.janitor import Janitor, LogStreamPlace
from tests.adversity.small_disk import SmallDisk, can_mount
from tests.adversity.wire import Wire
from tests.lite_varlog import LiteVarlog
from tests.real_varlog import RealVarlog
from varlog_client import Log, LogStreamId, StorageNodeId, TopicId, VarlogError

LITE, REAL = "varlog_lite", "varlog"
_PROBE_S = 5.0
_MAX_BYTES = 40 * 1024 * 1024


class Storage:
    """Either of both clusters. Only kov's connections through `wires` are ever touched.

    Who unseals what was left sealed is drawn: kov, or the janitor.
    """

    _patience_s = 0.0

    def __init__(
        self, cluster: LiteVarlog | RealVarlog, wires: Sequence[Wire], nodes: Sequence[StorageNodeId]
    ) -> None:
        self.wires = wires
        self.nodes = nodes
        self.kov_unseals = False
        self._cluster = cluster
        self._janitor: Janitor | None = None

    @property
    def metadata_repository(self) -> str:
        """For everybody but kov."""
        return self._cluster.metadata_repository

    @property
    def seen_by_kov(self) -> tuple[str, str]:
        """The metadata repository's address and the admin's."""
        return self._cluster.metadata_repository, self._cluster.admin

    @property
    def log_streams(self) -> Sequence[LogStreamPlace]:
        return self._minder.places

    @property
    def _minder(self) -> Janitor:
        assert self._janitor is not None, "it wasn't started"
        return self._janitor

    async def start(self) -> None:
        await self._start_cluster()
        self._janitor = Janitor(
            self._cluster.metadata_repository,
            self._cluster.admin,
            unseals=not self.kov_unseals,
            patience_s=self._patience_s,
        )
        self._janitor.start()

    async def close(self) -> None:
        """Ends everything, frozen or not. Idempotent."""
        if self._janitor is not None:
            await self._janitor.close()
        self._cluster.stop()
        for wire in self.wires:
            await wire.close()

    async def add_topic(self, partitions: int) -> tuple[TopicId, list[LogStreamId]]:
        topic = await self._cluster.add_topic()
        log_streams = [await self._cluster.add_log_stream(topic) for _ in range(partitions)]
        self._minder.places += [(topic, each) for each in log_streams]
        return topic, log_streams

    def kill(self, node: StorageNodeId) -> None:
        self._cluster.kill(node)

    async def restart(self, node: StorageNodeId) -> None:
        """Starts what was killed; its log streams may be sealed then."""
        await self._cluster.restart(node)

    def freeze(self, node: StorageNodeId) -> None:
        self._cluster.freeze(node)

    def thaw(self, node: StorageNodeId) -> None:
        self._cluster.thaw(node)

    async def seal(self, places: Sequence[LogStreamPlace]) -> None:
        """They stay sealed until they are let go, unless kov unseals them."""
        self._minder.left_sealed |= set(places)
        await asyncio.gather(*(self._cluster.seal(*place) for place in places))

    def let_go(self) -> None:
        self._minder.left_sealed.clear()

    def operate(self, log: Path) -> None:
        """Whoever unseals does from now on what this log of a kov says is to be done."""
        self._minder.logs.append(log)

    async def all_running(self) -> None:
        """Returns when all log streams run. TimeoutError after a minute."""
        await self._minder.all_running()

    async def diagnose(self) -> list[str]:
        """For a finding: what the storage says of each log stream, and whether it still takes an append."""
        said = []
        async with await Log.open(1, [self.metadata_repository]) as log:
            for place in self.log_streams:
                try:
                    known, extent = log.metadata.log_streams[place[1]], await log.peek(*place)
                    said.append(f"log stream {place[1]}: {known.status.name}, {extent}")
                    await log.append_to(*place, [b"\xfe a probe of the tests"], retries=0, timeout_s=_PROBE_S)
                except VarlogError as error:
                    said.append(f"log stream {place[1]} takes nothing: {error!r}")
        return said

    async def _start_cluster(self) -> None:
        await self._cluster.start()


class LiteStorage(Storage):
    """`varlog-lite serve`, all of it behind one wire. Whether it unseals by itself is drawn at each start."""

    def __init__(self, directory: Path, concerns: Callable[[int], bool], chance: Random) -> None:
        self._lite = LiteVarlog(directory)
        super().__init__(self._lite, [Wire("127.0.0.1:0", concerns)], [StorageNodeId(1)])
        self.kov_unseals = chance.random() < 0.3
        self._chance = chance
        self._ballast: Ballast | None = None

    @property
    def seen_by_kov(self) -> tuple[str, str]:
        return self.wires[0].address, self.wires[0].address

    @property
    def ballast(self) -> Ballast:
        assert self._ballast is not None, "it wasn't started"
        return self._ballast

    async def restart(self, node: StorageNodeId) -> None:
        self._draw_arguments()
        await super().restart(node)

    async def _start_cluster(self) -> None:
        (wire,) = self.wires
        await wire.start()
        self._draw_arguments()
        await self._lite.start()
        wire.target = self._lite.address
        self._ballast = Ballast(self.metadata_repository, await self._lite.add_topic())
        await self._ballast.prepare()

    def _draw_arguments(self) -> None:
        unseals = ["--auto-unseal"] if self._chance.random() < 0.5 else []
        advertised = f"--advertise={self.wires[0].address}"
        self._lite.arguments = (advertised, f"--max-bytes={_MAX_BYTES}", *unseals)


class RealStorage(Storage):
    """A real cluster of two storage nodes, every log stream on both, each node behind a wire."""

    # Its admin server may still be about to do something to a log stream that it found sealing.
    _patience_s = 2.0

    def __init__(self, directory: Path, concerns: Callable[[int], bool], chance: Random) -> None:
        self._real = RealVarlog(directory, 2, 2, auto_unseal=False)
        wires = [Wire(address, concerns) for address in self._real.nodes.values()]
        super().__init__(self._real, wires, list(self._real.nodes))
        self.kov_unseals = chance.random() < 0.3
        self._disks: dict[StorageNodeId, SmallDisk] = {}

    async def close(self) -> None:
        await super().close()
        for disk in self._disks.values():
            disk.close()

    def fill_disk(self, node: StorageNodeId) -> None:
        """Where there is a small one: see `can_mount`."""
        self._disks[node].fill()

    async def free_disk(self, node: StorageNodeId) -> None:
        """And starts the node again, if it has ended meanwhile."""
        self._disks[node].free()
        if self._real.has_ended(node):
            await self.restart(node)

    def has_ended(self, node: StorageNodeId) -> bool:
        return self._real.has_ended(node)

    def kill_metadata_repository(self) -> None:
        self._real.kill_metadata_repository()

    async def restart_metadata_repository(self) -> None:
        await self._real.restart_metadata_repository()

    async def _start_cluster(self) -> None:
        for node, wire in zip(self.nodes, self.wires, strict=True):
            await wire.start()
            self._real.advertised[node] = wire.address
            if can_mount():
                self._disks[node] = SmallDisk(self._real.volume(node))
        await super()._start_cluster()


def make_storage(
    kind: str, directory: Path, concerns: Callable[[int], bool], chance: Random
) -> LiteStorage | RealStorage:
    return (RealStorage if kind == REAL else LiteStorage)(directory, concerns, chance)
