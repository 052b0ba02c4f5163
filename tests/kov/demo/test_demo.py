"""`kov demo` end to end: what it prints, and its exit status."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from kov import commands
from kov.demo import program, reading
from kov.demo.records import Record
from tests.kov_process import KovProcess


async def demo(*arguments: str, cwd: Path) -> tuple[int, str, str]:
    command = (sys.executable, "-m", "kov", "demo", "--records", "500", *arguments)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, cwd=cwd, stdout=pipe, stderr=pipe)
    said, complained = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, said.decode(), complained.decode()


async def test_demo_writes_reads_twice_and_agrees(tmp_path: Path) -> None:
    status, said, complained = await demo(cwd=tmp_path)
    assert (status, complained) == (0, ""), said
    for client, codec in [("aiokafka", "gzip"), ("confluent-kafka", "zstd")]:
        assert re.search(rf"{client} +{codec} +100 ", said)
    streams = re.findall(r"^ +(\d) +(\d+) +0 to (\d+) +\d+ +(\d+) +(\d) +0 ", said, re.MULTILINE)
    assert [each[0] for each in streams] == ["0", "1", "2", "3"]
    assert sum(int(records) for _, records, *_ in streams) == 500
    for _, records, last, entries, fences in streams:
        assert int(last) == int(records) - 1
        assert int(entries) > int(fences) == 1
    assert re.search(
        r"^OK: 500 records of 5 producers, read back .* and through varlog_client ", said, re.MULTILINE
    )
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - nothing to wait for


async def test_demo_without_varlog_address_says_what_it_left_out(
    shared_kov: KovProcess, tmp_path: Path
) -> None:
    status, said, complained = await demo("--bootstrap", shared_kov.address, cwd=tmp_path)
    assert (status, complained) == (0, ""), said
    assert "OK: 500 records" in said
    assert "the log streams were not read: give --varlog HOST:PORT" in said


async def test_unreachable_server_is_one_line(tmp_path: Path) -> None:
    status, said, complained = await demo("--bootstrap", "127.0.0.1:1", cwd=tmp_path)
    assert (status, complained) == (1, "")
    assert "kov demo: 127.0.0.1:1 does not answer as a Kafka server" in said


@pytest.mark.parametrize(
    ("spoil", "verdict"),
    [
        (lambda at, record: None if at == 0 else record, "offset 0: missing"),
        (lambda _, record: Record(b"?", record.value, record.headers, 0), "not what was written"),
    ],
)
async def test_loss_in_a_log_stream_is_found(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[int, Record], Record | None],
    verdict: str,
) -> None:
    honest = reading._decoded

    def spoilt(batch: bytes) -> Iterator[tuple[int, Record]]:
        for offset, record in honest(batch):
            if (changed := spoil(offset, record)) is not None:
                yield offset, changed

    monkeypatch.setattr(reading, "_decoded", spoilt)
    assert await program.run(bootstrap=None, varlog=None, records=100) == 1
    said = capsys.readouterr().out
    assert verdict in said
    assert "NOT OK" in said


def test_missing_client_is_named_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        commands, "find_spec", lambda name: None if name == "confluent_kafka" else find_spec(name)
    )
    assert commands.demo(bootstrap=None, varlog=None, records=100) == 1
    assert capsys.readouterr().err == (
        "kov: the demo needs confluent-kafka; install it with: pip install 'kov[demo]'\n"
    )


async def test_serving_loads_no_kafka_client() -> None:
    look = (
        "import sys, kov.cli, kov.commands, kov.server;"
        "print({'aiokafka', 'confluent_kafka'} & {*sys.modules})"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", look, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    assert (process.returncode, said) == (0, b"set()\n")
