"""The catalog's meaning, as tables: which entries take effect, and what lives afterwards."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from kov.catalog import messages
from kov.catalog.fold import CatalogFold, UnknownEntry
from kov.entries import Kind, pack
from kov.pb.catalog_pb2 import CatalogEntry
from kov.pb.control_pb2 import Claim
from kov.topics import Origin, TimestampType, TopicConfig
from tests.builders import batch
from tests.kov.catalog.entries import (
    A,
    B,
    abandoned,
    configured,
    created,
    deleted,
    packed,
    partitions_added,
)
from varlog_client import LLSN, LogStreamId, TopicId


def folded(entries: Sequence[bytes]) -> tuple[CatalogFold, list[bool]]:
    fold = CatalogFold()
    effects = [fold.apply(LLSN(n), entry) for n, entry in enumerate(entries, start=1)]
    return fold, effects


def living(fold: CatalogFold) -> dict[str, tuple[int, ...]]:
    return {topic.name: topic.log_streams for topic in fold.topics}


# The entries in LLSN order, which of them take effect, what lives then, the versions of "orders".
HISTORIES = [
    pytest.param([], "", {}, 0, id="nothing"),
    pytest.param([created(A)], "+", {"orders": (1, 2)}, 1, id="created"),
    pytest.param(
        [created(A), created(B, log_streams=(3,))], "+-", {"orders": (1, 2)}, 1, id="the first creation wins"
    ),
    pytest.param(
        [created(A), created(B, against=1, log_streams=(3,))],
        "+-",
        {"orders": (1, 2)},
        1,
        id="the name is taken",
    ),
    pytest.param([created(A, against=1)], "-", {}, 0, id="made against a version that is not there"),
    pytest.param([abandoned(A), created(A)], "+-", {}, 0, id="abandoned before it landed"),
    pytest.param(
        [abandoned(A), created(B)], "++", {"orders": (1, 2)}, 1, id="abandoning does not concern the others"
    ),
    pytest.param([created(A), abandoned(A)], "+-", {"orders": (1, 2)}, 1, id="abandoned too late"),
    pytest.param(
        [created(A), abandoned(A, against=1)], "+-", {"orders": (1, 2)}, 1, id="abandoned after it had won"
    ),
    pytest.param(
        [created(A), created(B, log_streams=(3,)), abandoned(B, against=1)],
        "+-+",
        {"orders": (1, 2)},
        1,
        id="the loser abandons",
    ),
    pytest.param([abandoned(A), abandoned(A)], "+-", {}, 0, id="abandoned twice"),
    pytest.param([created(A), deleted(A, 1)], "++", {}, 2, id="deleted"),
    pytest.param(
        [created(A), deleted(A, 1), created(A, against=2)], "++-", {}, 2, id="a used uuid never returns"
    ),
    pytest.param(
        [created(A), deleted(A, 1), created(B)],
        "++-",
        {},
        2,
        id="a late creation does not bring back what was deleted",
    ),
    pytest.param(
        [created(A), deleted(A, 1), created(B, against=2)], "+++", {"orders": (1, 2)}, 3, id="created anew"
    ),
    pytest.param([created(A), deleted(B, 1)], "+-", {"orders": (1, 2)}, 1, id="deleted by another uuid"),
    pytest.param(
        [created(A), deleted(A, 0)], "+-", {"orders": (1, 2)}, 1, id="deleted against an old version"
    ),
    pytest.param([deleted(A, 0)], "-", {}, 0, id="deleted before it was created"),
    pytest.param(
        [created(A), configured(A, 1, {"k": "v"}), deleted(A, 1)],
        "++-",
        {"orders": (1, 2)},
        2,
        id="deleted against the version before a change",
    ),
    pytest.param(
        [created(A), partitions_added(A, 1, (3, 4))], "++", {"orders": (1, 2, 3, 4)}, 2, id="partitions added"
    ),
    pytest.param(
        [created(A), partitions_added(A, 1, (3,)), partitions_added(A, 1, (4,))],
        "++-",
        {"orders": (1, 2, 3)},
        2,
        id="of two additions at once the first wins",
    ),
    pytest.param(
        [created(A), partitions_added(A, 1, (2,))],
        "+-",
        {"orders": (1, 2)},
        1,
        id="an added log stream is in use",
    ),
    pytest.param([created(A), partitions_added(A, 1, ())], "+-", {"orders": (1, 2)}, 1, id="nothing added"),
    pytest.param(
        [created(A), created(B, "pay", log_streams=(2, 3))],
        "+-",
        {"orders": (1, 2)},
        1,
        id="a log stream serves one partition",
    ),
    pytest.param(
        [created(A), created(B, "pay", log_streams=(3,))],
        "++",
        {"orders": (1, 2), "pay": (3,)},
        1,
        id="two topics",
    ),
    pytest.param(
        [created(A), deleted(A, 1), created(B, "pay", log_streams=(2,))],
        "+++",
        {"pay": (2,)},
        2,
        id="log streams of a deleted topic are free",
    ),
    pytest.param(
        [created(A), created(A, "pay", log_streams=(3,))],
        "+-",
        {"orders": (1, 2)},
        1,
        id="one uuid, two names",
    ),
    pytest.param([created(A, log_streams=())], "-", {}, 0, id="no partition"),
    pytest.param([created(A, log_streams=(1, 1))], "-", {}, 0, id="a log stream twice"),
    pytest.param([created(A, log_streams=(0,))], "-", {}, 0, id="no log stream id"),
    pytest.param([created(A, topic_id=0)], "-", {}, 0, id="no topic id"),
    pytest.param([created(A, "a/b")], "-", {}, 0, id="a name that Kafka refuses"),
    pytest.param(
        [packed(CatalogEntry(uuid=b"short", name="orders", created={"topic_id": 1, "log_stream_ids": [1]}))],  # type: ignore[arg-type]
        "-",
        {},
        0,
        id="no uuid",
    ),
    pytest.param(
        [b"", b"hello", b"\xff", batch(), created(A)[:-1], pack(Kind.CLAIM, 1, Claim()), created(A)],
        "------+",
        {"orders": (1, 2)},
        1,
        id="foreign and damaged entries are void",
    ),
]


@pytest.mark.parametrize(("entries", "effects", "expected", "version"), HISTORIES)
def test_history(
    entries: list[bytes], effects: str, expected: dict[str, tuple[int, ...]], version: int
) -> None:
    fold, took_effect = folded(entries)

    assert "".join("+" if each else "-" for each in took_effect) == effects
    assert living(fold) == expected
    assert fold.version("orders") == version
    assert fold.applied == len(entries)


def test_owner_names_the_living_topic_of_a_log_stream() -> None:
    fold, _ = folded([created(A), partitions_added(A, 1, (3,)), created(B, "pay", log_streams=(9,))])
    owners = [fold.owner(LogStreamId(n)) for n in (1, 2, 3, 4, 9)]
    assert owners == [A, A, A, None, B]

    fold, _ = folded([created(A), deleted(A, 1)])
    assert fold.owner(LogStreamId(1)) is None


def test_a_uuid_is_spent_by_an_effective_creation_and_by_abandoning() -> None:
    fold, _ = folded([created(A), created(B, log_streams=(3,))])
    assert (fold.spent(A), fold.spent(B)) == (True, False)

    fold, _ = folded([created(A), created(B, log_streams=(3,)), abandoned(B, against=1)])
    assert fold.spent(B)


def test_configuration_is_kept_as_written_and_replaced_whole() -> None:
    fold, _ = folded([created(A, config={"x": "1", "max.message.bytes": "7"}), configured(A, 1, {"y": "2"})])
    topic = fold.topic("orders")
    assert topic is not None
    assert topic.config == {"y": "2"}


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(packed(CatalogEntry(uuid=A.bytes, name="orders")), id="change of a later program"),
        pytest.param(created(A)[:4] + b"\x02" + created(A)[5:], id="envelope of a later program"),
        pytest.param(created(A)[:5] + b"\x7f" + created(A)[6:], id="kind of a later program"),
    ],
)
def test_an_entry_of_a_newer_kov_stops_the_fold_and_changes_nothing(entry: bytes) -> None:
    fold, _ = folded([created(A)])
    with pytest.raises(UnknownEntry, match="entry 2"):
        fold.apply(LLSN(2), entry)
    assert fold.applied == 1
    assert living(fold) == {"orders": (1, 2)}


def test_topics_are_made_of_what_the_entries_say() -> None:
    config = {"max.message.bytes": "77", "message.timestamp.type": "LogAppendTime"}
    entry = messages.created(
        uuid=A,
        name="orders",
        against_version=0,
        time_ms=5,
        topic_id=TopicId(4),
        log_streams=(LogStreamId(8), LogStreamId(7)),
        config=config,
    )
    fold, _ = folded([entry])
    named = fold.topic("orders")
    assert named is not None
    topic = messages.as_topic(named)

    assert (topic.name, topic.uuid, topic.topic_id, topic.log_streams) == ("orders", A, 4, (8, 7))
    assert topic.origin is Origin.CATALOG
    assert topic.config == TopicConfig(max_message_bytes=77, timestamp_type=TimestampType.LOG_APPEND_TIME)
    assert topic.config.written == config
