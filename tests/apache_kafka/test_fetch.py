"""Fetch, asked of both sides over the same records."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytest
import pytest_asyncio
from kio.schema.errors import ErrorCode
from kio.schema.list_offsets.v4.response import ListOffsetsResponse

from tests.apache_kafka.comparing import Plain
from tests.apache_kafka.fetching import DATA, QUESTIONS, fetch, part, plain
from tests.apache_kafka.oracle import Oracle
from tests.apache_kafka.questions import Question
from tests.apache_kafka.server import BUILD_S
from tests.kov.kafka_table.reading import parts
from tests.kov.kafka_table.rows import produce
from tests.kov.kafka_table.side import Side, asking
from tests.kov.wire.requests import Entity

pytestmark = [
    pytest.mark.java,
    pytest.mark.timeout(BUILD_S + 120),
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def filled(oracle: Oracle) -> None:
    for side in oracle.sides:
        for index, batches in DATA.items():
            for each in batches:
                answer = await side.ask(produce(side, 9, {"plain": [{"index": index, "records": each}]}))
                assert parts(side, answer)["plain", index].error_code is ErrorCode.none


def seen(_: Side, answer: Plain) -> Plain:
    """Whole batches, without the leader epoch, which lies outside their checksum.

    Kafka ends where the limit lies, in the middle of a batch; clients pass over what isn't whole.
    """
    if isinstance(answer, dict):
        return type(answer)({name: seen(_, each) for name, each in answer.items()})
    if isinstance(answer, list):
        return [seen(_, each) for each in answer]
    return whole_batches(answer) if isinstance(answer, bytes) else answer


def whole_batches(data: bytes) -> list[bytes]:
    found = []
    while len(data) >= 61 and (end := 12 + int.from_bytes(data[8:12], "big")) <= len(data):
        found.append(data[:12] + bytes(4) + data[16:end])
        data = data[end:]
    return found


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.id)
async def test_question(oracle: Oracle, question: Question) -> None:
    found = await oracle.compare(question.make, seen=seen)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("version", [9, 12, 13, 16, 18])
@pytest.mark.parametrize("later", [0, 1, -1])
@pytest.mark.parametrize("replica", [-1, 1])
async def test_the_leader_epoch(oracle: Oracle, version: int, later: int, replica: int) -> None:
    """The epoch of each side, the next one, and none."""
    epochs = {side: await current_epoch(side) for side in oracle.sides}

    def ask(side: Side) -> Entity:
        epoch = -1 if later < 0 else epochs[side] + later
        fields = part(0, 9, current_leader_epoch=epoch)
        as_replica: dict[str, Any] = {
            "replica_id": replica,
            "replica_state": {"replica_id": replica, "replica_epoch": 1},
        }
        return fetch(side, version, plain(fields), **as_replica)

    found = await oracle.compare(ask, seen=seen)
    assert not found, "\n".join(found)


async def current_epoch(side: Side) -> int:
    asked = {"partition_index": 0, "timestamp": -1, "current_leader_epoch": -1}
    answer = await side.ask(asking(2, 4, replica_id=-1, topics=[{"name": "plain", "partitions": [asked]}]))
    assert isinstance(answer, ListOffsetsResponse)
    return answer.topics[0].partitions[0].leader_epoch


LIMITED = [part(index, 0, partition_max_bytes=100) for index in (0, 2)]


@pytest.mark.parametrize(
    ("wait_s", "fields", "topics", "waits"),
    [
        (0.4, {}, [plain(part(0, 15))], True),
        (0.4, {"min_bytes": 0}, [plain(part(0, 15))], False),
        (0.4, {"min_bytes": -1}, [plain(part(0, 15))], False),
        (-1.0, {}, [plain(part(0, 15))], False),
        (0.4, {"min_bytes": 1 << 19}, [plain(part(0, 0))], True),
        (9.0, {"min_bytes": 1 << 19, "max_bytes": 10}, [plain(part(0, 0))], False),
        (0.4, {"min_bytes": 1 << 19}, [plain(part(0, 0, partition_max_bytes=10))], True),
        (9.0, {"min_bytes": 180}, [plain(*LIMITED)], False),
        (0.4, {"min_bytes": 201}, [plain(*LIMITED)], True),
        (9.0, {}, [plain(part(0, 15), part(4, 99))], False),
        (0.4, {}, [plain(part(0, 15), part(99, 0)), ("missing", [part(0, 0)])], True),
        (9.0, {}, [plain(part(99, 0))], False),
        (9.0, {}, [plain()], False),
        (9.0, {}, [], False),
        (9.0, {"session_epoch": 7}, [plain(part(0, 15))], False),
        (9.0, {"isolation_level": 5}, [plain(part(0, 15))], False),
        (9.0, {"replica_id": 1}, [plain(part(0, 15))], False),
    ],
)  # fmt: skip
async def test_who_waits_and_who_does_not(
    oracle: Oracle,
    wait_s: float,
    fields: dict[str, Any],
    topics: list[tuple[str, Sequence[dict[str, object]]]],
    waits: bool,
) -> None:
    for side in oracle.sides:
        begun = time.monotonic()
        await side.ask(fetch(side, 12, *topics, max_wait_s=wait_s, **fields))
        took = time.monotonic() - begun
        assert (took > 0.9 * wait_s) is (waits or wait_s <= 0), f"{side}: {took:.2f} s"
