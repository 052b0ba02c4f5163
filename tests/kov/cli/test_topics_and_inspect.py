"""`kov topics` and `kov inspect` on a mapped cluster: leaders, states, and what can't be read."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest

from kov.broker import rendezvous
from kov.config import Config
from kov.partition.identity import WriterIdentity
from kov.partition.table import PartitionTable
from tests.builders import batch
from tests.kov.cli.conftest import Program, Said
from tests.kov.server.conftest import Cluster
from tests.kov_process import KovProcess
from varlog_client import GLSN, Log, LogStreamId, TopicId

COLOUR = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
MAPPING = """topics:
  orders: {topic_id: 1, partitions: [1, 2]}
  payments: {topic_id: 2, partitions: [4]}
nodes:
  1: {listeners: {main: {bind: "127.0.0.1:1001"}}}
  2: {listeners: {main: {bind: "127.0.0.1:1002"}}}
"""


async def run(kov: Program, *arguments: object) -> Said:
    return await asyncio.to_thread(kov, *arguments)


async def write(config: Config, topic: int, index: int, values: int, node_id: int = 2) -> None:
    assert config.varlog is not None
    async with await Log.open(1, config.varlog.metadata_repositories) as log:
        table = PartitionTable(log, cluster_id=1, writer=WriterIdentity(node_id=node_id))
        partition = table.get(config.topics[topic], index)
        for n in range(values):
            await partition.append(batch([b"%d" % n]), source=None, timeout_s=10)
        await table.close(1)


@pytest.mark.slow
async def test_partitions_are_told_with_leaders_writers_and_states(kov: Program, cluster: Cluster) -> None:
    config = cluster.config(MAPPING)
    await write(config, 0, 1, 3)
    await cluster.admin.seal(TopicId(2), LogStreamId(4))

    said = await run(kov, "topics", config.source, "--json")
    assert (said.status, said.err) == (0, "")
    orders, payments = json.loads(said.out)["topics"]
    assert (orders["name"], orders["origin"], orders["varlog_topic"]) == ("orders", "file", 1)
    assert orders["id"] == str(config.topics[0].uuid)
    first, second = orders["partitions"]
    for each in (first, second):
        uuid = config.topics[0].uuid
        assert each["leader"] == rendezvous(1, uuid, each["partition"], [1, 2])
    assert (first["writer"], first["epoch"], first["end_offset"]) == (None, 0, 0)
    assert (second["writer"], second["epoch"], second["end_offset"]) == (2, 1, 3)
    assert second["size_bytes"] > 0
    assert [each["state"] for each in (first, second, *payments["partitions"])] == [
        *("running", "running", "sealed")
    ]


@pytest.mark.slow
async def test_what_cannot_be_used_is_said_with_why(kov: Program, cluster: Cluster) -> None:
    config = cluster.config(MAPPING)
    await write(config, 0, 0, 4)
    await cluster.admin.trim(TopicId(1), GLSN(3))
    said = await run(kov, "topics", config.source, "--topic", "orders")
    assert (said.status, said.err) == (1, "")
    rows = [line for line in said.lines if line.split()[:2] == ["orders", "0"]]
    assert [row.split()[-2] for row in rows] == ["unusable"]
    assert "1 not running" in said.out
    assert said.lines[-1].startswith("orders/0: log stream 1 of Varlog topic 1 was trimmed up to 3")

    inspected = await run(kov, "inspect", config.source, "orders/0")
    assert inspected.status == 0
    assert "2 not to be judged" in inspected.out


@pytest.mark.slow
async def test_another_partitions_log_stream_is_no_success(kov: Program, cluster: Cluster) -> None:
    config = cluster.config(MAPPING)
    await write(config, 0, 0, 1)
    config = cluster.config("topics: {renamed: {topic_id: 1, partitions: [1]}}\n")
    said = await run(kov, "inspect", config.source, "renamed/0")
    assert said.status == 1
    assert "the fold stops here: entry 1 says that this log stream belongs to partition 0" in said.out


@pytest.mark.slow
async def test_a_range_of_entries_is_shown_as_asked_for(kov: Program, cluster: Cluster) -> None:
    config = cluster.config(MAPPING)
    empty = await run(kov, "inspect", config.source, "payments/0")
    assert empty.status == 0
    assert empty.lines[0] == "the log stream holds no entries"

    await write(config, 1, 0, 30)
    said = await run(kov, "inspect", config.source, "payments/0", "--from", 3, "--to", 5)
    assert said.status == 0
    assert [line.split()[:3] for line in said.lines[1:4]] == [
        *(["3", "batch", "1"], ["4", "batch", "2"], ["5", "batch", "3"])
    ]
    assert said.lines[4] == "3 batches"
    assert "as of entry    5" in said.lines
    newest = await run(kov, "inspect", config.source, "payments/0", "-n", 2)
    assert [line.split()[0] for line in newest.lines[1:3]] == ["30", "31"]
    beyond = await run(kov, "inspect", config.source, "payments/0", "--from", 32)
    assert beyond == Said(2, "", "kov: --from 32: the log stream's last entry is 31\n")
    backwards = await run(kov, "inspect", config.source, "payments/0", "--from", 5, "--to", 4)
    assert backwards == Said(2, "", "kov: --to 4 lies before --from 5\n")


@pytest.mark.slow
async def test_a_cluster_that_is_not_there_is_one_line(kov: Program, cluster: Cluster) -> None:
    config = cluster.config(MAPPING)
    await cluster.server.stop()
    for arguments in (("topics", config.source), ("inspect", config.source, "orders/0")):
        said = await run(kov, *arguments)
        assert (said.status, said.out) == (1, "")
        assert said.err.startswith("kov: the cluster can't be looked at now: ")
        assert said.err.count("\n") == 1


@pytest.mark.slow
def test_a_stopped_kovs_store_is_read_as_well(kov: Program, tmp_path: Path) -> None:
    with KovProcess(tmp_path) as server:
        assert kov("produce", "t", "-p", 0, "-b", server.address, stdin="one\n").status == 0
        running = kov("topics", "--json")
        assert server.stop() == 0
    stopped = kov("topics", "--json")
    assert stopped.status == 0, stopped.err
    sizes = "size_bytes"
    told = [json.loads(said.out)["topics"][0] for said in (running, stopped)]
    for topic in told:
        for partition in topic["partitions"]:
            del partition[sizes]
    assert told[0] == told[1]
    assert told[0]["partitions"][0]["end_offset"] == 1


@pytest.mark.slow
def test_a_terminal_of_80_columns_holds_the_tables(kov: Program, shared_kov: KovProcess, topic: str) -> None:
    assert kov("produce", topic, "-p", 0, "-b", shared_kov.address, stdin="one\n").status == 0
    for arguments in (("topics", "--topic", topic), ("inspect", f"{topic}/0")):
        said = kov.on_terminal(*arguments, "--data", shared_kov.data)
        table = said.rpartition("\x1b[2K")[2].splitlines()[:8]
        assert any("\x1b[" in line for line in table)
        assert all(len(COLOUR.sub("", line)) <= 80 for line in table)
