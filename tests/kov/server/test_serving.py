"""What `kov serve` runs with: listeners by name, and what an image's variables may and may not spoil."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kov import commands
from kov.address import Address, NamedAddress
from kov.cli import app
from kov.config import Config
from kov.errors import ConfigError
from kov.serving import DEFAULT_DATA, Wishes, resolve

MAPPING = """\
varlog: {cluster_id: 1, metadata_repositories: ["127.0.0.1:1"]}
topics: {orders: {topic_id: 1, partitions: [1]}}
"""
NODES = 'nodes: {1: {listeners: {a: {bind: "127.0.0.1:19092"}}}}\n'


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    path = tmp_path / "m.yaml"
    path.write_text(MAPPING)
    return path


def named(*texts: str) -> list[NamedAddress]:
    return [NamedAddress.parse(text) for text in texts]


def told(config: Config) -> list[dict[str, tuple[str, str]]]:
    """Of each node by listener: where it listens, and what clients are told."""
    return [
        {name: (str(each.bind), str(each.advertise)) for name, each in node.listeners.items()}
        for node in config.nodes
    ]


def test_listeners_by_name_each_have_their_own_address() -> None:
    wishes = Wishes(
        file=None,
        listen=named("in=0.0.0.0:9092", "out=0.0.0.0:19092", "127.0.0.1:9999"),
        advertise=named("out=localhost:19092", "in=kov:9092"),
    )
    assert told(resolve(wishes).config) == [
        {
            "in": ("0.0.0.0:9092", "kov:9092"),
            "out": ("0.0.0.0:19092", "localhost:19092"),
            "default": ("127.0.0.1:9999", "127.0.0.1:9999"),
        }
    ]


def test_workers_have_all_listeners_on_ports_that_follow_each_other() -> None:
    wishes = Wishes(
        file=None,
        listen=named("in=127.0.0.1:9092", "out=127.0.0.1:19092"),
        advertise=named("out=h:80"),
        count=2,
    )
    assert told(resolve(wishes).config)[1] == {
        "in": ("127.0.0.1:9093", "127.0.0.1:9093"),
        "out": ("127.0.0.1:19093", "h:81"),
    }


@pytest.mark.parametrize(
    ("listen", "advertise", "count", "why"),
    [
        (
            ["h:1", "h:2"],
            [],
            1,
            "--listen h:2: listener default is at h:1 already; give each listener a name",
        ),
        (["a=h:1"], ["b=h:1"], 1, "--advertise b=h:1: there is no listener b, only a"),
        (["a=h:1"], ["a=h:1", "a=h:2"], 1, "--advertise a=h:2: listener a is at h:1 already"),
        (["a=h:1", "b=h:2"], [], 2, "port 2 would be listened on twice"),
        (["a=h:1", "b=h:1"], [], 1, "port 1 would be listened on twice"),
        (["a=h:65535"], [], 2, "2 workers need ports up to 65536"),
    ],
)
def test_listeners_that_can_not_be(listen: list[str], advertise: list[str], count: int, why: str) -> None:
    wishes = Wishes(file=None, listen=named(*listen), advertise=named(*advertise), count=count)
    with pytest.raises(ConfigError) as refused:
        resolve(wishes)
    assert str(refused.value).startswith(why)


def test_a_listener_s_name_is_checked_like_its_address() -> None:
    assert str(NamedAddress.parse("in=[::1]:9092")) == "in=[::1]:9092"
    assert NamedAddress.parse("h:1") == NamedAddress(None, Address("h", 1))
    for text, why in (("a b=h:1", "can't be a listener's name"), ("=h:1", "name"), ("in=h", "HOST:PORT")):
        with pytest.raises(ValueError, match=why):
            NamedAddress.parse(text)


def test_what_an_image_sets_is_left_out_where_it_does_not_fit(
    mapping: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mapping.write_text(MAPPING + NODES)
    wishes = Wishes(
        file=mapping,
        listen=named("0.0.0.0:9092"),
        advertise=named("kov:9092"),
        data=Path("/data"),
        environment=frozenset({"listen", "advertise", "data"}),
    )
    with caplog.at_level(logging.WARNING):
        run = resolve(wishes)
    assert run.data is None
    assert told(run.config) == [{"a": ("127.0.0.1:19092", "127.0.0.1:19092")}]
    assert [record.message[:23] for record in caplog.records] == [
        "KOV_LISTEN is not used:",
        "KOV_ADVERTISE is not us",
    ]


def test_the_same_on_the_command_line_is_refused(mapping: Path) -> None:
    with pytest.raises(ConfigError, match=r"--data is for the embedded store, and .* names a cluster"):
        resolve(Wishes(file=mapping, data=Path("d")))
    mapping.write_text(MAPPING + NODES)
    with pytest.raises(ConfigError, match="says in nodes where to listen"):
        resolve(Wishes(file=mapping, listen=named("h:1")))


def test_a_cluster_in_the_environment_needs_neither_a_file_nor_a_store(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert resolve(Wishes(file=None)).data == DEFAULT_DATA
    monkeypatch.setenv("KOV_VARLOG__CLUSTER_ID", "1")
    monkeypatch.setenv("KOV_VARLOG__METADATA_REPOSITORIES", "mr:9092")
    monkeypatch.setenv("KOV_TOPICS", "{orders: {topic_id: 1, partitions: [1]}}")
    run = resolve(Wishes(file=None, node_id=4))
    assert (run.data, run.file, run.config.node_id) == (None, None, 4)
    assert [topic.name for topic in run.config.topics] == ["orders"]


def test_every_option_has_its_variable_and_the_command_line_goes_before_it(
    mapping: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    served: list[Wishes] = []

    def serve(wishes: Wishes, **_: object) -> int:
        served.append(wishes)
        return 0

    monkeypatch.setattr(commands, "serve", serve)
    monkeypatch.setattr(commands, "set_up_logging", lambda *_, **__: None)
    environment = {
        "KOV_FILE": str(mapping),
        "KOV_LISTEN": "in=0.0.0.0:1 out=0.0.0.0:2",
        "KOV_ADVERTISE": "out=h:2",
        "KOV_DATA": "/data",
        "KOV_NODE_ID": "7",
        "KOV_WORKERS": "3",
        "KOV_LOG_LEVEL": "error",
        "KOV_ADVERTIZE": "h:1",
    }
    result = CliRunner().invoke(app, ["serve", "--node-id", "8"], env=environment)
    assert result.exit_code == 0, result.output
    assert "KOV_ADVERTIZE in the environment does nothing; did you mean KOV_ADVERTISE?" in caplog.text
    (wishes,) = served
    assert wishes == Wishes(
        file=mapping,
        listen=named("in=0.0.0.0:1", "out=0.0.0.0:2"),
        advertise=named("out=h:2"),
        data=Path("/data"),
        node_id=8,
        count=3,
        environment=frozenset({"file", "listen", "advertise", "data", "workers", "log_level"}),
    )
