"""What `kov` says, in one line and with the right exit status, when it can't do what it was told."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kov import commands
from kov.address import NamedAddress
from kov.cli import app
from kov.serving import Wishes

MAPPING = """\
varlog: {cluster_id: 1, metadata_repositories: ["127.0.0.1:1"]}
topics: {orders: {topic_id: 1, partitions: [1]}}
"""


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    path = tmp_path / "m.yaml"
    path.write_text(MAPPING)
    return path


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """For this test, somebody who may not write everywhere."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield
    if root:
        os.seteuid(0)


def serve(
    file: Path | None = None,
    *,
    listen: str | None = "127.0.0.1:0",
    advertise: str | None = None,
    data: Path | None = None,
) -> int:
    return commands.serve(
        Wishes(
            file=file,
            listen=[NamedAddress.parse(listen)] if listen else (),
            advertise=[NamedAddress.parse(advertise)] if advertise else (),
            data=data,
        )
    )


def said(capsys: pytest.CaptureFixture[str]) -> str:
    out, text = capsys.readouterr()
    assert out == ""
    return text


def test_a_taken_port(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert serve(listen=f"127.0.0.1:{port}", data=tmp_path / "data") == 1
    assert said(capsys) == (
        f"kov: can't listen on 127.0.0.1:{port}: the port is taken by another program; "
        f"stop that, or choose another than {port}\n"
    )
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("listen", "why"),
    [
        ("192.0.2.1:9092", "this host has no such address; use one of its own, or 0.0.0.0 for all of them"),
        ("no-such-host.invalid:9092", "the host 'no-such-host.invalid' is not known here"),
    ],
)
def test_an_address_that_is_not_here(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], listen: str, why: str
) -> None:
    assert serve(listen=listen, data=tmp_path) == 1
    assert said(capsys) == f"kov: can't listen on {listen}: {why}\n"


def test_a_data_directory_below_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    where = tmp_path / "file" / "data"
    assert serve(data=where) == 1
    assert said(capsys) == (
        f"kov: the data directory {where} can't be used: Not a directory; choose one with --data\n"
    )


@pytest.mark.usefixtures("unprivileged")
def test_a_data_directory_without_permission(capsys: pytest.CaptureFixture[str]) -> None:
    assert serve(data=Path("/kov-data")) == 1
    assert said(capsys) == (
        "kov: the data directory /kov-data can't be used: Permission denied; choose one with --data\n"
    )


def test_an_embedded_store_that_can_not_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "varlog").write_text("in the way")
    assert serve(data=tmp_path) == 1
    text = said(capsys)
    assert text.startswith("kov: the embedded store can't start: ")
    assert str(tmp_path / "varlog") in text
    assert text.count("\n") == 1


def test_data_and_a_file(mapping: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert serve(mapping, data=Path("d")) == 2
    assert said(capsys) == (
        f"kov: --data is for the embedded store, and {mapping} names a cluster; leave one of the two out\n"
    )


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert serve(tmp_path / "none.yaml") == 2
    assert said(capsys) == f"kov: {tmp_path}/none.yaml: the file can't be read: No such file or directory\n"


def test_listening_said_twice(mapping: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mapping.write_text(MAPPING + 'nodes: {1: {listeners: {a: {bind: "127.0.0.1:19092"}}}}\n')
    assert serve(mapping) == 2
    assert (
        said(capsys) == f"kov: {mapping} says in nodes where to listen; leave --listen and --advertise out\n"
    )


def test_advertising_what_nobody_can_connect_to(capsys: pytest.CaptureFixture[str]) -> None:
    assert serve(advertise="0.0.0.0:1") == 2
    assert said(capsys) == (
        "kov: --advertise 0.0.0.0:1: clients can't connect to that; give a name or an address\n"
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["serve", "--listen", "9092"], "'9092' is not HOST:PORT"),
        (["serve", "--listen", "::1:9092"], "IPv6"),
        (["serve", "--node-id", "-1"], "--node-id"),
        (["serve", "--log-level", "loud"], "loud"),
        (["serve", "--lisen", "h:1"], "--listen"),
        (["check"], "Missing argument"),
    ],
)
def test_a_command_line_with_a_mistake(arguments: list[str], expected: str) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert expected in result.output


def test_help_teaches_by_example() -> None:
    result = CliRunner().invoke(app, ["serve", "--help"])
    assert result.exit_code == 0
    assert "kov serve --listen 0.0.0.0:9092 --advertise kafka.example:9092" in result.output


def test_the_version_is_said() -> None:
    assert CliRunner().invoke(app, ["version"]).output.startswith("kov 0.")
