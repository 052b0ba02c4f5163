"""ListOffsets by every special timestamp and by time, of a partition that has records of many times."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from tests.apache_kafka.questions import Question
from tests.kov.kafka_table.side import asking

TIMES_MS: Final = (1000, 3000, 2000, 3000, 5000, 4000)
"""One batch of one record each, ago: the newest record lies before the last one."""


def offsets(now_ms: int) -> Iterator[Question]:
    """Of the topic `timed`, whose times are counted from `now_ms`."""
    ago = (10_000, 5001, 5000, 4999, 4000, 3001, 3000, 2999, 2000, 1500, 1000, 999, 0, -10_000)
    points = [(f"{each} ms ago", now_ms - each) for each in ago]
    points += [(f"timestamp {each}", each) for each in (-1, -2, -3, -4, -5, -6, -7, 0, 2**63 - 1, -(2**63))]
    for version in range(1, 12):
        for what, time_ms in points:
            for isolation in (0, 1) if version >= 2 and time_ms in {-1, -3} else (0,):
                part = {"partition_index": 0, "timestamp": time_ms, "current_leader_epoch": -1}
                yield Question(
                    f"ListOffsets v{version}, {what}{', committed' if isolation else ''}",
                    lambda _, v=version, i=isolation, p=part: asking(  # type: ignore[misc]
                        2, v, replica_id=-1, isolation_level=i, timeout=timedelta(seconds=5),
                        topics=[{"name": "timed", "partitions": [p]}],
                    ),
                )  # fmt: skip
    for name, index, epoch, replica in (
        ("timed", 1, -1, -1), ("timed", -1, -1, -1), ("", 0, -1, -1), ("a b", 0, -1, -1),
        ("timed", 0, 99, -1),
        ("timed", 0, -1, -2), ("timed", 0, -1, 1), ("timed", 0, -1, 77),
    ):  # fmt: skip
        part = {"partition_index": index, "timestamp": -1, "current_leader_epoch": epoch}
        yield Question(
            f"ListOffsets v9, {name!r}/{index}, epoch {epoch}, replica {replica}",
            lambda _, n=name, p=part, r=replica: asking(  # type: ignore[misc]
                2, 9, replica_id=r, isolation_level=0, topics=[{"name": n, "partitions": [p]}]
            ),
        )
