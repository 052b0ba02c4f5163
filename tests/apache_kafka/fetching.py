"""Fetch requests, good, bad and odd, and the records that they are asked of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from tests.apache_kafka.questions import Question
from tests.builders import batch
from tests.kov.kafka_table.side import Side, asking
from tests.kov.wire.requests import Entity

STRANGER: Final = UUID(int=0x5EED)
NEVER_WRITTEN: Final = 3
TIME_MS: Final = 1_700_000_000_000
DATA: Final[Mapping[int, Sequence[bytes]]] = {
    0: [batch([b"%d" % (10 * n + k) for k in range(3)], timestamp_ms=TIME_MS + 10 * n) for n in range(5)],
    1: [batch([b"text " * 50] * 4, codec=codec, timestamp_ms=TIME_MS) for codec in (1, 2, 3, 4)],
    2: [batch([bytes(20_000)], timestamp_ms=TIME_MS), batch([b"small"], timestamp_ms=TIME_MS)],
    4: [batch([b"v"], timestamp_ms=TIME_MS)],
    5: [batch([b"v"] * 2, keys=[None, b"k"], timestamp_ms=TIME_MS)],
}
"""What lies in the partitions of `plain`: 0 has offsets 0 to 14, 1 has 0 to 15, 2 has 0 and 1."""
ONE: Final = len(DATA[0][0])
"""The size of the first batch of partition 0; they are all alike."""
_SHAPES: Final = (4, 6, 7, 9, 11, 12, 13, 15, 18)
"""Versions in which something is laid out, or named, in another way than before."""


def part(index: int, offset: int, **more: int) -> dict[str, object]:
    fields: dict[str, object] = {
        "partition": index,
        "fetch_offset": offset,
        "partition_max_bytes": 1 << 20,
        "current_leader_epoch": -1,
        "last_fetched_epoch": -1,
        "log_start_offset": -1,
    }
    return fields | more


def fetch(
    side: Side,
    version: int,
    *topics: tuple[str, Sequence[dict[str, object]]],
    max_wait_s: float = 0.0,
    **more: object,
) -> Entity:
    """Of topics by name or, as the version has it, by id."""
    fields: dict[str, object] = {
        "replica_id": -1,
        "min_bytes": 1,
        "max_bytes": 1 << 20,
        "session_id": 0,
        "session_epoch": -1,
    }
    asked = [
        {"topic": name, "topic_id": side.uuids.get(name, STRANGER), "partitions": parts}
        for name, parts in topics
    ]
    return asking(1, version, max_wait=timedelta(seconds=max_wait_s), topics=asked, **fields | more)


def plain(*parts: dict[str, object]) -> tuple[str, Sequence[dict[str, object]]]:
    return "plain", parts


def _in_shapes(
    what: str,
    *topics: tuple[str, Sequence[dict[str, object]]],
    since: int = 4,
    max_wait_s: float = 0.0,
    **more: object,
) -> Iterator[Question]:
    for version in _SHAPES:
        if version >= since:
            yield Question(
                f"v{version}, {what}",
                lambda side, v=version: fetch(side, v, *topics, max_wait_s=max_wait_s, **more),  # type: ignore[misc]
            )


def _offsets() -> Iterator[Question]:
    for offset in (0, 1, 2, 3, 7, 12, 14, 15, 16, -1, -2, 2**62, 2**63 - 1, -(2**63)):
        yield from _in_shapes(f"offset {offset}", plain(part(0, offset)))
    for offset in (0, 5, 9, 15, 16, 17):
        yield from _in_shapes(f"compressed, offset {offset}", plain(part(1, offset)))
    for offset in (0, 1, -1):
        yield from _in_shapes(f"never written to, offset {offset}", plain(part(NEVER_WRITTEN, offset)))
    yield from _in_shapes("a consumer's idea of the log's start", plain(part(0, 0, log_start_offset=7)))


def _sizes() -> Iterator[Question]:
    for size in (0, 1, ONE - 1, ONE, ONE + 1, 2 * ONE - 1, 2 * ONE, 5 * ONE, 2**31 - 1, -1, -(2**31)):
        yield from _in_shapes(f"max_bytes {size}", plain(part(0, 0)), max_bytes=size)
        yield from _in_shapes(
            f"partition_max_bytes {size}", plain(part(0, 4, partition_max_bytes=size)), max_bytes=1 << 20
        )
    # Between two batches kov would have room for a small one of the next partition: its batches are whole.
    for count in range(len(DATA[0]) + 1):
        size = sum(map(len, DATA[0][:count]))
        yield from _in_shapes(
            f"max_bytes {size} for several", plain(part(0, 0), part(4, 0), part(5, 0)), max_bytes=size
        )
    yield from _in_shapes("max_bytes -1 for several", plain(part(0, 0), part(4, 0)), max_bytes=-1)
    yield from _in_shapes("max_bytes -1, nothing new", plain(part(0, 15)), max_bytes=-1)
    yield from _in_shapes(
        "first a partition without news, max_bytes 1", plain(part(4, 1), part(0, 0), part(5, 0)), max_bytes=1
    )
    yield from _in_shapes(
        "first an error, max_bytes 1", plain(part(4, 99), part(0, 0), part(5, 0)), max_bytes=1
    )
    yield from _in_shapes(
        "a byte for each", plain(*(part(index, 0, partition_max_bytes=1) for index in (0, 2, 5)))
    )
    yield from _in_shapes("a large batch first", plain(part(2, 0), part(0, 0)), max_bytes=100)


def _waits() -> Iterator[Question]:
    for wait_s in (0.0, 0.3):
        for least in (0, 1, ONE, 1 << 19, 2**31 - 1):
            yield from _in_shapes(
                f"min_bytes {least}, {wait_s} s",
                plain(part(0, 9)),
                min_bytes=least,
                max_wait_s=wait_s,
                since=12,
            )
        yield from _in_shapes(
            f"nothing, {wait_s} s", plain(part(0, 15), part(4, 1)), max_wait_s=wait_s, since=12
        )
        yield from _in_shapes(
            f"nothing and no min_bytes, {wait_s} s",
            plain(part(0, 15)),
            min_bytes=0,
            max_wait_s=wait_s,
            since=12,
        )
    yield from _in_shapes("a negative wait", plain(part(0, 15)), max_wait_s=-1.0)
    yield from _in_shapes("a negative min_bytes", plain(part(0, 15)), min_bytes=-1, max_wait_s=0.3, since=12)


def _partitions() -> Iterator[Question]:
    yield from _in_shapes("the same partition twice", plain(part(0, 0), part(0, 6)))
    yield from _in_shapes("the same twice, the second out of range", plain(part(0, 0), part(0, 99)))
    yield from _in_shapes("the same topic twice", plain(part(0, 0)), plain(part(5, 0)))
    yield from _in_shapes("one topic between", plain(part(0, 0)), ("small", [part(0, 0)]), plain(part(5, 0)))
    yield from _in_shapes(
        "unknown ones between",
        plain(part(0, 0)), ("missing", [part(0, 0)]), plain(part(99, 0), part(5, 0)), ("small", [part(0, 0)]),
    )  # fmt: skip
    yield from _in_shapes("the same topic and partition twice", plain(part(0, 9)), plain(part(0, 12)))
    yield from _in_shapes("two topics", plain(part(0, 12)), ("small", [part(0, 0)]))
    yield from _in_shapes("one unknown", plain(part(0, 12), part(99, 0), part(-1, 0)), max_wait_s=9.0)
    yield from _in_shapes("two unknown and nothing new", plain(part(0, 15), part(99, 0), part(-1, 0)))
    yield from _in_shapes("an unknown topic", ("missing", [part(0, 0)]), plain(part(0, 12)), max_wait_s=9.0)
    yield from _in_shapes("an unknown partition twice", plain(part(99, 0), part(99, 0)))
    yield from _in_shapes("no name", ("", [part(0, 0)]), plain(part(0, 12)))
    yield from _in_shapes("no partitions", plain())
    yield from _in_shapes("no topics", max_wait_s=9.0)
    yield from _in_shapes("only the one unknown", plain(part(99, 0)), max_wait_s=9.0)
    yield from _in_shapes("out of range, long wait", plain(part(0, 15), part(4, 2)), max_wait_s=9.0)
    for version in (13, 18):
        yield Question(
            f"v{version}, the id of nothing",
            lambda side, v=version: asking(  # type: ignore[misc]
                1, v, min_bytes=1, max_bytes=1 << 20, session_epoch=-1, max_wait=timedelta(0),
                topics=[{"topic_id": None, "partitions": [part(0, 0)]}],
            ),
        )  # fmt: skip


def _levels() -> Iterator[Question]:
    for level in (1, 2, -1):
        yield from _in_shapes(f"isolation level {level}", plain(part(0, 6)), isolation_level=level)
    for what, topics, session in (
        ("unknown ones only", [plain(part(99, 6))], 0), ("no topics", [], 0),
        ("two", [plain(part(0, 0), part(9, 0))], 0), ("a session", [plain(part(0, 6))], 7),
    ):  # fmt: skip
        yield from _in_shapes(f"isolation level 2, {what}", *topics, isolation_level=2, session_id=session)
    yield from _in_shapes(
        "isolation level 2, an unknown session",
        plain(part(0, 6)),
        isolation_level=2,
        session_epoch=4,
        since=7,
    )
    yield from _in_shapes("committed only, nothing new", plain(part(0, 15)), isolation_level=1)
    yield from _in_shapes("committed only, out of range", plain(part(0, 16)), isolation_level=1)
    yield from _in_shapes("committed only, unknown", plain(part(99, 16)), isolation_level=1)
    for epoch in (1 << 20, -2, -(2**31), 2**31 - 1):
        yield from _in_shapes(f"leader epoch {epoch}", plain(part(0, 6, current_leader_epoch=epoch)), since=9)
    yield from _in_shapes(
        "an epoch to come, and out of range", plain(part(0, 99, current_leader_epoch=1 << 20)), since=9
    )
    yield from _in_shapes(
        "one epoch to come",
        plain(part(0, 6, current_leader_epoch=1 << 20), part(5, 0)),
        since=9,
        max_wait_s=9.0,
    )


def _sessions() -> Iterator[Question]:
    for session, epoch in (
        (0, 0), (0, 1), (0, 7), (0, -1), (7, 0), (7, 1), (7, -1), (7, 2**31 - 1), (-1, 0), (-1, -1), (-1, 1),
        (0, -2), (7, -2), (2**30, 5), (2**30, 0),
    ):  # fmt: skip
        yield from _in_shapes(
            f"session {session}, epoch {epoch}",
            plain(part(0, 9)),
            since=7,
            session_id=session,
            session_epoch=epoch,
        )
    yield from _in_shapes("a new session of nothing", since=7, session_epoch=0, max_wait_s=9.0)
    yield from _in_shapes("an unknown session of nothing", since=7, session_id=5, session_epoch=3)
    for version in (7, 11, 12, 13, 18):
        for epoch in (0, -1, 4):
            yield Question(
                f"v{version}, epoch {epoch}, forgotten topics",
                lambda side, v=version, e=epoch: fetch(  # type: ignore[misc]
                    side, v, plain(part(0, 9)), session_epoch=e, forgotten_topics_data=_forgotten(side)
                ),
            )


def _forgotten(side: Side) -> Sequence[dict[str, object]]:
    return [
        {"topic": name, "topic_id": side.uuids.get(name, STRANGER), "partitions": [0, 1, 99]}
        for name in ("plain", "missing")
    ]


def _followers() -> Iterator[Question]:
    for replica in (0, 1, 2, 77, -2, -3):
        for version in (4, 8, 9, 12, 14):
            yield Question(
                f"v{version}, as replica {replica}",
                lambda side, v=version, r=replica: fetch(side, v, plain(part(0, 9)), replica_id=r),  # type: ignore[misc]
            )
        for version in (15, 17, 18):
            state = {"replica_id": replica, "replica_epoch": 5}
            yield Question(
                f"v{version}, as replica {replica}",
                lambda side, v=version, s=state: fetch(side, v, plain(part(0, 9)), replica_state=s),  # type: ignore[misc]
            )
    for what, fields in (
        ("out of range", part(0, 99)),
        ("unknown", part(99, 0)),
        ("nothing new", part(0, 15)),
    ):
        yield Question(
            f"v12, as a replica, {what}",
            lambda side, f=fields: fetch(side, 12, plain(f), replica_id=1, max_wait_s=9.0),  # type: ignore[misc]
        )
    yield Question(
        "v12, as a replica, with an epoch",
        lambda side: fetch(side, 12, plain(part(0, 9, current_leader_epoch=1 << 20)), replica_id=1),
    )


def _others() -> Iterator[Question]:
    yield from _in_shapes("a rack", plain(part(0, 9)), since=11, rack_id="r1")
    yield from _in_shapes("another cluster", plain(part(0, 9)), since=12, cluster_id="elsewhere")


QUESTIONS: Final = (
    *_offsets(), *_sizes(), *_waits(), *_partitions(), *_levels(), *_sessions(), *_followers(), *_others(),
)  # fmt: skip
