"""What an answer says, in the same words for every version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from kio.schema.errors import ErrorCode

from tests.kov.kafka_table.side import Side, asking
from tests.kov.wire.requests import Entity

_LATEST = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One partition of a Produce answer; None where the version hasn't got the field."""

    error_code: ErrorCode
    base_offset: int
    log_append_time: datetime | None
    log_start_offset: int | None
    error_message: str | None
    bad_records: list[int] | None


def parts(side: Side, answer: Entity | None) -> dict[tuple[str, int], Part]:
    """By topic and partition index; topics that are named by id get their names back."""
    assert answer is not None
    names = {uuid: name for name, uuid in side.uuids.items()}
    return {
        (topic.name if hasattr(topic, "name") else names[topic.topic_id], part.index): _part(part)
        for topic in cast("Any", answer).responses
        for part in topic.partition_responses
    }


def _part(part: Any) -> Part:
    bad = getattr(part, "record_errors", None)
    return Part(
        error_code=part.error_code,
        base_offset=part.base_offset,
        log_append_time=part.log_append_time,
        log_start_offset=getattr(part, "log_start_offset", None),
        error_message=getattr(part, "error_message", None),
        bad_records=None if bad is None else [each.batch_index for each in bad],
    )


async def ends(side: Side, places: Sequence[tuple[str, int]]) -> list[int]:
    """The offset behind the last record of each partition; a partition may be named more than once."""
    topics: dict[str, list[object]] = {}
    for topic, index in dict.fromkeys(places):
        part = {"partition_index": index, "timestamp": _LATEST, "current_leader_epoch": -1}
        topics.setdefault(topic, []).append(part)
    asked = [{"name": topic, "partitions": parts} for topic, parts in topics.items()]
    answer = cast("Any", await side.ask(asking(2, 7, replica_id=-1, topics=asked)))
    found = {(topic.name, part.partition_index): part for topic in answer.topics for part in topic.partitions}
    assert all(part.error_code is ErrorCode.none for part in found.values())
    return [int(found[place].offset) for place in places]
