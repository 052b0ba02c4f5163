"""`kov repair` as operators run it: what it says, asks and returns, and that kov goes on then."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka import Producer

from kov import commands
from kov.config import Config
from kov.errors import NotLeader
from kov.partition.identity import WriterIdentity
from kov.partition.partition import Partition
from kov.partition.table import PartitionTable
from tests.builders import batch
from tests.clients.stage import EmbeddedStage
from tests.kov.server.conftest import Cluster
from tests.kov_process import ROOT, KovProcess
from varlog_client import GLSN, Admin, Log, TopicId

MAPPING = "topics: {orders: {topic_id: 1, partitions: [1, 2]}}\n"


@dataclass(frozen=True)
class Said:
    status: int
    out: str
    err: str


async def kov_repair(*arguments: object) -> Said:
    """The program itself."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "kov", "repair", *map(str, arguments)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return Said(process.returncode, out.decode(), err.decode())


class Command:
    """What the program calls, in this process: ten times as quick."""

    def __init__(self, capsys: pytest.CaptureFixture[str], source: str) -> None:
        self._capsys = capsys
        self._source = source

    async def __call__(
        self, place: str, *, yes: bool = False, as_json: bool = False, next_offset: int | None = None
    ) -> Said:
        status = await asyncio.to_thread(
            commands.repair,
            [self._source, place],
            data=None,
            next_offset=next_offset,
            yes=yes,
            as_json=as_json,
        )
        said = self._capsys.readouterr()
        return Said(status, said.out, said.err)


