"""What admin tools ask for and change, asked of both in the same order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
import pytest_asyncio
from kio.schema.errors import ErrorCode
from kio.schema.metadata.v12.response import MetadataResponse

from tests.apache_kafka import (
    asking_questions,
    config_questions,
    offset_questions,
    tool_questions,
    topic_questions,
)
from tests.apache_kafka.admin_allowed import ADMIN_ALLOWED
from tests.apache_kafka.admin_site import a_cataloging_kov
from tests.apache_kafka.comparing import Plain
from tests.apache_kafka.oracle import Oracle
from tests.apache_kafka.questions import Question
from tests.apache_kafka.server import BUILD_S, ApacheKafka
from tests.builders import batch
from tests.kov.kafka_table.batches import now_ms
from tests.kov.kafka_table.reading import parts
from tests.kov.kafka_table.rows import produce
from tests.kov.kafka_table.side import Side, asking

pytestmark = [
    pytest.mark.java,
    pytest.mark.timeout(BUILD_S + 120),
    pytest.mark.asyncio(loop_scope="module"),
]

TOPICS = (*topic_questions.TOPICS, *config_questions.TOPICS, *asking_questions.TOPICS)
LEARNT_S = 1.0
"""How long Kafka's broker may take to hear of what its controller has answered already."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def admin_oracle(
    apache_kafka: ApacheKafka, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Oracle]:
    async with a_cataloging_kov(tmp_path_factory.mktemp("kov"), TOPICS) as kov:
        kafka = await apache_kafka.side(TOPICS)
        for side in (kafka, kov):
            await fill(side)
        yield Oracle(kafka, kov)
        kafka.uuids = await topics(kafka)
        await apache_kafka.delete(kafka)


async def topics(side: Side) -> dict[str, UUID]:
    answer = await side.ask(asking(3, 12, topics=None))
    assert isinstance(answer, MetadataResponse)
    return {each.name: each.topic_id for each in answer.topics if each.name and each.topic_id}


START_MS = now_ms()


async def fill(side: Side) -> None:
    """Every partition that is asked about is written to, so that kov knows its epoch."""
    await append(side, "asked", batch([b"a"], producer_id=7, epoch=2, sequence=0))
    await append(side, "asked", batch([b"b"], producer_id=8, epoch=0, sequence=5))
    for ago_ms in offset_questions.TIMES_MS:
        await append(side, "timed", batch([b"t"], timestamp_ms=START_MS - ago_ms))


async def append(side: Side, topic: str, records: bytes) -> None:
    answer = await side.ask(produce(side, 9, {topic: [{"index": 0, "records": records}]}))
    assert parts(side, answer)[topic, 0].error_code is ErrorCode.none


def seen(side: Side, answer: Plain) -> Plain:
    """Ids of topics that were made meanwhile are as good as those known before."""
    if isinstance(answer, list):
        return [seen(side, each) for each in answer]
    if not isinstance(answer, dict):
        return answer
    changed = type(answer)({key: seen(side, each) for key, each in answer.items()})
    uuid = changed.get("topic_id")
    if isinstance(uuid, str) and not uuid.startswith("<"):
        side.uuids.setdefault(str(changed["name"]), UUID(uuid))
        changed["topic_id"] = "<id>"
    return changed


async def compare(oracle: Oracle, question: Question) -> list[str]:
    return await oracle.compare(question.make, allowed=ADMIN_ALLOWED, seen=seen)


async def compare_at_last(oracle: Oracle, question: Question) -> list[str]:
    """For what only looks: Kafka's broker hears of its controller's changes a little later."""
    deadline = time.monotonic() + LEARNT_S
    while (found := await compare(oracle, question)) and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    return found


def named(question: Question) -> str:
    return question.id


@pytest.mark.parametrize("question", asking_questions.ASKING_QUESTIONS, ids=named)
async def test_looking(admin_oracle: Oracle, question: Question) -> None:
    assert await compare_at_last(admin_oracle, question) == []


@pytest.mark.parametrize("question", tool_questions.TOOL_QUESTIONS, ids=named)
async def test_tools(admin_oracle: Oracle, question: Question) -> None:
    assert await compare_at_last(admin_oracle, question) == []


@pytest.mark.parametrize("question", [*offset_questions.offsets(START_MS)], ids=named)
async def test_offsets(admin_oracle: Oracle, question: Question) -> None:
    assert await compare_at_last(admin_oracle, question) == []


@pytest.mark.parametrize("question", config_questions.CONFIG_QUESTIONS, ids=named)
async def test_settings(admin_oracle: Oracle, question: Question) -> None:
    looks = question.id.startswith("Describe")
    assert await (compare_at_last if looks else compare)(admin_oracle, question) == []


@pytest.mark.parametrize("question", topic_questions.TOPIC_QUESTIONS, ids=named)
async def test_topics(admin_oracle: Oracle, question: Question) -> None:
    assert await compare(admin_oracle, question) == []
