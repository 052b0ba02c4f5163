"""Groups and transactions, which kov refuses. Last, since Kafka makes topics of its own for them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.apache_kafka.admin_allowed import COORDINATION_ALLOWED
from tests.apache_kafka.oracle import Oracle
from tests.apache_kafka.questions import Question
from tests.apache_kafka.server import BUILD_S
from tests.kov.kafka_table.side import asking

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


@pytest.mark.parametrize("question", [*questions()], ids=lambda question: question.id)
async def test_question(oracle: Oracle, question: Question) -> None:
    assert await oracle.compare(question.make, allowed=COORDINATION_ALLOWED) == []
