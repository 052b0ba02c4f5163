"""What `kov topics` says, to people and to programs. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kov.tools.tables import Columns, counted, size
from kov.tools.topics.gathering import RUNNING, UNAVAILABLE, UNUSABLE, PartitionFacts
from kov.topics import Topic

_UNKNOWN = "-"
_NUMBERS = ("partition", "leader", "epoch", "start", "end", "size", "log stream")

COLUMNS: Final = Columns(
    names=(
        *("topic", "partition", "leader", "epoch", "start", "end", "size", "state"),
        "log stream",
    ),
    right=frozenset(_NUMBERS),
    styles={RUNNING: "green", "sealed": "yellow", "sealing": "yellow", UNAVAILABLE: "red", UNUSABLE: "red"},
)


def row(facts: PartitionFacts) -> list[str]:
    return [
        facts.topic.name,
        str(facts.index),
        _number(facts.leader),
        _number(facts.epoch),
        _number(facts.start_offset),
        _number(facts.end_offset),
        _UNKNOWN if facts.size_bytes is None else size(facts.size_bytes),
        facts.state,
        str(facts.log_stream_id),
    ]


def summary(topics: Sequence[Topic], partitions: Sequence[PartitionFacts]) -> str:
    if not topics:
        return "there are no topics"
    idle = sum(1 for each in partitions if each.state != RUNNING)
    records = sum(each.records or 0 for each in partitions)
    text = f"{counted(len(topics), 'topic')}, {counted(len(partitions), 'partition')}, "
    return text + counted(records, "record") + (f"; {idle} not running" if idle else "")


def facts(topics: Sequence[Topic], partitions: Sequence[PartitionFacts]) -> list[dict[str, object]]:
    """For programs: one object for each topic."""
    return [
        {
            "name": topic.name,
            "id": str(topic.uuid),
            "origin": topic.origin.value,
            "varlog_topic": topic.topic_id,
            "partitions": [_partition(each) for each in partitions if each.topic is topic],
        }
        for topic in topics
    ]


def _partition(facts: PartitionFacts) -> dict[str, object]:
    told: dict[str, object] = {
        "partition": facts.index,
        "log_stream": facts.log_stream_id,
        "leader": facts.leader,
        "writer": facts.writer,
        "epoch": facts.epoch,
        "start_offset": facts.start_offset,
        "end_offset": facts.end_offset,
        "size_bytes": facts.size_bytes,
        "state": facts.state,
    }
    return told | ({"problem": facts.problem} if facts.problem else {})


def _number(value: int | None) -> str:
    return _UNKNOWN if value is None else str(value)
