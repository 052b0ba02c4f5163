"""`kov check`: what is well is said shortly, what is not with what to do about it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kov import check, commands
from kov.catalog import Catalog, Creator
from kov.check import Finding, findings_in
from kov.config import Config
from kov.errors import CannotStart
from kov.partition.identity import WriterIdentity
from kov.partition.table import PartitionTable
from tests.builders import batch
from tests.kov.server.conftest import Cluster
from varlog_client import GLSN, Log, LogStreamId, TopicId

GOOD = "topics: {orders: {topic_id: 1, partitions: [1, 2]}}\ncatalog: {topic_id: 1, log_stream: 3}\n"


async def findings(config: Config) -> list[Finding]:
    assert config.varlog is not None
    return await findings_in(config, config.varlog)


async def test_a_file_that_fits_its_cluster_is_well(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    config = cluster.config(GOOD)
    assert await check.check(config)
    assert capsys.readouterr().out.splitlines() == [
        f"{config.source}: 1 topic, 2 partitions: well-formed",
        "3 log streams exist, run and hold what they should",
    ]


async def test_a_log_stream_that_does_not_exist(cluster: Cluster) -> None:
    (finding,) = await findings(cluster.config("topics: {orders: {topic_id: 1, partitions: [1, 9]}}\n"))
    assert finding.path == "topics.orders.partitions[1]"
    assert finding.wrong == "log stream 9 does not exist"
    assert "varlogctl ls add --tpid 1 " in finding.to_do


async def test_a_log_stream_of_another_topic(cluster: Cluster) -> None:
    (finding,) = await findings(cluster.config("topics: {orders: {topic_id: 1, partitions: [1, 4]}}\n"))
    assert finding == Finding(
        path="topics.orders.partitions[1]",
        wrong="log stream 4 is not in Varlog topic 1",
        to_do="it lies in Varlog topic 2: write that topic_id, or another log stream",
    )


async def test_a_sealed_log_stream(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    config = cluster.config(GOOD)
    await cluster.admin.seal(TopicId(1), LogStreamId(2))

    assert not await check.check(config)
    said = capsys.readouterr().out.splitlines()[-1]
    assert said.startswith(
        "topics.orders.partitions[1]: log stream 2 is not running (SEALED; node 1 SEALED); "
    )
    assert said.endswith(f"varlogctl ls unseal --tpid 1 --lsid 2 --admin {cluster.server.address}")

    await cluster.admin.unseal(TopicId(1), LogStreamId(2))
    assert await check.check(config)


async def test_a_catalog_that_does_not_exist(cluster: Cluster) -> None:
    found = await findings(cluster.config(GOOD.replace("log_stream: 3", "log_stream: 33")))
    assert [each.path for each in found] == ["catalog"]


async def test_what_is_wrong_is_told_to_programs_too(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    config = cluster.config("topics: {orders: {topic_id: 1, partitions: [1, 9]}}\n")
    assert not await check.check(config, as_json=True)
    told = json.loads(capsys.readouterr().out)
    (finding,) = told.pop("findings")
    assert told == {"file": config.source, "topics": 1, "partitions": 2}
    assert (finding["path"], finding["wrong"]) == (
        "topics.orders.partitions[1]",
        "log stream 9 does not exist",
    )


async def written(cluster: Cluster, text: str, *partitions: int) -> None:
    """Somebody has produced to these partitions of the file's topic orders."""
    config = cluster.config(text)
    async with await Log.open(1, [cluster.server.address]) as log:
        table = PartitionTable(log, cluster_id=1, writer=WriterIdentity(node_id=1))
        for index in partitions:
            await table.get(config.topics[0], index).append(batch([b"x"]), source=None, timeout_s=10)
        await table.close(5)


async def test_log_streams_that_changed_places(cluster: Cluster) -> None:
    text = "topics: {orders: {topic_id: 1, partitions: [1, 2]}}\n"
    await written(cluster, text, 0, 1)
    assert await findings(cluster.config(text)) == []
    assert await findings(cluster.config(text.replace("[1, 2]", "[2, 1]"))) == [
        Finding(
            path=f"topics.orders.partitions[{at}]",
            wrong=f"log stream {2 - at} holds the records of partition {1 - at} of orders",
            to_do=f"write it at topics.orders.partitions[{1 - at}]",
        )
        for at in (0, 1)
    ]


async def test_a_topic_by_another_name_than_its_records_have(cluster: Cluster) -> None:
    text = "topics: {orders: {topic_id: 1, partitions: [1, 2]}}\n"
    await written(cluster, text, 0)
    (finding,) = await findings(cluster.config(text.replace("orders", "others")))
    assert finding.path == "topics.others.partitions[0]"
    assert finding.wrong.startswith("log stream 1 holds the records of partition 0 of topic ")
    assert finding.to_do.endswith("or give the topic the name and topic_id with which it was used")


