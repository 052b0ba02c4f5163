"""`kov check`: what is well is said shortly, what is not with what to do about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kov import check, commands
from kov.check import Finding, findings_in
from kov.config import Config
from kov.errors import CannotStart
from tests.kov.server.conftest import Cluster
from varlog_client import LogStreamId, TopicId

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
        f"{config.source}: 1 topics, 2 partitions: well-formed",
        "3 log streams exist and are running",
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
    assert capsys.readouterr().out == f"{path}: 1 topics, 2 partitions: well-formed\n"

    path.write_text("topics: []\n")
    assert commands.check(path, offline=True) == 2
    assert capsys.readouterr().err.startswith(f"kov: {path}:1: ")


def test_a_cluster_that_is_not_there_is_no_success(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "_OPEN_TIMEOUT_S", 0.2)
    path = tmp_path / "m.yaml"
    path.write_text('varlog: {cluster_id: 1, metadata_repositories: ["127.0.0.1:1"]}\n' + GOOD)
    assert commands.check(path, offline=False) == 1
    assert "kov: the Varlog cluster can't be reached" in capsys.readouterr().err
