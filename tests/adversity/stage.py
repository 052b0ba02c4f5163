"""Where a round is played: storage, kov, and the wires before both."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from random import Random

import psutil
import yaml

from tests.adversity.book import Place
from tests.adversity.fold import Found, Reading, fold
from tests.adversity.storage import LiteStorage, RealStorage, make_storage
from tests.adversity.wire import Cut, Wire
from tests.clients.consumers import read_with_aiokafka
from tests.clients.raw import payloads
from tests.kov_process import KovProcess
from varlog_client import Log, LogStreamId, TopicId

PARTITIONS = 3
_TOPICS = {"as-sent": "CreateTime", "stamped": "LogAppendTime"}


class KovNode(KovProcess):
    """A kov on a port of its own that tells producers to come through a wire."""

    def __init__(self, directory: Path, advertised: str, mapping: Path) -> None:
        super().__init__(directory, "--advertise", advertised, str(mapping))
        self.bound = self.address = f"127.0.0.1:{_free_port()}"

    def start(self) -> KovNode:
        self.address = self.bound
        super().start()
        return self


class Stage:
    """`front` lies between the producers and kov, `storage.wires` between kov and Varlog."""

    def __init__(self, kind: str, directory: Path, chance: Random) -> None:
        self.chance = chance
        self.front = Wire("127.0.0.1:0")
        self.storage: LiteStorage | RealStorage = make_storage(
            kind, directory / "varlog", self._is_kovs, chance
        )
        self._directory = directory
        self._mapping = directory / "mapping.yaml"
        self._kovs: list[KovNode] = []
        self._topics: dict[str, tuple[TopicId, Sequence[LogStreamId]]] = {}

    @property
    def kov(self) -> KovNode:
        """The one that producers reach."""
        return self._kovs[-1]

    @property
    def places(self) -> list[Place]:
        return [Place(topic, index) for topic in _TOPICS for index in range(PARTITIONS)]

    async def start(self) -> None:
        await self.front.start()
        await self.storage.start()
        for topic in _TOPICS:
            self._topics[topic] = await self.storage.add_topic(PARTITIONS)
        self._mapping.write_text(yaml.safe_dump(self._described()))
        await self.add_kov()

    async def close(self) -> None:
        """Ends everything, frozen or not."""
        for kov in self._kovs:
            self._end(kov)
        await self.storage.close()
        await self.front.close()

    # What happens to kov

    async def add_kov(self) -> None:
        """One more kov process with the same mapping file; new connections go to it from now on."""
        kov = KovNode(self._directory / f"kov-{len(self._kovs)}", self.front.address, self._mapping)
        await asyncio.to_thread(kov.start)
        self.storage.operate(kov.log)
        self._kovs.append(kov)
        self.front.target = kov.bound

    async def kill_kov(self) -> None:
        await asyncio.to_thread(self.kov.kill)

    async def start_kov(self) -> None:
        await asyncio.to_thread(self.kov.start)

    async def restart_kov(self) -> None:
        await asyncio.to_thread(self.kov.restart)

    def freeze_kov(self) -> None:
        self.kov.process.send_signal(signal.SIGSTOP)

    def thaw_kov(self, kov: KovNode | None = None) -> None:
        (kov or self.kov).process.send_signal(signal.SIGCONT)

    async def retire(self, kov: KovNode) -> None:
        """Kills a kov that was replaced."""
        await asyncio.to_thread(self._end, kov)
        self._kovs.remove(kov)

    def _end(self, kov: KovNode) -> None:
        with suppress(ProcessLookupError):
            kov.process.kill()
        kov.wait()

    def _is_kovs(self, port: int) -> bool:
        """Whether the connection from this local port is one of ours to Varlog."""
        for kov in self._kovs:
            with suppress(psutil.Error, AssertionError):
                connections = psutil.Process(kov.process.pid).net_connections("tcp")
                if any(each.laddr.port == port for each in connections):
                    return True
        return False

    # Afterwards

    def clear(self) -> None:
        for wire in (self.front, *self.storage.wires):
            wire.clear()

    async def cut_everything(self) -> None:
        """So that nothing of the past is under way any more on any wire."""
        for wire in (self.front, *self.storage.wires):
            wire.cut(Cut.RESET, self.chance)

    async def read_log(self) -> dict[Place, Reading]:
        async with await Log.open(1, [self.storage.metadata_repository]) as log:
            return {
                Place(topic, index): fold(await payloads(log, topic_id, log_stream))
                for topic, (topic_id, log_streams) in self._topics.items()
                for index, log_stream in enumerate(log_streams)
            }

    async def consume(self) -> dict[Place, list[Found]]:
        consumed: dict[Place, list[Found]] = {place: [] for place in self.places}
        since = dict.fromkeys(range(PARTITIONS), 0)
        for topic in _TOPICS:
            for each in await read_with_aiokafka(self.front.address, topic, since):
                found = Found(each.offset, each.contents.timestamp_ms, each.contents.value or b"")
                consumed[Place(topic, each.partition)].append(found)
        return consumed

    def _described(self) -> dict[str, object]:
        metadata_repository, admin = self.storage.seen_by_kov
        return {
            "varlog": {
                "cluster_id": 1,
                "metadata_repositories": [metadata_repository],
                "admin": admin,
                "unseal": self.storage.kov_unseals,
            },
            "topics": {
                topic: {
                    "topic_id": int(topic_id),
                    "partitions": [int(each) for each in log_streams],
                    "config": {"message.timestamp.type": _TOPICS[topic]},
                }
                for topic, (topic_id, log_streams) in self._topics.items()
            },
        }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
