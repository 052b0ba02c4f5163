"""Every version of every API that both serve, with good, bad and odd requests."""

from __future__ import annotations

import pytest
import pytest_asyncio
from kio.schema.errors import ErrorCode

from tests.apache_kafka.comparing import Plain
from tests.apache_kafka.oracle import Oracle
from tests.apache_kafka.questions import FETCHED, QUESTIONS, Question
from tests.apache_kafka.server import BUILD_S
from tests.builders import batch
from tests.kov.kafka_table.batches import now_ms
from tests.kov.kafka_table.reading import parts
from tests.kov.kafka_table.rows import produce
from tests.kov.kafka_table.side import TOPICS, Side

pytestmark = [
    pytest.mark.java,
    pytest.mark.timeout(BUILD_S + 120),
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def filled(oracle: Oracle) -> None:
    """The same records on both sides; every partition was written to, so that kov knows its log."""
    time_ms = now_ms()
    data = [batch([b"%d" % n] * 3, timestamp_ms=time_ms + 10 * n) for n in range(2)]
    for side in oracle.sides:
        for topic in TOPICS:
            for index in range(topic.partitions):
                for one in data if (topic.name, index) == ("plain", FETCHED) else data[:0]:
                    answer = await side.ask(
                        produce(side, 9, {topic.name: [{"index": index, "records": one}]})
                    )
                    assert parts(side, answer)[topic.name, index].error_code is ErrorCode.none


def seen(_: Side, answer: Plain) -> Plain:
    """Batches without the leader epoch, which lies outside their checksum."""
    if isinstance(answer, dict):
        return type(answer)({name: seen(_, each) for name, each in answer.items()})
    return without_epoch(answer) if isinstance(answer, bytes) else answer


def without_epoch(batches: bytes) -> bytes:
    found, at = b"", 0
    while at + 61 <= len(batches):
        end = at + 12 + int.from_bytes(batches[at + 8 : at + 12], "big")
        found += batches[at : at + 12] + bytes(4) + batches[at + 16 : end]
        at = end
    return found + batches[at:]


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.id)
async def test_question(oracle: Oracle, question: Question) -> None:
    assert await oracle.compare(question.make, seen=seen) == []
