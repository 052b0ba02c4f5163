"""Requests that only look: at nodes, topics, partitions, producers, offsets, epochs and sizes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Final

from tests.apache_kafka.questions import Question
from tests.apache_kafka.topic_questions import STRANGER
from tests.kov.kafka_table.side import TopicSpec, asking

TOPICS: Final = (
    TopicSpec("asked", 3, {}),
    TopicSpec("asked-2", 2, {}),
    TopicSpec("timed", 1, {}),
)
"""Partition 0 of `asked` has one record of each of two producers, `timed` what `offset_questions` says."""


def clusters() -> Iterator[Question]:
    for version in range(3):
        for kind in (1, 2, 0, 3, -1):
            if version or kind == 1:
                for operations in (False, True):
                    yield Question(
                        f"DescribeCluster v{version}, type {kind}{', operations' if operations else ''}",
                        lambda _, v=version, k=kind, o=operations: asking(  # type: ignore[misc]
                            60, v, endpoint_type=k, include_cluster_authorized_operations=o
                        ),
                    )
    yield Question(
        "DescribeCluster v2, fenced brokers",
        lambda _: asking(60, 2, endpoint_type=1, include_fenced_brokers=True),
    )


def metadata() -> Iterator[Question]:
    for version in range(14):
        for what, names in (
            ("two", ["asked", "timed"]),
            ("none or all", []),
            ("unknown", ["missing", "a b"]),
        ):
            if names or version:  # v0 means all, which the other tests' topics are in
                yield Question(
                    f"Metadata v{version}, {what}",
                    lambda _, v=version, n=names: asking(  # type: ignore[misc]
                        3, v, topics=[{"name": each, "topic_id": None} for each in n]
                    ),
                )
        if version >= 8:
            fields = {"include_topic_authorized_operations": True}
            fields |= {"include_cluster_authorized_operations": True} if version <= 10 else {}
            yield Question(
                f"Metadata v{version}, operations",
                lambda _, v=version, f=fields: asking(  # type: ignore[misc]
                    3,
                    v,
                    topics=[{"name": each, "topic_id": None} for each in ("asked", "missing", "a b")],
                    **f,
                ),
            )
        if version >= 12:
            yield Question(
                f"Metadata v{version}, an id and another name",
                lambda side, v=version: asking(  # type: ignore[misc]
                    3,
                    v,
                    topics=[
                        {"name": "timed", "topic_id": None},
                        {"name": None, "topic_id": side.uuids["asked"]},
                    ],
                    include_topic_authorized_operations=True,
                ),
            )
            yield Question(
                f"Metadata v{version}, by ids, one unknown",
                lambda side, v=version: asking(  # type: ignore[misc]
                    3,
                    v,
                    topics=[{"name": None, "topic_id": each} for each in (side.uuids["asked"], STRANGER)],
                ),
            )
            yield Question(
                f"Metadata v{version}, by id twice, and by name",
                lambda side, v=version: asking(  # type: ignore[misc]
                    3,
                    v,
                    topics=[
                        {"name": None, "topic_id": side.uuids["asked"]},
                        {"name": None, "topic_id": side.uuids["asked"]},
                        {"name": "asked", "topic_id": None},
                    ],
                ),
            )


def _pages(what: str, *names: str, limit: int = 2000, cursor: tuple[str, int] | None = None) -> Question:
    at = None if cursor is None else {"topic_name": cursor[0], "partition_index": cursor[1]}
    return Question(
        f"DescribeTopicPartitions v0, {what}",
        lambda _: asking(
            75,
            0,
            topics=[{"name": name} for name in names],
            response_partition_limit=limit,
            cursor=at,
        ),
    )


def topic_partitions() -> Iterator[Question]:
    both = ("asked", "asked-2")
    yield _pages("one", "asked")
    yield _pages("two, in another order", *reversed(both))
    yield _pages("one twice", "asked", "asked")
    yield _pages("unknown and odd", "missing", "", "a b", ".", "x" * 250)
    for limit in (-1, 0, 1, 2, 3, 4, 5, 6, 2001, 2**31 - 1):
        yield _pages(f"at most {limit}", *both, limit=limit)
        yield _pages(f"at most {limit}, an unknown one between", "asked", "asked-1", "asked-2", limit=limit)
    for cursor in (
        ("asked", 0), ("asked", 1), ("asked", 2), ("asked", 3), ("asked", 99), ("asked", -1), ("asked-2", 0),
        ("asked-2", 1), ("asked-1", 0), ("asked-1", 5), ("a", 0), ("zzz", 0), ("", 0), ("a b", 0),
    ):  # fmt: skip
        yield _pages(f"from {cursor}", *both, cursor=cursor)
        yield _pages(f"two from {cursor}", *both, cursor=cursor, limit=2)
    yield _pages("a cursor and unknown ones", "missing", "zzz", cursor=("asked", 0))


def _producers(what: str, *asked: tuple[str, Sequence[int]]) -> Question:
    return Question(
        f"DescribeProducers v0, {what}",
        lambda _: asking(61, 0, topics=[{"name": n, "partition_indexes": i} for n, i in asked]),
    )


def producers() -> Iterator[Question]:
    yield _producers("some", ("asked", [0]))
    yield _producers("none", ("asked", [1]))
    yield _producers("all", ("asked", [0, 1, 2]), ("timed", [0]))
    yield _producers("unknown", ("missing", [0]), ("asked", [3, -1]), ("a b", [0]), ("", [0]))
    yield _producers("no partition", ("asked", []))
    yield _producers("nothing")
    yield _producers("one twice", ("asked", [1, 1]))
    yield _producers("a topic twice", ("asked", [1]), ("asked", [2]))


def log_dirs() -> Iterator[Question]:
    for version in range(1, 6):
        for what, asked in (
            ("one", [("asked", [1])]), ("two", [("asked", [0, 1]), ("timed", [0])]),
            ("unknown", [("missing", [0]), ("asked", [7, -1])]), ("nothing", []),
            ("no partition", [("asked", [])]),
            ("one twice", [("asked", [1, 1]), ("asked", [1])]), ("odd names", [("", [0]), ("a b", [0])]),
        ):  # fmt: skip
            yield Question(
                f"DescribeLogDirs v{version}, {what}",
                lambda _, v=version, a=asked: asking(  # type: ignore[misc]
                    35, v, topics=[{"topic": name, "partitions": parts} for name, parts in a]
                ),
            )


def epochs() -> Iterator[Question]:
    for version in (2, 3, 4):
        for what, name, index, current, epoch in (
            ("none", "asked", 0, -1, -1), ("the first", "asked", 0, -1, 0),
            ("one to come", "asked", 0, -1, 99),
            ("-2", "asked", 0, -1, -2), ("known to be later", "asked", 0, 99, 0),
            ("of an unknown partition", "asked", 9, -1, 0), ("of partition -1", "asked", -1, -1, 0),
            ("of an unknown topic", "missing", 0, -1, 0), ("of a bad name", "a b", 0, -1, 0),
        ):  # fmt: skip
            part = {"partition": index, "current_leader_epoch": current, "leader_epoch": epoch}
            yield Question(
                f"OffsetForLeaderEpoch v{version}, {what}",
                lambda _, v=version, n=name, p=part: asking(  # type: ignore[misc]
                    23, v, replica_id=-1, topics=[{"topic": n, "partitions": [p]}]
                ),
            )
        yield Question(
            f"OffsetForLeaderEpoch v{version}, nothing",
            lambda _, v=version: asking(23, v, replica_id=-1),  # type: ignore[misc]
        )


def elections() -> Iterator[Question]:
    for version in range(3):
        for kind in (0, 1, 2, -1):
            for what, asked in (
                ("one", [("asked", [0])]), ("some", [("asked", [2, 9, -1]), ("missing", [0]), ("", [0])]),
                ("all", None), ("nothing", []), ("no partition", [("asked", [])]),
                ("one twice", [("asked", [0, 0])]), ("a topic twice", [("asked", [0]), ("asked", [1])]),
            ):  # fmt: skip
                if version or kind == 0:
                    parts = None if asked is None else [{"topic": n, "partitions": i} for n, i in asked]
                    yield Question(
                        f"ElectLeaders v{version}, kind {kind}, {what}",
                        lambda _, v=version, k=kind, p=parts: asking(  # type: ignore[misc]
                            43, v, election_type=k, topic_partitions=p, timeout=timedelta(seconds=9)
                        ),
                    )


def reassignments() -> Iterator[Question]:
    for what, asked in (
        ("all", None), ("nothing", []), ("one", [("asked", [0])]),
        ("unknown", [("missing", [0]), ("asked", [9])]),
        ("odd", [("", []), ("asked", [-1, -1]), ("asked", [0])]),
    ):  # fmt: skip
        topics = None if asked is None else [{"name": n, "partition_indexes": i} for n, i in asked]
        for timeout_s in (9, 0, -1):
            yield Question(
                f"ListPartitionReassignments v0, {what}, within {timeout_s} s",
                lambda _, t=topics, s=timeout_s: asking(46, 0, topics=t, timeout=timedelta(seconds=s)),  # type: ignore[misc]
            )


def groups_and_acls() -> Iterator[Question]:
    for version in range(6):
        filters: dict[str, object] = {}
        for what, name, value in (
            ("", "", ()), (", a state", "states_filter", ("Stable",)),
            (", an unknown state", "states_filter", ("x",)),
            (", a type", "types_filter", ("consumer",)), (", an unknown type", "types_filter", ("x",)),
        ):  # fmt: skip
            if not name or version >= (4 if name == "states_filter" else 5):
                filters = {name: value} if name else {}
                yield Question(
                    f"ListGroups v{version}{what}",
                    lambda _, v=version, f=filters: asking(16, v, **f),  # type: ignore[misc]
                )
    for version in (1, 2, 3):
        for kind, operation in ((1, 1), (2, 3), (0, 0), (99, 99)):
            yield Question(
                f"DescribeAcls v{version}, type {kind}, operation {operation}",
                lambda _, v=version, k=kind, o=operation: asking(  # type: ignore[misc]
                    29, v, resource_type_filter=k, resource_name_filter=None, pattern_type_filter=1,
                    principal_filter=None, host_filter=None, operation=o, permission_type=1,
                ),
            )  # fmt: skip


ASKING_QUESTIONS: Final = (
    *clusters(),
    *metadata(),
    *topic_partitions(),
    *producers(),
    *log_dirs(),
    *epochs(),
    *elections(),
    *reassignments(),
    *groups_and_acls(),
)
