"""Requests that make, grow and delete topics: good, bad and odd ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from tests.apache_kafka.questions import Question
from tests.kov.kafka_table.side import TopicSpec, asking

STRANGER: Final = UUID(int=0x5EED)

TOPICS: Final = (
    TopicSpec("there", 2, {}),
    TopicSpec("growing", 1, {}),
    TopicSpec("with.dot", 1, {}),
    *(TopicSpec(f"gone-{version}", 1, {}) for version in range(1, 7)),
    TopicSpec("gone-twice", 1, {}),
    TopicSpec("gone-by-id", 1, {}),
    TopicSpec("gone-by-both", 1, {}),
    TopicSpec("gone-late", 1, {}),
    TopicSpec("gone-early", 1, {}),
)

_Shape = tuple[str, dict[str, object]]


def topic(name: str, **fields: object) -> dict[str, object]:
    return {"name": name, "num_partitions": 1, "replication_factor": 1, **fields}


def creating(
    what: str,
    *topics: dict[str, object],
    version: int = 7,
    validate_only: bool = False,
    timeout_s: float = 20.0,
) -> Question:
    return Question(
        f"CreateTopics v{version}, {what}",
        lambda _: asking(
            19, version, topics=topics, validate_only=validate_only, timeout=timedelta(seconds=timeout_s)
        ),
    )


def _placed(*places: tuple[int, Sequence[int]], **fields: object) -> dict[str, object]:
    assignments = [{"partition_index": index, "broker_ids": nodes} for index, nodes in places]
    return {"num_partitions": -1, "replication_factor": -1, "assignments": assignments, **fields}


def _settings(*pairs: tuple[str, str | None]) -> dict[str, object]:
    return {"configs": [{"name": name, "value": value} for name, value in pairs]}


_SHAPES: Final[Sequence[_Shape]] = (
    ("one of each", {}),
    ("three partitions", {"num_partitions": 3}),
    ("default numbers", {"num_partitions": -1, "replication_factor": -1}),
    ("more replicas than nodes", {"replication_factor": 2}),
    ("no replica", {"replication_factor": 0}),
    ("-2 replicas", {"replication_factor": -2}),
    ("32767 replicas", {"replication_factor": 32767}),
    ("no partition", {"num_partitions": 0}),
    ("-2 partitions", {"num_partitions": -2}),
    ("10001 partitions", {"num_partitions": 10_001}),
    ("nothing of anything", {"num_partitions": 0, "replication_factor": 0}),
    ("a placed partition", _placed((0, [1]))),
    ("two placed partitions", _placed((0, [1]), (1, [1]))),
    ("two placed in another order", _placed((1, [1]), (0, [1]))),
    ("places and a number of partitions", _placed((0, [1]), num_partitions=1)),
    ("places and a number of replicas", _placed((0, [1]), replication_factor=1)),
    ("places and both numbers", _placed((0, [1]), num_partitions=1, replication_factor=1)),
    ("a place without nodes", _placed((0, []))),
    ("a place with a node twice", _placed((0, [1, 1]))),
    ("a place on an unknown node", _placed((0, [77]))),
    ("a place on node -1", _placed((0, [-1]))),
    ("places with a gap", _placed((0, [1]), (2, [1]))),
    ("places from 1 on", _placed((1, [1]))),
    ("a place for partition -1", _placed((-1, [1]))),
    ("two places for a partition", _placed((0, [1]), (0, [1]))),
    ("unequal places", _placed((0, [1]), (1, [1, 77]))),
    ("no settings", _settings()),
    ("settings", _settings(("max.message.bytes", "2000"), ("message.timestamp.type", "LogAppendTime"))),
    ("an unknown setting", _settings(("no.such.setting", "1"))),
    ("an empty setting's name", _settings(("", "1"))),
    ("a removed setting", _settings(("message.format.version", "2.8"))),
    ("a setting of null", _settings(("max.message.bytes", None))),
    ("an unknown setting of null", _settings(("no.such.setting", None))),
    ("a setting twice", _settings(("max.message.bytes", "2000"), ("max.message.bytes", "3000"))),
    ("a bad and a good setting", _settings(("max.message.bytes", "x"), ("retention.ms", "1"))),
    ("a bad setting and no partition", {"num_partitions": 0, **_settings(("retention.ms", "x"))}),
)

VALUES: Final[Sequence[tuple[str, str]]] = (
    ("max.message.bytes", "0"), ("max.message.bytes", "-1"), ("max.message.bytes", ""),
    ("max.message.bytes", " 2000 "), ("max.message.bytes", "2147483648"), ("max.message.bytes", "1e3"),
    ("max.message.bytes", "+7"), ("max.message.bytes", "0x10"), ("max.message.bytes", "1_000"),
    ("message.timestamp.type", "createtime"), ("message.timestamp.type", "NoTime"),
    ("message.timestamp.type", " CreateTime "), ("message.timestamp.before.max.ms", "-1"),
    ("message.timestamp.after.max.ms", "0"), ("message.timestamp.after.max.ms", "9223372036854775808"),
    ("cleanup.policy", "compact"), ("cleanup.policy", "compact,delete"), ("cleanup.policy", "delete,delete"),
    ("cleanup.policy", ""), ("cleanup.policy", "Compact"), ("cleanup.policy", "compact, delete"),
    ("cleanup.policy", "none"), ("cleanup.policy", ","), ("cleanup.policy", "delete,"),
    ("compression.type", "producer"), ("compression.type", "brotli"), ("compression.type", "PRODUCER"),
    ("compression.gzip.level", "0"), ("compression.gzip.level", "10"), ("compression.gzip.level", "-1"),
    ("compression.lz4.level", "0"), ("compression.lz4.level", "17"), ("compression.zstd.level", "23"),
    ("retention.ms", "-1"), ("retention.ms", "-2"), ("retention.ms", "0"), ("retention.bytes", "-1"),
    ("retention.bytes", "-2"), ("segment.bytes", "1"), ("segment.bytes", "1048576"), ("segment.ms", "0"),
    ("segment.jitter.ms", "-1"), ("segment.index.bytes", "3"), ("segment.index.bytes", "4"),
    ("index.interval.bytes", "-1"), ("file.delete.delay.ms", "-1"), ("flush.ms", "-1"),
    ("flush.messages", "0"), ("preallocate", "yes"), ("preallocate", "TRUE"), ("preallocate", ""),
    ("min.insync.replicas", "0"), ("min.insync.replicas", "3"), ("min.cleanable.dirty.ratio", "1.1"),
    ("min.cleanable.dirty.ratio", "0"), ("min.cleanable.dirty.ratio", "NaN"),
    ("min.cleanable.dirty.ratio", ".5"), ("min.cleanable.dirty.ratio", "-0.1"),
    ("max.compaction.lag.ms", "0"), ("min.compaction.lag.ms", "-1"), ("delete.retention.ms", "-1"),
    ("unclean.leader.election.enable", "true"), ("unclean.leader.election.enable", "1"),
    ("remote.storage.enable", "true"), ("remote.storage.enable", "false"), ("local.retention.ms", "-3"),
    ("local.retention.bytes", "-2"), ("remote.log.copy.disable", "true"),
    ("remote.log.delete.on.disable", "x"), ("leader.replication.throttled.replicas", "*"),
    ("leader.replication.throttled.replicas", "0:1"), ("leader.replication.throttled.replicas", "none"),
    ("leader.replication.throttled.replicas", ""), ("follower.replication.throttled.replicas", "0"),
    ("follower.replication.throttled.replicas", "0:1,1:1"),
    ("errors.deadletterqueue.group.enable", "true"), ("max.decompressed.message.bytes", "-1"),
    ("max.decompressed.message.bytes", "0"), ("remote.copy.lag.ms", "-3"), ("remote.copy.lag.bytes", "-3"),
    ("remote.copy.lag.ms", "-1"), ("min.cleanable.dirty.ratio", "nan"),
    ("min.cleanable.dirty.ratio", "1e-1"), ("min.cleanable.dirty.ratio", "Infinity"),
)  # fmt: skip
"""A setting and a value for it, to be taken or refused."""

TOGETHER: Final[Sequence[Sequence[tuple[str, str]]]] = (
    (("min.compaction.lag.ms", "2"), ("max.compaction.lag.ms", "1")),
    (("retention.ms", "10"), ("local.retention.ms", "20")),
    (("retention.bytes", "10"), ("local.retention.bytes", "20")),
    (("cleanup.policy", "compact"), ("remote.storage.enable", "true")),
    (("message.timestamp.before.max.ms", "0"), ("message.timestamp.after.max.ms", "0")),
)
"""Settings that are right each by itself."""


def creations() -> Iterator[Question]:
    for version in range(2, 8):
        yield creating("good and existing", topic(f"new-{version}"), topic("there"), version=version)
        yield creating("checked only", topic(f"checked-{version}"), version=version, validate_only=True)
        yield creating("bad", topic("bad", replication_factor=5), topic("a b"), version=version)
        if version >= 4:
            defaults = topic(f"default-{version}", num_partitions=-1, replication_factor=-1)
            yield creating("default numbers", defaults, version=version)
    for number, (what, shape) in enumerate(_SHAPES):
        yield creating(what, topic(f"shape-{number}", **shape))
        yield creating(f"{what}, checked", topic(f"shape-checked-{number}", **shape), validate_only=True)
    for number, (name, value) in enumerate(VALUES):
        what = f"{name}={value!r}"
        yield creating(what, topic(f"set-{number}", **_settings((name, value))), validate_only=True)
    for number, pairs in enumerate(TOGETHER):
        what = " and ".join("=".join(each) for each in pairs)
        yield creating(what, topic(f"together-{number}", **_settings(*pairs)), validate_only=True)


def odd_creations() -> Iterator[Question]:
    names = (
        "", ".", "..", "...", "a b", "ä", "a/b", "a:b", "x" * 249, "x" * 250, "-", "_", "a\0b", "with_dot",
        "there", "There", "__cluster_metadata",
    )  # fmt: skip
    for name in names:
        yield creating(f"the name {name[:20]!r}, {len(name)}", topic(name), validate_only=True)
    yield creating("nothing")
    yield creating("one twice", topic("doubled"), topic("doubled"))
    yield creating("one twice, one good", topic("doubled"), topic("beside"), topic("doubled"))
    yield creating("one three times, differently", topic("d"), topic("d", num_partitions=2), topic("d"))
    yield creating("an existing one twice", topic("there"), topic("there"))
    yield creating("two that collide", topic("col.lide"), topic("col_lide"), validate_only=True)
    yield creating("a bad name, settings and number", topic("a b", num_partitions=0, **_settings(("x", "1"))))
    yield creating("an existing one, badly", topic("there", num_partitions=0, **_settings(("x", "1"))))
    gzip = _settings(("compression.type", "gzip"))
    yield creating("compressed anew", topic("recompressed", **gzip), validate_only=True)
    yield creating("many partitions together", topic("p1", num_partitions=6000),
                   topic("p2", num_partitions=6000), validate_only=True)  # fmt: skip
    for timeout_s in (0, -1):
        yield creating(f"within {timeout_s} s", topic(f"soon{timeout_s}"), timeout_s=timeout_s)


def growing(
    what: str,
    *topics: tuple[str, int, Sequence[Sequence[int]] | None],
    version: int = 3,
    validate_only: bool = False,
    timeout_s: float = 20.0,
) -> Question:
    asked = [
        {
            "name": name,
            "count": count,
            "assignments": None if nodes is None else [{"broker_ids": each} for each in nodes],
        }
        for name, count, nodes in topics
    ]
    return Question(
        f"CreatePartitions v{version}, {what}",
        lambda _: asking(
            37, version, topics=asked, validate_only=validate_only, timeout=timedelta(seconds=timeout_s)
        ),
    )


def growths() -> Iterator[Question]:
    for version in range(4):
        yield growing("one more, and an unknown one", ("growing", version + 2, None),
                      ("missing", 3, None), version=version)  # fmt: skip
    for only in (False, True):
        how = ", checked" if only else ""
        for count in (5, 4, 1, 0, -1, -2, 10_006, 2**31 - 1):
            yield growing(f"to {count}{how}", ("growing", count, None), validate_only=only)
        for what, nodes in (
            ("too few places", []), ("too many places", [[1], [1]]), ("an unknown node", [[77]]),
            ("an empty place", [[]]), ("a node twice", [[1, 1]]), ("node -1", [[-1]]),
            ("more replicas than the others", [[1, 2]]),
        ):  # fmt: skip
            yield growing(f"{what}{how}", ("there", 3, nodes), validate_only=only)
    yield growing("a place", ("growing", 6, [[1]]))
    yield growing("places for no partition more", ("growing", 6, [[1]]))
    yield growing("nothing")
    yield growing("one twice", ("growing", 8, None), ("growing", 8, None))
    yield growing("one twice, and another", ("growing", 8, None), ("there", 3, None), ("growing", 9, None))
    for name in ("", "a b", "x" * 250):
        yield growing(f"the name {name[:20]!r}", (name, 8, None))
    for timeout_s in (0, -1):
        yield growing(f"within {timeout_s} s", ("growing", 12 - timeout_s, None), timeout_s=timeout_s)
    yield growing("many together", ("growing", 6020, None), ("there", 6000, None), validate_only=True)


def deleting(
    what: str, *names: str | None, version: int = 6, by_id: Sequence[str] = (), timeout_s: float = 20.0
) -> Question:
    """`by_id` names topics of which only the id is asked for; an unknown name stands for an unknown id."""
    timeout = timedelta(seconds=timeout_s)
    if version < 6:
        return Question(
            f"DeleteTopics v{version}, {what}",
            lambda _: asking(20, version, topic_names=names, timeout=timeout),
        )
    return Question(
        f"DeleteTopics v{version}, {what}",
        lambda side: asking(
            20,
            version,
            topics=[
                *({"name": name, "topic_id": None} for name in names),
                *({"name": None, "topic_id": side.uuids.get(each, STRANGER)} for each in by_id),
            ],
            timeout=timeout,
        ),
    )


def deletions() -> Iterator[Question]:
    for version in range(1, 7):
        yield deleting("good and unknown", f"gone-{version}", "missing", version=version)
        yield deleting("gone already", f"gone-{version}", version=version)
        yield deleting("one twice", "gone-twice", "gone-twice", version=version)
        yield deleting("nothing", version=version)
        yield deleting("odd names", "", ".", "a b", "x" * 250, version=version)
    yield deleting("an unknown id", by_id=["missing"])
    yield deleting("an id twice", by_id=["gone-twice", "gone-twice"])
    yield deleting("an unknown id twice", by_id=["missing", "missing"])
    yield deleting("a name, and its id", "gone-by-both", by_id=["gone-by-both"])
    yield deleting("neither name nor id", None)
    yield deleting("neither name nor id, twice", None, None)
    yield Question(
        "DeleteTopics v6, name and id in one",
        lambda side: asking(
            20, 6, topics=[{"name": "gone-by-id", "topic_id": side.uuids["gone-by-id"]}],
            timeout=timedelta(seconds=20),
        ),
    )  # fmt: skip
    yield deleting("an id", by_id=["gone-by-id"])
    yield deleting("the id of what is gone", by_id=["gone-by-id"])
    yield deleting("within 0 s", "gone-early", timeout_s=0)
    yield deleting("within -1 s", "gone-late", timeout_s=-1)
    yield creating("a name that was deleted", topic("gone-twice"))


TOPIC_QUESTIONS: Final = (*creations(), *odd_creations(), *growths(), *deletions())
