"""Consumer groups are refused at once, by the answers to what a member does."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

import pytest
from kio.schema.errors import ErrorCode

from kov.handlers import groups
from kov.handlers.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
)
from kov.handlers.join_group import JoinGroupRequest, JoinGroupResponse
from kov.handlers.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
)
from kov.handlers.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchResponse,
)
from kov.handlers.seldom import Seldom
from tests.kov.handlers.door import ORDERS, Wire, a_door

REFUSED = ErrorCode.group_authorization_failed


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    async with a_door() as door:
        yield await door.connect()


@pytest.mark.parametrize("version", range(10))
async def test_nobody_joins_a_group(wire: Wire, version: int) -> None:
    answer = await wire.ask(JoinGroupResponse, version, JoinGroupRequest(group_id="g"))
    assert answer.error_code is REFUSED
    assert (answer.generation_id, answer.member_id, answer.members) == (-1, "", ())
    assert answer.protocol_name == (None if version >= 7 else "")


@pytest.mark.parametrize("version", range(2))
async def test_nobody_joins_a_group_of_the_newer_protocol_and_the_answer_says_why(
    wire: Wire, version: int
) -> None:
    asked = ConsumerGroupHeartbeatRequest(group_id="g")
    answer = await wire.ask(ConsumerGroupHeartbeatResponse, version, asked)
    assert answer.error_code is REFUSED
    assert "'g' can't be used: this server doesn't serve consumer groups" in str(answer.error_message)


@pytest.mark.parametrize("version", range(2, 11))
async def test_no_offset_is_committed_and_every_partition_is_answered(wire: Wire, version: int) -> None:
    parts = tuple(OffsetCommitRequestPartition(partition_index=index) for index in (1, 0))
    topic = OffsetCommitRequestTopic(name="orders", topic_id=ORDERS, partitions=parts)
    asked = OffsetCommitRequest(group_id="g", topics=(topic, topic))
    answer = await wire.ask(OffsetCommitResponse, version, asked)
    for told in answer.topics:
        assert (told.topic_id if version >= 10 else told.name) == (ORDERS if version >= 10 else "orders")
        assert [(part.partition_index, part.error_code) for part in told.partitions] == [
            (1, REFUSED),
            (0, REFUSED),
        ]
    assert len(answer.topics) == 2


async def test_committed_offsets_are_refused_for_every_partition_where_there_is_no_other_place(
    wire: Wire,
) -> None:
    topics = (OffsetFetchRequestTopic(name="orders", partition_indexes=(1, 0)),)
    answer = await wire.ask(OffsetFetchResponse, 1, OffsetFetchRequest(group_id="g", topics=topics))
    (topic,) = answer.topics
    assert [(part.partition_index, part.committed_offset, part.error_code) for part in topic.partitions] == [
        (1, -1, REFUSED),
        (0, -1, REFUSED),
    ]


@pytest.mark.parametrize("topics", [(), (OffsetFetchRequestTopic(name="t", partition_indexes=(0,)),), None])
@pytest.mark.parametrize("version", range(2, 8))
async def test_committed_offsets_are_refused_with_one_code(
    wire: Wire, version: int, topics: tuple[OffsetFetchRequestTopic, ...] | None
) -> None:
    asked = OffsetFetchRequest(group_id="g", topics=topics)
    answer = await wire.ask(OffsetFetchResponse, version, asked)
    assert (answer.error_code, answer.topics) == (REFUSED, ())


@pytest.mark.parametrize("version", range(8, 11))
async def test_committed_offsets_are_refused_group_by_group(wire: Wire, version: int) -> None:
    asked = OffsetFetchRequest(groups=tuple(OffsetFetchRequestGroup(group_id=each) for each in "ab"))
    answer = await wire.ask(OffsetFetchResponse, version, asked)
    assert [(each.group_id, each.error_code, each.topics) for each in answer.groups] == [
        ("a", REFUSED, ()),
        ("b", REFUSED, ()),
    ]


async def test_the_log_says_once_why_a_group_is_refused(
    wire: Wire, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "_seldom", Seldom(600))
    for _ in range(3):
        await wire.ask(JoinGroupResponse, 5, JoinGroupRequest(group_id="mine"))
    said = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert ["'mine' can't be used" in each.getMessage() for each in said] == [True]
