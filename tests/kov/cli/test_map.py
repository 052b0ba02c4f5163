"""`kov map`: files that pass `kov check`, and nothing overwritten, mapped twice or taken from others."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from kov.config import load
from tests.kov.cli.conftest import Program, Said
from tests.kov.cli.test_topics_and_inspect import run, write
from tests.kov.server.conftest import Cluster
from varlog_client import Log, LogStreamId, TopicId

ADDED = "look at it with: kov check"


@pytest.fixture
def mapped(kov: Program, cluster: Cluster) -> Callable[..., Said]:
    """`kov map m.yaml` for the first time."""

    def first(*arguments: object) -> Said:
        address = cluster.server.address
        return kov("map", "m.yaml", "--varlog", address, "--admin", address, *arguments)

    return first


@pytest.mark.slow
async def test_a_new_file_passes_the_check_and_is_not_overwritten(
    kov: Program, cluster: Cluster, mapped: Callable[..., Said]
) -> None:
    said = await asyncio.to_thread(mapped, "--topic", "orders=1", "--topic", "payments=2", "--json")
    assert (said.status, said.err) == (0, "")
    added = {
        "orders": {"topic_id": 1, "partitions": [1, 2, 3]},
        "payments": {"topic_id": 2, "partitions": [4]},
    }
    assert json.loads(said.out) == {"file": "m.yaml", "existed": False, "added": added}
    assert yaml.safe_load((cluster.directory / "m.yaml").read_text())["topics"] == added

    text = (cluster.directory / "m.yaml").read_bytes()
    again = await asyncio.to_thread(mapped, "--topic", "orders=1")
    assert again.status == 2
    assert again.err.startswith("kov: m.yaml exists and names its cluster")
    assert (cluster.directory / "m.yaml").read_bytes() == text


@pytest.mark.slow
async def test_topics_are_made_and_added_after_asking(
    kov: Program, cluster: Cluster, mapped: Callable[..., Said]
) -> None:
    assert (await asyncio.to_thread(mapped, "--topic", "orders=1:3,1")).status == 0
    file = cluster.directory / "m.yaml"
    file.write_text("# ours\n" + file.read_text() + "# end\n")
    file.chmod(0o640)
    before = file.read_text()

    refused = await run(kov, "map", "m.yaml", "--create", "new=2")
    assert (refused.status, refused.out) == (1, "")
    assert "new: 2 log streams, to be made" in refused.err
    assert refused.err.endswith("to add to the file without being asked, give --yes\n")
    assert file.read_text() == before
    assert len(await cluster.admin.list_topics()) == 2

    done = await run(kov, "map", "m.yaml", "--create", "new=2", "--topic", "rest=1", "--yes")
    assert done.status == 0, done.err
    assert "rest: Varlog topic 1, log streams 2\n" in done.out
    assert ADDED in done.out
    assert {topic.name: topic.log_streams for topic in load(file).topics} == {
        "orders": (3, 1),
        "rest": (2,),
        "new": (5, 6),
    }
    assert file.read_text().startswith("# ours\n")
    assert file.stat().st_mode & 0o777 == 0o640
    assert (await run(kov, "check", "m.yaml")).status == 0


@pytest.mark.slow
async def test_a_person_is_asked_and_may_say_no(
    kov: Program, cluster: Cluster, mapped: Callable[..., Said]
) -> None:
    assert (await asyncio.to_thread(mapped, "--topic", "orders=1")).status == 0
    before = (cluster.directory / "m.yaml").read_text()
    for answer, status in (("n", 1), ("y", 0)):
        said = await asyncio.to_thread(answered, kov, answer, "map", "m.yaml", "--topic", "payments=2")
        assert said.status == status, said.err
        text = (cluster.directory / "m.yaml").read_text()
        assert (text == before) is (answer == "n")
    assert "payments" in text


def answered(kov: Program, answer: str, *arguments: str) -> Said:
    """With a terminal for stdin, on which somebody types the answer."""
    master, slave = pty.openpty()
    os.write(master, f"{answer}\n".encode())
    done = subprocess.run(
        kov.command(*arguments), stdin=slave, capture_output=True, check=False, timeout=60, cwd=kov.directory
    )
    os.close(master)
    os.close(slave)
    return Said(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.mark.slow
async def test_log_streams_of_others_are_not_taken(
    kov: Program, cluster: Cluster, mapped: Callable[..., Said]
) -> None:
    await write(cluster.config("topics: {orders: {topic_id: 1, partitions: [2, 1]}}\n"), 0, 0, 1)
    (cluster.directory / "m.yaml").unlink()
    async with await Log.open(1, [cluster.server.address]) as log:
        await log.append_to(TopicId(2), LogStreamId(4), [b"not ours"])

    belongs = await asyncio.to_thread(mapped, "--topic", "other=1")
    assert belongs.status == 2
    assert "other: log stream 2 belongs to partition 0 of topic" in belongs.err
    foreign = await asyncio.to_thread(mapped, "--topic", "other=2")
    assert foreign.status == 2
    assert "log stream 4 holds entries that are not kov's" in foreign.err
    nothing = await asyncio.to_thread(mapped, "--all")
    assert nothing.status == 2
    assert nothing.err.count("left out: ") == 2
    assert not (cluster.directory / "m.yaml").exists()

    own = await asyncio.to_thread(mapped, "--topic", "orders=1", "--dry-run")
    assert own.status == 0
    assert yaml.safe_load(own.out)["topics"]["orders"]["partitions"] == [2, 1, 3]
    assert not (cluster.directory / "m.yaml").exists()


@pytest.mark.slow
async def test_what_cannot_be_mapped_is_said_before_anything_is_made(
    kov: Program, cluster: Cluster, mapped: Callable[..., Said]
) -> None:
    what = await asyncio.to_thread(mapped)
    assert what.status == 2
    assert (
        "Varlog topics with log streams that the file doesn't name: 1 (3 log streams), 2 (1 log" in what.err
    )
    missing = await asyncio.to_thread(mapped, "--topic", "a=1:4")
    assert missing.err == "kov: a: log stream 4 is not in Varlog topic 1, or is mapped already\n"
    assert (await asyncio.to_thread(mapped, "--topic", "a=9")).status == 2

    (cluster.directory / "m.yaml").write_text(
        f'varlog: {{cluster_id: 1, metadata_repositories: ["{cluster.server.address}"], '
        f'admin: "{cluster.server.address}"}}\ntopics: {{orders: {{topic_id: 1, partitions: [1]}},}}\n'
    )
    odd = await run(kov, "map", "m.yaml", "--create", "new=2", "--yes")
    assert odd.status == 2
    assert "can't be added to by a program; write there:\n  new:\n" in odd.err
    known = await run(kov, "map", "m.yaml", "--create", "orders=2", "--yes")
    assert known.err == "kov: m.yaml has a topic orders already; choose another name\n"
    assert len(await cluster.admin.list_topics()) == 2


@pytest.mark.slow
async def test_a_file_that_cannot_be_written_is_said_with_what_was_made(
    kov: Program, cluster: Cluster, mapped: Callable[..., Said], tmp_path: Path
) -> None:
    said = await asyncio.to_thread(
        kov, "map", tmp_path / "no" / "m.yaml", "--varlog", cluster.server.address, "--topic", "a=1"
    )
    assert said.status == 1
    assert "can't be written: No such file or directory" in said.err
    assert said.err.endswith("it was to have a: Varlog topic 1, log streams 1, 2, 3\n")
