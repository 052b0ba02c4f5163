"""A mapping file gets more topics, and everything else in it stays as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from kov.config.mapping_file import read_text
from kov.errors import ConfigError
from kov.tools.mapping.text import Mapped, extended, new_text

VARLOG = 'varlog: {cluster_id: 1, metadata_repositories: ["127.0.0.1:1"]}\n'
MORE = {"payments": Mapped(topic_id=2, log_streams=[4, 5])}


def topics_of(text: str) -> dict[str, list[int]]:
    return {topic.name: list(topic.log_streams) for topic in read_text(text, source="m").topics}


def test_a_new_file_holds_the_cluster_and_the_topics() -> None:
    text = new_text(3, ["10.0.0.1:9092", "[::1]:9092"], "10.0.0.1:9093", MORE)
    config = read_text(text, source="m")
    assert config.varlog is not None
    assert config.varlog.cluster_id == 3
    assert config.varlog.metadata_repositories == ("10.0.0.1:9092", "[::1]:9092")
    assert config.varlog.admin == "10.0.0.1:9093"
    assert topics_of(text) == {"payments": [4, 5]}


@pytest.mark.parametrize("name", ["true", "1234", "1.5", "null", "-", "a-b_c.d", "no", "0x10", "."])
def test_names_that_yaml_would_take_for_something_else_are_quoted(name: str) -> None:
    topics = {name: MORE["payments"]}
    assert list(yaml.safe_load(new_text(1, ["h:1"], None, topics))["topics"]) == [name]


@pytest.mark.parametrize(
    "topics",
    [
        "topics:\n  orders:\n    topic_id: 1\n    partitions: [1, 2]\n",
        "topics:\n  orders: {topic_id: 1, partitions: [1, 2]}",
        "topics: {orders: {topic_id: 1, partitions: [1, 2]} # }\n}\n",
        "topics: {orders: {topic_id: 1, partitions: [1, 2]}}\n",
        "topics: {\n  orders: {topic_id: 1, partitions: [1, 2]} }  # flow\n",
        "topics:\n      # first\n      orders:\n         topic_id: 1  # why\n         partitions:\n"
        "         - 1\n         - 2\n\n\n# end\n",
        "topics:\n  orders:\n    topic_id: 1\n    partitions: [1, 2]\n\n# who\nnode: {id: 4}\n",
        "topics:\n  orders:\n    topic_id: 1\n    partitions: [1,\n      2]\nnode: {id: 4}\n",
    ],
)
def test_topics_are_added_behind_the_others(topics: str) -> None:
    before = VARLOG + topics
    after = extended(before, MORE)
    assert topics_of(after) == {"orders": [1, 2], "payments": [4, 5]}
    kept = [line for line in after.splitlines() if line in before.splitlines()]
    if "{orders" not in topics and "{\n" not in topics:
        assert kept == before.splitlines()
    assert after.count("#") == before.count("#")
    assert extended(after, {"third": Mapped(topic_id=3, log_streams=[6])})


def test_a_comment_on_the_next_section_stays_with_it() -> None:
    before = VARLOG + "topics:\n  a: {topic_id: 1, partitions: [1]}\n  # kept\n\n# who\nnode: {id: 4}\n"
    lines = extended(before, MORE).splitlines()
    assert lines.index("  payments:") == lines.index("  # kept") + 1
    assert lines.index("node: {id: 4}") == lines.index("# who") + 1


def test_a_file_without_topics_gets_some() -> None:
    before = VARLOG + "catalog: {topic_id: 9, log_stream: 90}\n"
    after = extended(before, MORE)
    assert after.startswith(before)
    assert topics_of(after) == {"payments": [4, 5]}


ALIAS = VARLOG + "x: &t {a: {topic_id: 1, partitions: [1]}}\ntopics: *t\n"
COMMA_AT_THE_END = VARLOG + "topics: {a: {topic_id: 1, partitions: [1]},}\n"
ONE_LINE = f"{{{VARLOG.strip()}, topics: {{a: {{topic_id: 1, partitions: [1]}}}}}}"


@pytest.mark.parametrize("text", [ALIAS, COMMA_AT_THE_END, ONE_LINE])
def test_an_unusual_layout_is_left_alone_and_the_lines_are_shown(text: str) -> None:
    with pytest.raises(
        ConfigError, match=r"write there:\n  payments:\n    topic_id: 2\n    partitions: \[4, 5\]"
    ):
        extended(text, MORE)


def test_every_example_of_the_docs_can_be_extended() -> None:
    page = Path(__file__).resolve().parents[3] / "README.md"
    example = page.read_text(encoding="utf-8").partition("```yaml\n")[2].partition("```")[0]
    assert topics_of(extended(example, MORE)).keys() == {"orders", "payments"}
