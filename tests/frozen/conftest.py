"""Two nodes that know nothing of one another, each with a file that gives it every partition."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeAlias

import pytest
import pytest_asyncio
import yaml

from tests.builders import batch
from tests.clients.stage import Varlog as Cluster
from tests.frozen.gate import Gate, open_gate
from tests.frozen.ledger import Place
from tests.frozen.talk import talking
from tests.kov_process import KovProcess
from tests.lite_varlog import LiteVarlog, start_lite_varlog
from tests.real_varlog import missing_programs, start_real_varlog
from varlog_client import Log, LogStreamId


class Varlog(Cluster, Protocol):
    @property
    def cluster_id(self) -> int: ...


Topics: TypeAlias = Mapping[str, Sequence[LogStreamId]]
"""What a mapping file says of topics: the log streams of each, in the order of the partitions."""


class Nodes:
    """`first` and `second`: node 1 and node 2, which believe to be alone. Both serve `places`, or the second
    one has a file that says something else of the same log streams. Places of one topic are in order."""

    def __init__(
        self, directory: Path, varlog: Varlog, places: list[Place], second: Topics | None = None
    ) -> None:
        self.places = places
        self.varlog = varlog
        same: dict[str, list[LogStreamId]] = {}
        for place in places:
            same.setdefault(place.topic, []).append(place.log_stream)
        self.first, self.second = (
            KovProcess(directory / f"node-{number}", str(self._mapping(directory, number, topics)))
            for number, topics in ((1, same), (2, second or same))
        )
        self._turn = iter(places)

    @property
    def addresses(self) -> tuple[str, str]:
        return self.first.address, self.second.address

    def place(self) -> Place:
        """One that no test before has used."""
        return next(self._turn)

    async def log(self) -> Log:
        return await Log.open(self.varlog.cluster_id, [self.varlog.metadata_repository])

    def _mapping(self, directory: Path, node_id: int, topics: Topics) -> Path:
        topic_id = int(self.places[0].topic_id)
        told = {
            name: {"topic_id": topic_id, "partitions": [int(each) for each in log_streams]}
            for name, log_streams in topics.items()
        }
        cluster = {
            "cluster_id": self.varlog.cluster_id,
            "metadata_repositories": [self.varlog.metadata_repository],
        }
        file = directory / f"node-{node_id}.yaml"
        file.write_text(yaml.safe_dump({"node": {"id": node_id}, "varlog": cluster, "topics": told}))
        return file


async def make_places(varlog: Varlog, number: int) -> list[Place]:
    topic_id = await varlog.add_topic()
    return [Place(f"t{n}", topic_id, await varlog.add_log_stream(topic_id)) for n in range(number)]


@asynccontextmanager
async def running(nodes: Nodes) -> AsyncIterator[Nodes]:
    """Both started, and ended at the end, frozen or not."""
    async with AsyncExitStack() as stack:
        for node in (nodes.first, nodes.second):
            await asyncio.to_thread(node.start)
            stack.push_async_callback(_end, node)
        yield nodes


async def _end(node: KovProcess) -> None:
    node.process.send_signal(signal.SIGCONT)
    await asyncio.to_thread(node.close)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gate() -> AsyncIterator[Gate]:
    async with open_gate() as gate:
        yield gate


@asynccontextmanager
async def behind(gate: Gate, directory: Path) -> AsyncIterator[LiteVarlog]:
    """A varlog-lite that is reached through `gate`."""
    varlog = LiteVarlog(directory / "lite")
    varlog.arguments = (f"--advertise={gate.address}",)
    try:
        await varlog.start()
        gate.target = varlog.address
        yield varlog
    finally:
        varlog.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gated(tmp_path_factory: pytest.TempPathFactory, gate: Gate) -> AsyncIterator[Nodes]:
    """Behind the gate; every place has a record from before."""
    directory = tmp_path_factory.mktemp("gated")
    async with (
        behind(gate, directory) as varlog,
        running(Nodes(directory, varlog, await make_places(varlog, 24))) as nodes,
    ):
        async with talking(nodes.second.address) as talk:
            for place in nodes.places:
                await talk.produce_until_stored(place.topic, batch([b"before"]))
        await asyncio.to_thread(nodes.second.restart)
        yield nodes


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def at_odds(tmp_path_factory: pytest.TempPathFactory, gate: Gate) -> AsyncIterator[Nodes]:
    """Behind the gate; to the second node every place, still empty, is another topic's: see `theirs`."""
    directory = tmp_path_factory.mktemp("at-odds")
    async with behind(gate, directory) as varlog:
        places = await make_places(varlog, 12)
        second = {theirs(place).topic: [place.log_stream] for place in places}
        async with running(Nodes(directory, varlog, places, second)) as nodes:
            yield nodes


def theirs(place: Place) -> Place:
    """What the second file says of the same log stream."""
    return replace(place, topic=f"their-{place.topic}")


LITE_AND_REAL = ["lite", pytest.param("real", marks=[pytest.mark.real, pytest.mark.slow])]


@asynccontextmanager
async def started(kind: str, directory: Path) -> AsyncIterator[Varlog]:
    """A real one has two storage nodes, and every log stream is on both."""
    if kind == "real" and (reason := missing_programs()):
        pytest.skip(reason)
    start = (
        start_lite_varlog(directory / "lite")
        if kind == "lite"
        else start_real_varlog(directory / "real", storage_nodes=2, replication_factor=2)
    )
    async with start as varlog:
        yield varlog


@pytest.fixture(params=LITE_AND_REAL)
async def varlog(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Varlog]:
    async with started(request.param, tmp_path) as varlog:
        yield varlog


@pytest.fixture
async def pair(varlog: Varlog, tmp_path: Path) -> AsyncIterator[Nodes]:
    async with running(Nodes(tmp_path, varlog, await make_places(varlog, 1))) as nodes:
        yield nodes