async def test_log_streams_that_hold_what_is_not_ours(cluster: Cluster) -> None:
    async with await Log.open(1, [cluster.server.address]) as log:
        await log.append_to(TopicId(2), LogStreamId(4), [b"not ours"])
        catalog = Catalog(log, TopicId(1), LogStreamId(3), on_change=lambda _: None)
        await catalog.open(timeout_s=5)
        await Creator(catalog, cluster.server.address).create("made", 1, {})
        await catalog.close()
    found = await findings(
        cluster.config(
            "topics: {a: {topic_id: 2, partitions: [4]}, b: {topic_id: 1, partitions: [3]}}\n"
            "catalog: {topic_id: 1, log_stream: 1}\n"
        )
    )
    assert [each.wrong for each in found] == [
        "log stream 4 holds entries that are not kov's",
        "log stream 3 holds a catalog of kov's",
    ]
    found = await findings(
        cluster.config(
            "topics: {made: {topic_id: 3, partitions: [5]}}\ncatalog: {topic_id: 1, log_stream: 3}\n"
        )
    )
    assert [(each.path, each.wrong) for each in found] == [
        ("topics.made", "the catalog has a topic of this name too"),
        ("topics.made.partitions[0]", "log stream 5 serves topic made of the catalog"),
    ]


async def test_a_catalog_in_a_partition_s_log_stream(cluster: Cluster) -> None:
    await written(cluster, "topics: {orders: {topic_id: 1, partitions: [1]}}\n", 0)
    found = await findings(cluster.config("catalog: {topic_id: 1, log_stream: 1}\n"))
    assert (found[0].path, found[0].wrong[:45]) == (
        "catalog",
        "log stream 1 holds the records of partition 0",
    )


async def test_a_log_stream_that_was_trimmed_too_far(cluster: Cluster) -> None:
    config = cluster.config("topics: {orders: {topic_id: 1, partitions: [1]}}\n")
    await written(cluster, "topics: {orders: {topic_id: 1, partitions: [1]}}\n", 0, 0, 0)
    async with await Log.open(1, [cluster.server.address]) as log:
        state = await log.peek(TopicId(1), LogStreamId(1))
        await log.trim(TopicId(1), GLSN(state.last.glsn - 1))
    (finding,) = await findings(config)
    assert "was trimmed up to" in finding.wrong
    assert finding.to_do.endswith(f"run: kov repair {config.source} orders/0")


async def test_a_cluster_that_is_not_there(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "_OPEN_TIMEOUT_S", 0.2)
    config = cluster.config(GOOD)
    await cluster.server.stop()
    with pytest.raises(CannotStart, match="its log streams were not checked") as refused:
        await findings(config)
    assert cluster.server.address in str(refused.value)


def test_a_file_alone_is_checked_offline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "m.yaml"
    path.write_text('varlog: {cluster_id: 1, metadata_repositories: ["127.0.0.1:1"]}\n' + GOOD)
    assert commands.check(path, offline=True) == 0
    assert capsys.readouterr().out == f"{path}: 1 topic, 2 partitions: well-formed\n"
    assert commands.check(path, offline=True, as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == {
        "file": str(path),
        "topics": 1,
        "partitions": 2,
        "findings": [],
    }

    path.write_text("topics: []\n")
    assert commands.check(path, offline=True) == 2
    assert capsys.readouterr().err.startswith(f"kov: {path}:1: ")


def test_programs_are_told_of_mistakes_in_the_file_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(
        'varlog: {cluster_id: one, metadata_repositories: ["127.0.0.1:1"]}\n'
        "topics:\n  a: {topic_id: 1, partitions: [1], config: {max.message.byte: 3}}\n"
    )
    assert commands.check(path, offline=True, as_json=True) == 2
    told, said = capsys.readouterr()
    assert json.loads(told) == {
        "file": str(path),
        "findings": [
            {
                "path": "varlog.cluster_id",
                "wrong": "'one' can't be used (input should be a valid integer)",
                "to_do": "write the Varlog cluster's id, for example 1",
            },
            {
                "path": "topics.a.config['max.message.byte']",
                "wrong": "unknown key",
                "to_do": "did you mean max.message.bytes?",
            },
        ],
    }
    assert len(said.splitlines()) == 2

    assert commands.check(tmp_path / "none.yaml", offline=True, as_json=True) == 2
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert "can't be read" in finding["wrong"]


def test_programs_are_told_that_the_cluster_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "_OPEN_TIMEOUT_S", 0.1)
    path = tmp_path / "m.yaml"
    path.write_text('varlog: {cluster_id: 1, metadata_repositories: ["127.0.0.1:1"]}\n' + GOOD)
    assert commands.check(path, offline=False, as_json=True) == 1
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert (finding["path"], finding["to_do"][:8]) == ("varlog", "start it")


def test_a_cluster_that_is_not_there_is_no_success(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "_OPEN_TIMEOUT_S", 0.2)
    path = tmp_path / "m.yaml"
    path.write_text('varlog: {cluster_id: 1, metadata_repositories: ["127.0.0.1:1"]}\n' + GOOD)
    assert commands.check(path, offline=False) == 1
    assert "kov: the Varlog cluster can't be reached" in capsys.readouterr().err
