"""`kov map`, `check`, `topics` and `inspect` on a real cluster, whose admin server makes what they map."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from confluent_kafka import Producer

from tests.kov_process import ROOT, KovProcess
from tests.real_varlog import RealVarlog, missing_programs
from varlog_client import Admin, LogStreamId, TopicId

if reason := missing_programs():
    pytest.skip(reason, allow_module_level=True)

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(240)]


def kov(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kov", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False)


async def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(kov, *arguments)


def produce(address: str) -> list[object]:
    answers: list[object] = []
    producer = Producer({"bootstrap.servers": address, "enable.idempotence": True})
    for _ in range(2):
        producer.produce("orders", b"x", partition=1, on_delivery=lambda error, _: answers.append(error))
        producer.flush(30)
    return answers


async def test_topics_are_made_checked_served_inspected_and_found_again(
    real_varlog: RealVarlog, tmp_path: Path
) -> None:
    file = tmp_path / "m.yaml"
    where = ("--varlog", real_varlog.metadata_repository, "--admin", real_varlog.admin)
    made = await run("map", file, *where, "--create", "orders=2", "--json")
    assert (made.returncode, made.stderr) == (0, "")
    mapped = json.loads(made.stdout)["added"]["orders"]
    assert len(mapped["partitions"]) == 2

    checked = await run("check", file)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout.endswith("2 log streams exist, run and hold what they should\n")

    with KovProcess(tmp_path, str(file)) as server:
        assert await asyncio.to_thread(produce, server.address) == [None, None]

    listed = json.loads((await run("topics", file, "--json")).stdout)
    assert [each["end_offset"] for each in listed["topics"][0]["partitions"]] == [0, 2]
    assert {each["state"] for each in listed["topics"][0]["partitions"]} == {"running"}
    inspected = json.loads((await run("inspect", file, "orders/1", "--json", "--from", 1)).stdout)
    assert [each["what"] for each in inspected["entries"]] == ["fence", "batch", "batch"]
    assert inspected["state"]["next_offset"] == 2

    # The file is lost, and nobody remembers the order: what lies in the log streams tells.
    file.unlink()
    swapped = ",".join(map(str, reversed(mapped["partitions"])))
    again = await run("map", file, *where, "--topic", f"orders={mapped['topic_id']}:{swapped}", "--json")
    assert (again.returncode, again.stderr) == (0, "")
    assert json.loads(again.stdout)["added"]["orders"]["partitions"] == mapped["partitions"]


async def test_what_is_wrong_in_a_cluster_is_said_with_what_to_do(
    real_varlog: RealVarlog, tmp_path: Path
) -> None:
    file = tmp_path / "m.yaml"
    where = ("--varlog", real_varlog.metadata_repository, "--admin", real_varlog.admin)
    made = await run("map", file, *where, "--create", "a=2", "--create", "b=1", "--json")
    added = json.loads(made.stdout)["added"]
    topic_id, (first, second) = added["a"]["topic_id"], added["a"]["partitions"]
    async with await Admin.connect(real_varlog.admin) as admin:
        await admin.seal(TopicId(topic_id), LogStreamId(first))
        text = file.read_text()
        file.write_text(text.replace(str(added["b"]["partitions"]), "[99999]"))

        said = await run("check", file, "--json")
        assert said.returncode == 1, said.stderr
        sealed, missing = json.loads(said.stdout)["findings"]
        assert sealed["path"] == "topics.a.partitions[0]"
        assert f"log stream {first} is not running" in sealed["wrong"]
        assert f"varlogctl ls unseal --tpid {topic_id} --lsid {first}" in sealed["to_do"]
        assert (missing["path"], missing["wrong"]) == (
            "topics.b.partitions[0]",
            "log stream 99999 does not exist",
        )

        file.write_text(text.replace(f"topic_id: {topic_id}\n", f"topic_id: {added['b']['topic_id']}\n", 1))
        await admin.unseal(TopicId(topic_id), LogStreamId(first))
    said = await run("check", file)
    assert said.returncode == 1
    assert f"log stream {second} is not in Varlog topic {added['b']['topic_id']}" in said.stdout