@pytest.fixture
async def command(
    config: Config, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Command:
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(
        commands, "_run", lambda coroutine: asyncio.run_coroutine_threadsafe(coroutine, loop).result()
    )
    return Command(capsys, config.source)


@pytest.fixture
def config(cluster: Cluster) -> Config:
    return cluster.config(MAPPING)


@pytest.fixture
async def table(config: Config) -> AsyncIterator[PartitionTable]:
    """A node that serves the partitions while the command runs."""
    assert config.varlog is not None
    async with await Log.open(1, config.varlog.metadata_repositories) as log:
        node = WriterIdentity(node_id=1)
        table = PartitionTable(log, cluster_id=1, writer=node, repair=f"kov repair {config.source}")
        yield table
        await table.close(1)


def orders(table: PartitionTable, config: Config) -> Partition:
    return table.get(config.topics[0], 0)


async def append(partition: Partition, value: bytes) -> int:
    return (await partition.append(batch([value]), source=None, timeout_s=10)).base_offset


async def trim(cluster: Cluster, last: int) -> None:
    assert not [each for each in await cluster.admin.trim(TopicId(1), GLSN(last)) if each.error]


async def test_a_trimmed_partition_is_shown_repaired_and_written_on(
    cluster: Cluster, config: Config, table: PartitionTable, command: Command
) -> None:
    running = orders(table, config)
    for n in range(10):
        assert await append(running, b"%d" % n) == n
    await trim(cluster, 4)

    shown = await kov_repair(config.source, "orders/0")
    assert shown.status == 1
    assert shown.out.splitlines() == [
        "orders/0: the log stream was trimmed too far",
        "  lost        LLSNs 1 to 4, and with them every record below offset 3",
        "  kept        7 batches, offsets 3 to 9",
        "  goes on at  offset 10",
        "  producers   0 are known by what is kept; every other is forgotten: what such a producer sends "
        "again is stored again",
    ]
    assert shown.err == "kov: nothing was written; to declare this lost without being asked, add --yes\n"

    planned = await command("orders/0", as_json=True)
    assert planned.status == 0
    assert json.loads(planned.out)["outcome"] == "planned"

    done = await command("orders/0", yes=True, as_json=True)
    assert (done.status, done.err) == (0, "")
    told = json.loads(done.out)
    assert told["outcome"] == "repaired"
    assert (told["lost_llsns"], told["kept"]["first_offset"], told["next_offset"]) == ([1, 4], 3, 10)

    again = await command("orders/0", yes=True)
    assert (again.status, again.out) == (1, "")
    assert again.err.startswith(
        "kov: orders/0: nothing was written: log stream 1 of Varlog topic 1 can be used"
    )

    # The node above didn't stop serving: it was deposed, and opens again.
    async with asyncio.timeout(20):
        while (offset := await taken(running, b"next")) is None:
            await asyncio.sleep(0.1)
    assert offset == 10
    assert (await running.offsets(-2)).offset == 3
    assert len((await running.read(3, max_bytes=1 << 20)).records) == 8


async def taken(partition: Partition, value: bytes) -> int | None:
    try:
        return await append(partition, value)
    except NotLeader:
        return None


async def test_where_nothing_is_left_the_next_offset_has_to_be_stated(
    cluster: Cluster, config: Config, table: PartitionTable, command: Command
) -> None:
    await append(orders(table, config), b"x")
    await table.close(1)
    await trim(cluster, 2)

    shown = await command("orders/0", yes=True)
    assert shown.status == 1
    assert "  lost        all entries, and with them every record\n" in shown.out
    assert "State one with --next-offset" in shown.err

    as_json = await command("orders/0", yes=True, as_json=True)
    assert as_json.status == 1
    assert json.loads(as_json.out)["outcome"] == "next_offset_wanted"

    done = await command("orders/0", yes=True, next_offset=500)
    assert done.status == 0
    assert "orders/0: repaired by the entries 3 and 4; it goes on at offset 500, epoch " in done.out
    assert config.varlog is not None
    async with await Log.open(1, config.varlog.metadata_repositories) as log:
        successor = PartitionTable(log, cluster_id=1, writer=WriterIdentity(node_id=2))
        assert await append(orders(successor, config), b"y") == 500
        await successor.close(1)


def test_what_the_command_line_has_wrong_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mapping = tmp_path / "m.yaml"
    mapping.write_text('varlog: {cluster_id: 1, metadata_repositories: ["127.0.0.1:1"]}\n' + MAPPING)
    for arguments, data, text in [
        ([str(mapping), "orders"], None, "'orders' is not TOPIC/PARTITION"),
        ([str(tmp_path / "nosuch.yaml"), "orders/0"], None, "nosuch.yaml"),
        (["orders/0"], tmp_path / "nowhere", "there is no embedded store in"),
        ([str(mapping), "orders/0"], tmp_path, "--data is for the embedded store"),
    ]:
        assert commands.repair(arguments, data=data, next_offset=None, yes=True, as_json=False) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert text in said.err


async def test_a_partition_that_does_not_exist(config: Config, command: Command) -> None:
    said = await command("nosuch/0")
    assert (said.status, said.out) == (2, "")
    assert f"there is no topic 'nosuch' in {config.source}" in said.err
    said = await command("orders/2")
    assert (said.status, said.err) == (2, "kov: orders has the partitions 0 to 1\n")


async def test_an_offset_of_a_record_is_refused(
    cluster: Cluster, config: Config, table: PartitionTable, command: Command
) -> None:
    for n in range(5):
        await append(orders(table, config), b"%d" % n)
    await trim(cluster, 3)
    said = await command("orders/0", yes=True, next_offset=4)
    assert (said.status, said.err) == (2, "kov: --next-offset 4: the offsets below 5 were given to records\n")


async def test_a_sealed_log_stream_is_not_repaired_now(
    cluster: Cluster, config: Config, table: PartitionTable, command: Command
) -> None:
    partition = orders(table, config)
    for n in range(5):
        await append(partition, b"%d" % n)
    await trim(cluster, 3)
    stream = config.topics[0].log_streams[0]
    await cluster.admin.seal(TopicId(1), stream)
    said = await command("orders/0", yes=True)
    assert said.status == 1
    assert "sealed" in said.err
    await cluster.admin.unseal(TopicId(1), stream)
    assert (await command("orders/0", yes=True)).status == 0


@pytest.mark.slow
async def test_a_partition_of_the_embedded_store(kov_server: KovProcess, topic: str) -> None:
    def produce(count: int) -> list[int | None]:
        offsets: list[int | None] = []
        producer = Producer({"bootstrap.servers": kov_server.address, "message.timeout.ms": 20_000})
        for n in range(count):
            producer.produce(
                topic, b"%d" % n, partition=0, on_delivery=lambda error, m: offsets.append(m.offset())
            )
            producer.flush()
        return offsets

    assert await asyncio.to_thread(produce, 5) == [0, 1, 2, 3, 4]
    stage = EmbeddedStage(kov_server)
    async with await Log.open(1, [stage.metadata_repository]) as log:
        place = await stage.place(log, topic)
        async with await Admin.connect(stage.metadata_repository) as admin:
            await admin.trim(place.topic_id, GLSN(3))

    said = await kov_repair(f"{topic}/0", "--data", kov_server.data, "--yes")
    assert said.status == 1
    assert "is in use by another kov" in said.err

    await asyncio.to_thread(kov_server.stop)
    said = await kov_repair(f"{topic}/0", "--data", kov_server.data, "--yes")
    assert (said.status, said.err) == (0, "")
    await asyncio.to_thread(kov_server.start)
    assert await asyncio.to_thread(produce, 1) == [5]
