"""The table's rows that are about the connection and the request as a whole."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

import pytest
from kio.schema.errors import ErrorCode

from kov.handlers import APIS
from tests.kov.kafka_table.batches import good
from tests.kov.kafka_table.reading import ends, parts
from tests.kov.kafka_table.rows import produce
from tests.kov.kafka_table.side import Reply, Side, asking, decoded
from tests.kov.wire.requests import frame

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLOSED = Reply(None, open=False)
PLACES = [("plain", 0), ("plain", 1)]


def part(index: int, records: bytes | None = None) -> dict[str, object]:
    return {"index": index, "records": good() if records is None else records}


async def test_unknown_topic_or_partition(kov: Side) -> None:
    before = await ends(kov, PLACES)
    asked = {"plain": [part(0), part(6), part(-1)], "missing": [part(0)]}
    answer = parts(kov, await kov.ask(produce(kov, 12, asked)))
    codes = [answer["plain", 0].error_code, *(each.error_code for each in list(answer.values())[1:])]
    assert codes == [ErrorCode.none, *[ErrorCode.unknown_topic_or_partition] * 3]
    assert all(each.error_message for each in list(answer.values())[1:])
    assert await ends(kov, PLACES) == [before[0] + 3, before[1]]


@pytest.mark.parametrize("uuid", [UUID(int=5), None], ids=["a strange id", "no id"])
async def test_v13_unknown_topic_id(kov: Side, uuid: UUID | None) -> None:
    topics = [
        {"topic_id": uuid, "partition_data": [part(0)]},
        {"topic_id": kov.uuids["plain"], "partition_data": [part(1)]},
    ]
    answer = cast("Any", await kov.ask(asking(0, 13, acks=-1, topic_data=topics)))
    codes = [each.partition_responses[0].error_code for each in answer.responses]
    assert codes == [ErrorCode.unknown_topic_id, ErrorCode.none]


async def test_null_records_are_no_batch(kov: Side) -> None:
    before = await ends(kov, PLACES)
    asked: dict[str, list[dict[str, object]]] = {"plain": [{"index": 0, "records": None}, part(1)]}
    answer = parts(kov, await kov.ask(produce(kov, 12, asked)))
    assert [each.error_code for each in answer.values()] == [ErrorCode.invalid_record, ErrorCode.none]
    assert await ends(kov, PLACES) == [before[0], before[1] + 3]


async def test_a_partition_named_twice_is_stored_and_answered_twice(kov: Side) -> None:
    before = await ends(kov, PLACES)
    answer = cast("Any", await kov.ask(produce(kov, 12, {"plain": [part(0), part(1), part(0)]})))
    found = [(each.index, each.base_offset) for each in answer.responses[0].partition_responses]
    assert found == [(0, before[0]), (1, before[1]), (0, before[0] + 3)]


async def test_acks_0_and_no_error_gets_no_answer_and_is_stored(kov: Side) -> None:
    before = await ends(kov, PLACES)
    request = produce(kov, 9, {"plain": [part(0), part(1)]}, acks=0)
    assert await kov.exchange(frame(request)) == Reply(None, open=True)
    assert (
        parts(kov, await kov.ask(produce(kov, 9, {"plain": [part(0)]})))["plain", 0].base_offset
        == before[0] + 3
    )
    assert await ends(kov, PLACES) == [before[0] + 6, before[1] + 3]


@pytest.mark.parametrize(
    "bad", [part(6), part(1, b""), part(1, bytes(70))], ids=["partition", "none", "corrupt"]
)
async def test_acks_0_and_any_error_closes_the_connection(kov: Side, bad: dict[str, object]) -> None:
    before = await ends(kov, PLACES)
    assert await kov.exchange(frame(produce(kov, 9, {"plain": [part(0), bad]}, acks=0))) == CLOSED
    assert await ends(kov, PLACES) == [before[0] + 3, before[1]]


@pytest.mark.parametrize("version", [0, 1, 2, 14, -1])
async def test_unsupported_produce_version_closes_the_connection(kov: Side, version: int) -> None:
    before = await ends(kov, PLACES)
    request = frame(produce(kov, 3, {"plain": [part(0)]}))
    assert await kov.exchange(request[:2] + version.to_bytes(2, "big", signed=True) + request[4:]) == CLOSED
    assert await ends(kov, PLACES) == before


@pytest.mark.parametrize("version", [5, 99, 32767, -1])
async def test_unsupported_api_versions_version_is_answered_in_v0_and_the_connection_stays(
    kov: Side, version: int
) -> None:
    request = frame(asking(18, 0))
    reply = await kov.exchange(request[:2] + version.to_bytes(2, "big", signed=True) + request[4:])
    assert reply.open
    assert reply.data is not None
    answer = cast("Any", decoded(18, 0, reply.data))
    assert answer.error_code is ErrorCode.unsupported_version
    assert [(each.api_key, each.min_version, each.max_version) for each in answer.api_keys] == [(18, 0, 4)]


@pytest.mark.parametrize("version", APIS[18].versions)
async def test_every_api_is_listed_as_it_is_advertised(kov: Side, version: int) -> None:
    fields = {"client_software_name": "c", "client_software_version": "1"} if version >= 3 else {}
    answer = cast("Any", await kov.ask(asking(18, version, **fields)))
    listed = {each.api_key: (each.min_version, each.max_version) for each in answer.api_keys}
    assert listed == {key: (api.advertised[0], api.advertised[-1]) for key, api in APIS.items()}


async def test_a_client_that_never_asks_for_versions_is_served(kov: Side) -> None:
    """Every request of this module comes first on its connection; so does this one, of Kafka 0.11."""
    before = await ends(kov, PLACES)
    answer = parts(kov, await kov.ask(produce(kov, 3, {"plain": [part(0)]})))
    assert answer["plain", 0].base_offset == before[0]
