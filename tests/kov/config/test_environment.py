"""Values from the environment: where they go, what wins, and whom a mistake is told of."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from kov.config import AutoCreate, embedded_config, from_environment, load
from kov.config.environment import VARIABLES, misspelt
from kov.errors import ConfigError
from varlog_client import LogStreamId

FILE = """\
varlog: {cluster_id: 1, metadata_repositories: ["10.0.0.1:9092"]}
topics: {orders: {topic_id: 1, partitions: [1, 2]}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "m.yaml"
    path.write_text(FILE)
    return path


def test_a_value_stands_in_for_the_file_s_or_adds_to_it(file: Path) -> None:
    config = load(
        file,
        environment={
            "KOV_VARLOG__METADATA_REPOSITORIES": "10.0.0.2:9092, 10.0.0.3:9092",
            "KOV_VARLOG__ADMIN": "admin:9093",
            "KOV_VARLOG__UNSEAL": "true",
            "KOV_LIMITS__CONNECTIONS_MAX_IDLE_MS": "60000",
            "KOV_AUTO_CREATE__PARTITIONS": "7",
            "KOV_CATALOG__TOPIC_ID": " ",
        },
    )
    assert config.varlog is not None
    assert config.varlog.metadata_repositories == ("10.0.0.2:9092", "10.0.0.3:9092")
    assert (config.varlog.admin, config.varlog.unseal, config.varlog.cluster_id) == ("admin:9093", True, 1)
    assert config.limits.max_idle_ms == 60_000
    assert config.auto_create == AutoCreate(partitions=7)
    assert config.catalog is None


def test_topics_are_yaml_and_take_the_place_of_all_in_the_file(file: Path) -> None:
    config = load(file, environment={"KOV_TOPICS": "{a: {topic_id: 3, partitions: [7, 8]}}"})
    (topic,) = config.topics
    assert (topic.name, topic.log_streams) == ("a", (LogStreamId(7), LogStreamId(8)))
    assert topic.where == "KOV_TOPICS"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("KOV_VARLOG__CLUSTER_ID", "one", "varlog.cluster_id: 'one' can't be used"),
        (
            "KOV_VARLOG__METADATA_REPOSITORIES",
            "a:1,b",
            "varlog.metadata_repositories[1]: 'b' is not HOST:PORT",
        ),
        ("KOV_TOPICS", "{a: {topic_id: 1}}", "topics.a.partitions: is missing"),
        ("KOV_TOPICS", "{a: 1, a: 2}", "the key 'a' stands here for the second time"),
        ("KOV_NODES", "{2: {listeners: {a: {bind: 'h:1'}}}}", ""),
    ],
)
def test_a_mistake_names_the_variable(file: Path, name: str, value: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(file, environment={name: value})
    assert str(refused.value).startswith(
        f"{name}: {said}" if said else f"{file}:1: node.id: node 1 is not in"
    )


def test_a_mistake_in_the_file_still_names_its_line(file: Path) -> None:
    file.write_text(FILE.replace("[1, 2]", "[1, 1]"))
    with pytest.raises(
        ConfigError, match=r"m\.yaml:2: topics\.orders\.partitions\[1\]: log stream 1 already"
    ):
        load(file, environment={"KOV_VARLOG__ADMIN": "admin:9093"})


def test_without_a_file_and_without_variables_it_is_the_embedded_store() -> None:
    assert from_environment(environment={"KOV_LISTEN": "h:1", "HOME": "/"}) == embedded_config()
    assert from_environment(node_id=3, environment={}).node_id == 3


def test_the_embedded_store_takes_what_it_has_a_use_for() -> None:
    config = from_environment(
        node_id=5,
        environment={"KOV_AUTO_CREATE__PARTITIONS": "2", "KOV_LIMITS__MAX_CONNECTIONS": "9"},
    )
    assert (config.node_id, config.varlog, config.limits.max_connections) == (5, None, 9)
    assert config.auto_create == AutoCreate(enabled=True, partitions=2)
    with pytest.raises(ConfigError, match=r"^KOV_TOPICS is for a Varlog cluster, and none is named"):
        from_environment(environment={"KOV_TOPICS": "{a: {topic_id: 1, partitions: [1]}}"})


def test_a_cluster_can_be_named_without_any_file() -> None:
    config = from_environment(
        environment={
            "KOV_VARLOG__CLUSTER_ID": "1",
            "KOV_VARLOG__METADATA_REPOSITORIES": '["mr:9092"]',
            "KOV_TOPICS": "{orders: {topic_id: 1, partitions: [1]}}",
        }
    )
    assert config.varlog is not None
    assert config.source == "the environment"
    assert [topic.name for topic in config.topics] == ["orders"]


def test_a_cluster_without_topics_is_refused_in_the_environment_s_name() -> None:
    with pytest.raises(ConfigError, match=r"^the environment: topics: no topic is mapped and there"):
        from_environment(
            environment={"KOV_VARLOG__CLUSTER_ID": "1", "KOV_VARLOG__METADATA_REPOSITORIES": "mr:9092"}
        )


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("KOV_LISTN", "KOV_LISTEN"),
        ("KOV_VARLOG_ADMIN", "KOV_VARLOG__ADMIN"),
        ("KOV_SERVICE_HOST", None),
        ("KOV_PORT_9092_TCP_ADDR", None),
        ("KOV_HTTP_PORT", None),
        ("KOV_SOMETHING_ELSE_ENTIRELY", None),
        ("KOV_LISTEN", None),
    ],
)
def test_a_misspelt_variable_is_noticed_and_those_of_kubernetes_are_not(name: str, meant: str | None) -> None:
    expected = [f"{name} in the environment does nothing; did you mean {meant}?"] if meant else []
    assert misspelt({name: "x"}, {"KOV_LISTEN", "KOV_HTTP", "KOV_ADVERTISE"}) == expected


def test_no_two_keys_have_one_variable_and_none_looks_like_kubernetes_own() -> None:
    assert len({each.path for each in VARIABLES.values()}) == len(VARIABLES)
    assert misspelt({name + "X": "" for name in VARIABLES}, ()) != []
    assert all(dataclasses.asdict(each)["write"] for each in VARIABLES.values())
