"""`kov bench` and `kov top` against a kov that runs: what they say, and that nothing is left undone."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kov.cli.conftest import Program, Said, interrupt
from tests.kov_process import KovProcess
from tests.waiting import wait_for_sync

pytestmark = pytest.mark.slow


@pytest.fixture
def observed(tmp_path: Path) -> Iterator[tuple[KovProcess, str]]:
    """A kov with an HTTP address."""
    with KovProcess(tmp_path, "--data", str(tmp_path / "kov-data"), "--http", "127.0.0.1:0") as kov:
        yield kov, kov.ready_line.partition("http: http://")[2].strip()


def test_a_load_in_an_open_loop_is_stored_summed_up_and_drawn(
    kov: Program, shared_kov: KovProcess, topic: str
) -> None:
    command = ("bench", topic, "-b", shared_kov.address, "-s", 2, "--rate", 500, "--size", 100, "-z", "zstd")
    said = kov(*command, "--picture", "load.svg", "--json")
    assert (said.status, said.err) == (0, "")
    told = json.loads(said.out)
    assert (told["topic"], told["loop"], told["failed"], told["partitions"]) == (topic, "open", 0, 4)
    assert 900 <= told["records"] <= 1000
    assert told["bytes"] == 100 * told["records"]
    assert 0 < told["latency_ms"]["p50"] <= told["latency_ms"]["p99"] <= told["latency_ms"]["longest"]
    assert sum(round(each["records_per_s"]) > 0 for each in told["by_second"]) >= 2
    assert "<svg" in (kov.directory / "load.svg").read_text()[:400]

    listed = json.loads(kov("topics", "--data", shared_kov.data, "--topic", topic, "--json").out)
    stored = sum(each["end_offset"] for each in listed["topics"][0]["partitions"])
    assert stored == told["records"]


def test_a_load_that_is_interrupted_is_summed_up_and_loses_nothing(
    kov: Program, shared_kov: KovProcess, topic: str
) -> None:
    with kov.running("bench", topic, "-b", shared_kov.address, "-s", 600, "--in-flight", 100) as process:
        assert process.stderr is not None
        assert b"100 in flight (closed loop)" in process.stderr.readline()
        assert b"records/s" in process.stderr.readline()
        said = interrupt(process)
    assert said.status == 130
    assert said.lines[0].startswith("records")
    assert not [line for line in said.lines if line.startswith("failed")]
    stored = int(said.lines[0].split()[1].replace(",", ""))
    listed = json.loads(kov("topics", "--data", shared_kov.data, "--topic", topic, "--json").out)
    assert sum(each["end_offset"] for each in listed["topics"][0]["partitions"]) == stored


def test_records_that_are_refused_are_counted_with_the_reason(
    kov: Program, shared_kov: KovProcess, topic: str
) -> None:
    said = kov("bench", topic, "-b", shared_kov.address, "-s", 1, "--size", 3_000_000, "--in-flight", 2)
    assert said.status == 1
    assert said.lines[0].startswith("records  0 in ")
    assert said.lines[-1].endswith("Broker: Message size too large")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("bench", "--rate", 5, "--in-flight", 5), "give one of the two"),
        (("bench", "--picture", "load.jpg"), "--picture load.jpg: the name must end in .png, .svg, .pdf"),
        (("bench", "--picture", "no/load.svg"), "--picture no/load.svg: there is no directory"),
        (("bench", "a b"), "a topic name consists of"),
        (("top", "no-such-topic"), "there is no topic no-such-topic at"),
    ],
)
def test_what_can_not_be_done_is_said_before_anything_is(
    kov: Program, shared_kov: KovProcess, arguments: tuple[object, ...], why: str
) -> None:
    said = kov(*arguments, "-b", shared_kov.address)
    assert (said.status, said.out) == (2, "")
    assert why in said.err


def test_a_picture_without_the_package_that_draws_it(kov: Program, tmp_path: Path) -> None:
    hidden = tmp_path / "sitecustomize.py"
    hidden.write_text(
        "import sys\n"
        "class Hidden:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'matplotlib': raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Hidden())\n"
        "import importlib.util as u; found = u.find_spec\n"
        "u.find_spec = lambda name, *more: None if name == 'matplotlib' else found(name, *more)\n"
    )
    path = ":".join([str(tmp_path), *filter(None, sys.path)])
    said = kov("bench", "--picture", "a.svg", PYTHONPATH=path)
    assert (said.status, said.out) == (1, "")
    assert said.err == "kov: --picture needs matplotlib; install it with: pip install 'kov[bench]'\n"


def test_nobody_there(kov: Program) -> None:
    for command in ("bench", "top"):
        said = kov(command, "-b", "127.0.0.1:1")
        assert said.status == 1
        assert said.err.startswith("kov: 127.0.0.1:1 does not answer as a Kafka server")


def test_top_shows_the_rates_of_a_load(kov: Program, observed: tuple[KovProcess, str]) -> None:
    server, http = observed
    with kov.running("bench", "loaded", "-b", server.address, "-s", 600, "--rate", 300) as load:
        assert load.stderr is not None
        load.stderr.readline()
        load.stderr.readline()
        plain = kov("top", "-b", server.address, "--count", 1, "--every", 1)
        told = kov("top", "loaded", "-b", server.address, "--http", http, "-n", 2, "--every", 1, "--json")
        drawn = kov.on_terminal("top", "-b", server.address, "--http", http, "-n", 1, "--every", 0.5)
        interrupt(load)
    assert (plain.status, plain.err) == (0, "")
    assert plain.lines[0].startswith("1 node, 1 topic, 4 partitions: ")
    assert plain.lines[1].split() == ["partition", "leader", "end", "records/s"]

    _, second = (json.loads(line) for line in told.lines)
    assert 50 < second["records_per_s"] < 1500
    assert {each["state"] for each in second["partitions"] if "state" in each} == {"active"}
    node = second["http"][http]
    assert node["connections"] >= 2
    assert node["requests"] > 1
    assert 0 < node["produce_p50"] <= node["produce_p99"]
    assert "active" in drawn
    assert "produce" in drawn


def test_top_waits_for_a_kov_that_is_started_again(kov: Program, observed: tuple[KovProcess, str]) -> None:
    server, _ = observed
    with kov.running("top", "-b", server.address, "--json", "--every", 0.2) as process:
        assert process.stdout is not None
        assert b"records_per_s" in process.stdout.readline()
        server.stop()
        wait_for_sync(lambda: b"problem" in _line(process.stdout), timeout_s=30)
        server.start()
        wait_for_sync(lambda: b'"problem"' not in _line(process.stdout), timeout_s=30)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        assert process.returncode == 130


def _line(stream: object) -> bytes:
    line: bytes = stream.readline()  # type: ignore[attr-defined]
    return line


def test_top_that_nobody_reads_ends(kov: Program, shared_kov: KovProcess) -> None:
    with kov.running("top", "-b", shared_kov.address, "--every", 0.1) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(30) == 141


def test_the_help_teaches_by_example(kov: Program) -> None:
    for command in ("bench", "top", "check"):
        said: Said = kov(command, "--help")
        assert said.status == 0
        assert said.out.count(f"kov {command}") >= 4, said.out
        assert "Exit status 0" in said.out
