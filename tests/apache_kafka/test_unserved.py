"""Groups and transactions, which kov refuses. Last, since Kafka makes topics of its own for them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.apache_kafka.admin_allowed import COORDINATION_ALLOWED
from tests.apache_kafka.oracle import Oracle
from tests.apache_kafka.questions import Question
from tests.apache_kafka.server import BUILD_S
from tests.kov.kafka_table.side import Side, asking
from tests.kov.wire.requests import Entity

pytestmark = [
    pytest.mark.java,
    pytest.mark.timeout(BUILD_S + 120),
    pytest.mark.asyncio(loop_scope="module"),
]


def questions() -> Iterator[Question]:
    for version in range(7):
        for kind, key in ((0, "a group"), (1, "a transaction"), (0, "")):
            if version or not kind:
                keys = {"coordinator_keys": (key,)} if version >= 4 else {"key": key}
                yield Question(
                    f"FindCoordinator v{version}, type {kind}, {key!r}",
                    lambda _, v=version, k=kind, f=keys: asking(10, v, key_type=k, **f),  # type: ignore[misc]
                )
    for version in (4, 6):
        yield Question(
            f"FindCoordinator v{version}, no key",
            lambda _, v=version: asking(10, v, key_type=0, coordinator_keys=()),  # type: ignore[misc]
        )
    for version in range(6):
        yield Question(
            f"InitProducerId v{version}, a transactional id",
            lambda _, v=version: asking(  # type: ignore[misc]
                22, v, transactional_id="t", transaction_timeout=timedelta(minutes=1),
                **({"producer_id": -1, "producer_epoch": -1} if v >= 3 else {}),
            ),
        )  # fmt: skip


def of_groups() -> Iterator[Question]:
    """What a member of a group asks for, in a form that Kafka answers without waiting."""
    for version in range(10):
        yield Question(
            f"JoinGroup v{version}",
            lambda _, v=version: asking(  # type: ignore[misc]
                11, v, group_id="a group", session_timeout=timedelta(0), protocol_type="consumer"
            ),
        )
    for version in range(2):
        yield Question(
            f"ConsumerGroupHeartbeat v{version}",
            lambda _, v=version: asking(68, v, group_id="a group", member_id="m"),  # type: ignore[misc]
        )
    part = {"partition_index": 0, "committed_offset": 1, "committed_leader_epoch": -1}
    for version in range(2, 11):
        yield Question(
            f"OffsetCommit v{version}",
            lambda side, v=version: asking(  # type: ignore[misc]
                8, v, group_id="a group", generation_id_or_member_epoch=-1,
                topics=[_named(side, v, partitions=[part])],
            ),
        )  # fmt: skip
    for version in range(1, 11):
        yield Question(f"OffsetFetch v{version}", lambda side, v=version: _fetching(side, v))  # type: ignore[misc]


def _named(side: Side, version: int, **fields: object) -> dict[str, object]:
    return {**fields, **({"topic_id": side.uuids["plain"]} if version >= 10 else {"name": "plain"})}


def _fetching(side: Side, version: int) -> Entity:
    topic = _named(side, version, partition_indexes=(0,))
    if version < 8:
        return asking(9, version, group_id="a group", topics=[topic])
    return asking(9, version, groups=[{"group_id": "a group", "member_epoch": -1, "topics": [topic]}])


@pytest.mark.parametrize("question", [*questions(), *of_groups()], ids=lambda question: question.id)
async def test_question(oracle: Oracle, question: Question) -> None:
    assert await oracle.compare(question.make, allowed=COORDINATION_ALLOWED) == []
