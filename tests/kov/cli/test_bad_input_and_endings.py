"""Bad input is one line and status 2; Ctrl-C is 130 and a reader that has enough 141, without a word."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable

import pytest

from kov import client_commands
from tests.kov.cli.conftest import Program, Said, interrupt
from tests.kov_process import KovProcess

pytestmark = pytest.mark.slow


@pytest.fixture
def filled(produce: Callable[..., Said], topic: str) -> str:
    """A topic whose partition 1 holds the numbers from 0 to 19,999."""
    assert produce(topic, "-p", 1, stdin="".join(f"{n}\n" for n in range(20_000))).status == 0
    return topic


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (("cat", "a/b"), "'a/b' is not TOPIC or TOPIC/PARTITION; write for example orders/0"),
        (("cat", "x", "--from", "2", "--to", "1"), "--to 1 lies before --from 2"),
        (("cat", "x", "--last", "1", "--since", "1m"), "--since and --last don't go together"),
        (("cat", "x/y/0"), "'x/y/0' is not TOPIC or TOPIC/PARTITION"),
        (("topics",), "there is no embedded store in kov-data"),
        (("topics", "missing.yaml"), "missing.yaml: the file can't be read"),
        (("inspect", "orders"), "'orders' is not TOPIC/PARTITION; write for example orders/0"),
        (("inspect", "missing.yaml", "orders/0"), "missing.yaml: the file can't be read"),
        (("map", "m.yaml"), "m.yaml doesn't exist; to write it, name the cluster with --varlog HOST:PORT"),
        (("map", "m.yaml", "--varlog", "h:1", "--create", "a/b=1"), "'a/b': a topic name consists of"),
        (("map", "m.yaml", "--varlog", "h:1", "--create", "a=1"), "--create is done by the cluster's admin"),
        (("map", "m.yaml", "--varlog", "h:1", "--topic", "a=1", "--topic", "a=2"), "a is named twice"),
    ],
)
def test_bad_input_is_one_line(kov: Program, arguments: tuple[str, ...], wrong: str) -> None:
    said = kov(*arguments)
    assert (said.status, said.out) == (2, "")
    assert said.err.startswith(f"kov: {wrong}"), said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (("cat", "x", "--since", "soon"), "'soon' is no time; write for example"),
        (("produce", "x", "-H", "novalue"), "'novalue' is not NAME=VALUE"),
        (("produce", "x", "-z", "rar"), "'rar' is not one of"),
        (("map", "m", "--topic", "a"), "'a' is not NAME=VARLOG_TOPIC"),
        (("map", "m", "--create", "a=0"), "a=0: '0' is no number from 1 on"),
        (("map", "m", "--create", "a=1", "--dry-run"), "--create makes something"),
        (("topics", "--remove"), "--remove goes with --orphans"),
        (("topics", "--orphans", "--json"), "don't go with --orphans"),
        (("inspect", "a", "b", "c"), "give TOPIC/PARTITION, and before it the mapping file"),
        (("produze", "x"), "Did you mean 'produce'?"),
    ],
)
def test_a_bad_command_line_is_explained(kov: Program, arguments: tuple[str, ...], wrong: str) -> None:
    said = kov(*arguments)
    assert said.status == 2
    assert wrong in said.err
    assert "Traceback" not in said.err


def test_unknown_topics_and_partitions_are_named(
    cat: Callable[..., Said], kov: Program, shared_kov: KovProcess, filled: str
) -> None:
    assert cat("no-such").err == f"kov: there is no topic 'no-such' at {shared_kov.address}\n"
    assert cat(f"{filled}/9") == Said(2, "", f"kov: {filled} has the partitions 0 to 3\n")
    beyond = cat(f"{filled}/1", "--from", 20_001)
    assert beyond == Said(2, "", f"kov: --from 20001: the next offset of {filled} is 20000\n")
    inspected = kov("inspect", "--data", shared_kov.data, f"{filled}/4")
    assert inspected == Said(2, "", f"kov: {filled} has the partitions 0 to 3\n")
    listed = kov("topics", "--data", shared_kov.data, "--topic", "no-such")
    assert listed.status == 2
    assert listed.err.startswith("kov: there is no topic 'no-such'; there are: ")


@pytest.mark.parametrize("command", ["cat", "produce"])
def test_nobody_there_is_one_line(kov: Program, command: str) -> None:
    said = kov(command, "x", "-b", "127.0.0.1:1", stdin="x\n")
    assert (said.status, said.out) == (1, "")
    assert said.err.startswith("kov: 127.0.0.1:1 does not answer as a Kafka server")
    assert said.err.count("\n") == 1


def test_a_bad_line_says_which_and_keeps_those_before(
    produce: Callable[..., Said], cat: Callable[..., Said], topic: str
) -> None:
    said = produce(topic, "-f", "json", stdin='{"value": "one"}\n[2]\n{"value": "three"}\n')
    assert said.status == 2
    assert said.err.startswith("kov: line 2: this is no JSON object")
    assert said.err.endswith("(1 record before it stored)\n")
    assert cat(topic).lines == ["one"]


def test_a_record_that_is_refused_ends_it(produce: Callable[..., Said], topic: str) -> None:
    said = produce(topic, stdin=b"small\n" + b"x" * 2_000_000 + b"\n")
    assert said.status == 1
    assert said.err.startswith("kov: 1 record stored, then no more: ")
    assert "size" in said.err
    assert said.err.count("\n") == 1


def test_a_reader_that_has_enough_ends_it_quietly(kov: Program, shared_kov: KovProcess, filled: str) -> None:
    with kov.running("cat", f"{filled}/1", "-b", shared_kov.address) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"0\n"
        process.stdout.close()
        assert process.wait(60) == 141
        assert process.stderr.read() == b""


def test_ctrl_c_ends_a_reader_quietly(
    kov: Program, produce: Callable[..., Said], shared_kov: KovProcess, filled: str
) -> None:
    with kov.running("cat", f"{filled}/1", "-F", "--last", 1, "-b", shared_kov.address) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"19999\n"
        assert produce(filled, "-p", 1, stdin="later\n").status == 0
        assert process.stdout.readline() == b"later\n"
        assert interrupt(process) == Said(130, "", "")


def test_ctrl_c_keeps_what_was_sent(
    kov: Program, cat: Callable[..., Said], shared_kov: KovProcess, topic: str
) -> None:
    with kov.running("produce", topic, "-p", 0, "-b", shared_kov.address) as process:
        assert process.stdin is not None
        process.stdin.write(b"one\ntwo\n")
        process.stdin.flush()
        while cat(topic).lines != ["one", "two"]:  # until both are sent
            assert process.poll() is None
        assert interrupt(process) == Said(130, "", "")
    assert cat(topic).lines == ["one", "two"]


@pytest.mark.parametrize("command", ["topics", "inspect"])
def test_ctrl_c_ends_a_look_at_varlog_quietly(kov: Program, command: str) -> None:
    """The metadata repository takes the connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        file = kov.directory / "m.yaml"
        file.write_text(
            f'varlog: {{cluster_id: 1, metadata_repositories: ["127.0.0.1:{port}"]}}\n'
            "topics: {t: {topic_id: 1, partitions: [1]}}\n"
        )
        place = ["t/0"] if command == "inspect" else []
        with kov.running(command, file, *place) as process:
            connection, _ = silent.accept()
            assert interrupt(process) == Said(130, "", "")
            connection.close()


def test_a_missing_client_is_named_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(client_commands, "find_spec", lambda _: None)
    status = client_commands.produce(
        "x",
        bootstrap="h:1",
        codec="none",
        partition=None,
        lines_are_json=False,
        text=client_commands.Text(),
        headers=[],
        as_json=False,
    )
    assert status == 1
    assert capsys.readouterr().err == (
        "kov: produce needs confluent-kafka; install it with: pip install 'kov[cli]'\n"
    )


def test_json_says_what_was_stored(produce: Callable[..., Said], topic: str) -> None:
    said = produce(topic, "-p", 2, "--json", "-K", ":", stdin="a:12\nb:345\n")
    assert json.loads(said.out) == {
        "topic": topic,
        "records": 2,
        "bytes": 7,
        "partitions": [{"partition": 2, "first_offset": 0, "last_offset": 1}],
    }
