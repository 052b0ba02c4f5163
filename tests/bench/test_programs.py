"""The measuring programs from end to end, on cells too short to mean anything."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from bench import client
from bench.appender_results import Results
from bench.cells import ROOT
from tests.waiting import wait_for

pytestmark = pytest.mark.slow


async def program(module: str, *arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await asyncio.wait_for(process.communicate(), 110)
    assert process.returncode is not None
    return process.returncode, said.decode()


async def test_produce_measures_every_cell_of_the_embedded_store(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    status, said = await program(
        "bench.produce",
        *("--seconds", "0.5", "--rounds", "1", "--size", "100", "--size", "1024"),
        *("--store", "varlog_lite", "--directory", str(tmp_path), "--json", str(file)),
    )
    assert status == 0, said
    assert "goal at most 2" in said
    figures = json.loads(file.read_text())
    rows = {(row["record_bytes"], row["rate"], row["path"]): row for row in figures["rows"]}
    assert len(rows) == 2 * 2 * 2
    for (_, rate, path), row in rows.items():
        assert row["failure"] is None
        assert row["records"] > 0
        assert row["latency_ms"]["0.5"] <= row["latency_ms"]["0.99"]
        assert row["store_cpu_s"] >= 0
        if rate is None and path == "through kov":
            assert row["kov_cpu_s"] > 0
            assert row["ratio"] > 0


@pytest.mark.parametrize(
    ("side", "room"), [("kov", "kov/partition/writer.py"), ("store", "varlog_lite/appending.py")]
)
async def test_profile_names_the_rooms(side: str, room: str) -> None:
    status, said = await program(
        "bench.profile_produce", "--of", side, "--seconds", "0.5", "--rate", "200", "--size", "100"
    )
    assert status == 0, said
    assert room in said
    assert "100 records of 100 B" in said


async def test_client_is_compared_with_varlogs_own_program(tmp_path: Path) -> None:
    if (reason := client.missing()) is not None:
        pytest.skip(reason)
    arguments = ("--seconds", "0.5", "--rounds", "2", "--cell", "1024:1", "--directory", str(tmp_path))
    status, said = await program("bench.client", *arguments)
    assert status in {0, 1}, said  # a missed goal is for a quiet machine to judge
    row = next(line for line in said.splitlines() if line.startswith("| 1 KiB | 1 |"))
    assert row.count("MiB/s") == 2
    assert "nan" not in row


async def test_lite_beside_lmdb_alone_gives_a_ratio(tmp_path: Path) -> None:
    arguments = ("--seconds", "0.3", "--rounds", "1", "--directory", str(tmp_path))
    status, said = await program("bench.lite", *arguments)
    assert status == 0, said
    assert "round 1: varlog_lite " in said
    assert "median ratio 0." in said or "median ratio 1." in said


async def test_a_sweep_that_is_interrupted_by_ctrl_c_keeps_what_it_measured_and_leaves_no_process(
    tmp_path: Path,
) -> None:
    file = tmp_path / "figures.jsonl"
    sweep = (
        *("-m", "bench.appender", "--target", "varlog_lite", "--seconds", "0.1"),
        *("--pipeline", "1", "--batch", "1", "--out", str(file), "--directory", str(tmp_path)),
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *sweep),
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},  # its children have it too
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    await wait_for(lambda: file.exists() and len(Results.read(file).cells) >= 2, timeout_s=60)
    assert len(processes_with(f"TMPDIR={tmp_path}")) >= 3  # the program, a store, one that appends
    os.killpg(process.pid, signal.SIGINT)  # the whole foreground, as a terminal does it
    _, said = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 130, said.decode()
    assert "run it again to go on" in said.decode()
    assert "Traceback" not in said.decode()
    assert processes_with(f"TMPDIR={tmp_path}") == []
    kept = Results.read(file).cells
    status, _ = await program(*sweep[1:], "--budget", "0.05")
    assert status == 0
    assert kept.items() <= Results.read(file).cells.items()


def processes_with(variable: str) -> list[str]:
    """Command lines of running programs that have it in their environment."""
    found = []
    for each in Path("/proc").glob("[0-9]*/environ"):
        try:
            if variable.encode() in each.read_bytes().split(b"\0"):
                found.append(each.with_name("cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue  # has ended meanwhile
    return found
