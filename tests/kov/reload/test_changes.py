"""What is said of a changed file: what is in force now, and what has to wait."""

from __future__ import annotations

import pytest

from kov.config.environment import VARIABLES
from kov.config.mapping_file import read_text
from kov.config.problems import render_path
from kov.reload.changes import Changes, _settings, compare

FILE = """\
node: {id: 1}
nodes:
  1: {listeners: {a: {bind: "127.0.0.1:9092"}}}
  2: {listeners: {a: {bind: "127.0.0.2:9092"}}}
varlog: {cluster_id: 1, metadata_repositories: ["10.0.0.1:9092"], admin: "10.0.0.1:9093"}
catalog: {topic_id: 9, log_stream: 90}
topics:
  orders: {topic_id: 1, partitions: [1, 2], config: {max.message.bytes: 2000}}
  payments: {topic_id: 2, partitions: [4]}
"""


def changes(old: str, new: str) -> Changes:
    assert FILE.count(old) == 1, old
    return compare(read_text(FILE, source="m.yaml"), read_text(FILE.replace(old, new), source="m.yaml"))


def test_a_file_that_says_the_same_in_other_words_has_no_changes() -> None:
    assert changes("partitions: [1, 2]", "partitions: {1: 2, 0: 1}") == Changes()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  payments: {topic_id: 2, partitions: [4]}\n", "", "topic payments is served no longer"),
        ("[4]}\n", "[4]}\n  new: {topic_id: 3, partitions: [7]}\n", "topic new is new, with 1 partition"),
        ("[1, 2]", "[1, 2, 3]", "topic orders has 3 partitions instead of 2"),
        ("[1, 2]", "[1]", "topic orders has 1 partition instead of 2"),
        ("2000", "3000", "topic orders: max.message.bytes is 3000"),
        (", config: {max.message.bytes: 2000}", "", "topic orders: max.message.bytes is the default"),
    ],
)
def test_what_is_in_force_from_now_on(old: str, new: str, said: str) -> None:
    assert changes(old, new) == Changes(topics=(said,))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[1, 2]", "[1, 3]", "topics.orders.partitions[1]: log stream 2 became 3; "),
        ("topic_id: 2", "topic_id: 3", "topics.payments.topic_id: Varlog topic 2 became 3, "),
    ],
)
def test_partitions_that_lie_elsewhere_now(old: str, new: str, said: str) -> None:
    (moved,) = changes(old, new).moved
    assert moved.startswith(said)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("id: 1}\n", "id: 2}\n", "node.id was 1 and is 2"),
        (
            "127.0.0.1:9092",
            '0.0.0.0:9092", advertise: "k:1',
            "nodes.1.listeners.a.bind was 127.0.0.1:9092 and is 0.",
        ),
        ("127.0.0.2:", "127.0.0.3:", "nodes.2.listeners.a.bind was 127.0.0.2:9092 and is 127.0.0.3:9092"),
        (
            "10.0.0.1:9092",
            "10.0.0.2:9092",
            "varlog.metadata_repositories was 10.0.0.1:9092 and is 10.0.0.2:9092",
        ),
        (', admin: "10.0.0.1:9093"', "", "varlog.admin was 10.0.0.1:9093 and is none"),
        ("log_stream: 90", "log_stream: 91", "catalog.log_stream was 90 and is 91"),
        (
            "topics:\n",
            "limits: {max.connections: 9}\ntopics:\n",
            "limits['max.connections'] was 2147483647 and is 9",
        ),
        ("topics:\n", "http: {listen: 127.0.0.1:1}\ntopics:\n", "http.listen was none and is 127.0.0.1:1"),
        ("topics:\n", "auto_create: {partitions: 2}\ntopics:\n", "auto_create.partitions was 4 and is 2"),
    ],
)
def test_what_has_to_wait_for_the_next_start(old: str, new: str, said: str) -> None:
    found = changes(old, new)
    assert found.topics == ()
    assert found.fixed[0].startswith(said)
    assert found.fixed[0].endswith(" in the file; that takes effect when kov is started again")


def test_no_key_of_the_file_is_forgotten() -> None:
    compared = _settings(read_text(FILE, source="m.yaml"))
    apart = {"topics", "nodes", "varlog.cluster_id"}
    assert {render_path(each.path) for each in VARIABLES.values()} - apart - compared.keys() == set()
