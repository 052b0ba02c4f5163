"""What the pages tell operators of a Varlog cluster to do, done to a real one."""

from __future__ import annotations

import asyncio
import re
import shutil
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, Block, blocks
from tests.docs.stage import Failed, Stage, play
from tests.real_varlog import missing_programs, start_real_varlog
from varlog_client import LogStreamId, StorageNodeId, TopicId

if reason := missing_programs():
    pytest.skip(reason, allow_module_level=True)
if shutil.which("varlogctl") is None:
    pytest.skip("needs the real varlogctl on PATH", allow_module_level=True)

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(400)]

TOPIC = TopicId(1)
LOG_STREAMS = [LogStreamId(number) for number in (1, 2, 3)]
DEAD, NEW = StorageNodeId(2), StorageNodeId(4)
TO_DO = re.compile(r"; unseal it: (varlogctl ls unseal .+)$")
_READY_S = 90.0


async def test_what_the_operations_page_tells_to_do_works(tmp_path: Path) -> None:
    page = [each for each in blocks(ROOT / "docs" / "operations.md") if each.is_run_on_a_cluster]
    assert len(page) > 3
    async with start_real_varlog(tmp_path / "varlog", storage_nodes=2, replication_factor=2) as cluster:
        addresses = {
            "10.0.0.1:9092": cluster.metadata_repository,
            "10.0.0.1:9093": cluster.admin,
            "10.0.0.4:9091": cluster.name_node(NEW),
        }
        with Stage(tmp_path, addresses) as stage:
            for block in page:
                if block.language == "python":
                    await _until_done(stage, block)
                    continue
                if f"storage-node-id {NEW}" in block.text:
                    cluster.kill(DEAD)
                    await cluster.restart(NEW)
                await asyncio.to_thread(_play, stage, block)
                if "unseal" in block.text:
                    for stream in LOG_STREAMS:
                        await cluster.keep_running(TOPIC, stream)
            await _unseal_as_told(stage)
            sent = await asyncio.to_thread(stage.run, "seq 30 | kov produce orders --json")
            assert '"records": 30' in sent[0]
            assert len(await asyncio.to_thread(stage.run, "kov cat orders")) == 30


def _play(stage: Stage, block: Block) -> None:
    try:
        for hidden in block.before:
            if not hidden.startswith("varlog-lite"):
                stage.run(hidden)
        play(stage, block)
    except Failed as failed:
        pytest.fail(f"{block}: {failed}")


async def _until_done(stage: Stage, block: Block) -> None:
    """Again and again, until the cluster has noticed what happened."""
    said: Failed | None = None
    try:
        async with asyncio.timeout(_READY_S):
            while True:
                try:
                    return await asyncio.to_thread(play, stage, block)
                except Failed as failed:
                    said = failed
                    await asyncio.sleep(0.5)
    except TimeoutError:
        pytest.fail(f"{block}: {said}")


async def _unseal_as_told(stage: Stage) -> None:
    """What `kov check` names, until it finds nothing any more."""
    told = 0
    async with asyncio.timeout(_READY_S):
        while True:
            found = await asyncio.to_thread(stage.run, "kov check mapping.yaml", may_fail=True)
            if "3 log streams exist, run and hold what they should" in found:
                break
            for line in found:
                if to_do := TO_DO.search(line):
                    told += 1
                    await asyncio.to_thread(stage.run, to_do[1])
            await asyncio.sleep(0.5)
    assert told >= len(LOG_STREAMS), "it names the command for each log stream"
