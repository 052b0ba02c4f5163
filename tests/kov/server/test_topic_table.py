"""Topics: those of the file and those of the catalog under one roof, and creation once at a time."""

from __future__ import annotations

import asyncio
import logging
from uuid import UUID

import pytest

from kov.catalog import CreationFailed
from kov.topic_table import Topics
from kov.topics import Origin, Topic
from tests.waiting import wait_for
from varlog_client import LogStreamId, TopicId


def topic(name: str, number: int, origin: Origin = Origin.FILE) -> Topic:
    return Topic(
        name=name,
        uuid=UUID(int=number),
        topic_id=TopicId(number),
        log_streams=(LogStreamId(number),),
        origin=origin,
    )


class ScriptedCreation:
    """Creations that end when the test says so."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.outcome: asyncio.Future[Topic] = asyncio.get_running_loop().create_future()

    async def create(self, name: str) -> Topic:
        self.asked.append(name)
        return await asyncio.shield(self.outcome)


def test_topics_are_found_by_name_and_uuid_and_listed_by_name() -> None:
    b, a, c = topic("b", 1), topic("a", 2), topic("c", 3, Origin.CATALOG)
    topics = Topics([b, a])
    assert topics.all() == (a, b)
    topics.replace_cataloged([c])

    assert topics.all() == (a, b, c)
    assert [topics.get(name) for name in ("a", "b", "c", "d")] == [a, b, c, None]
    assert [topics.by_uuid(UUID(int=n)) for n in (1, 2, 3, 4)] == [b, a, c, None]


def test_a_topic_that_left_the_catalog_is_gone() -> None:
    topics = Topics()
    topics.replace_cataloged([topic("c", 3, Origin.CATALOG)])
    topics.replace_cataloged([])
    assert (topics.all(), topics.get("c"), topics.by_uuid(UUID(int=3))) == ((), None, None)


def test_topics_of_the_file_are_replaced_and_those_of_the_catalog_stay() -> None:
    old, shadowed, cataloged = topic("a", 1), topic("a", 2, Origin.CATALOG), topic("c", 3, Origin.CATALOG)
    topics, seen = Topics([old]), list[tuple[Topic, ...]]()
    topics.replace_cataloged([shadowed, cataloged])
    topics.watch_with(lambda every: seen.append(tuple(every)))
    assert topics.mapped_ids() == {1}

    topics.replace_mapped([topic("b", 4)])
    assert [each.name for each in topics.all()] == ["a", "b", "c"]
    assert topics.get("a") is shadowed, "nothing of the file is in its way any more"
    assert topics.by_uuid(old.uuid) is None
    assert topics.mapped_ids() == {4}
    assert seen == [topics.all()]


def test_of_two_topics_of_one_name_the_file_s_is_served_and_the_quarrel_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ours, theirs = topic("a", 1), topic("a", 2, Origin.CATALOG)
    topics = Topics([ours])
    assert topics.doubly_named([theirs, topic("b", 3, Origin.CATALOG)]) == ["a"]
    with caplog.at_level(logging.ERROR):
        topics.replace_cataloged([theirs])
    assert topics.get("a") is ours
    assert topics.by_uuid(theirs.uuid) is None
    assert "the file's are served: a" in caplog.text


async def test_a_topic_asked_for_many_times_is_created_once() -> None:
    creation, topics = ScriptedCreation(), Topics()
    topics.create_with(creation.create)
    for _ in range(3):
        topics.start_creating("a")
        await asyncio.sleep(0)
    assert creation.asked == ["a"]

    creation.outcome.set_result(topic("a", 1))
    await topics.close(1)


async def test_a_failed_creation_is_logged_and_can_be_asked_for_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    creation, topics = ScriptedCreation(), Topics()
    topics.create_with(creation.create)
    topics.start_creating("a")
    creation.outcome.set_exception(CreationFailed("no room"))
    await wait_for(lambda: "topic a could not be created: no room" in caplog.text)

    topics.start_creating("a")
    await asyncio.sleep(0)
    assert creation.asked == ["a", "a"]
    await topics.close(1)


async def test_a_defect_during_creation_is_not_lost(caplog: pytest.LogCaptureFixture) -> None:
    creation, topics = ScriptedCreation(), Topics()
    topics.create_with(creation.create)
    topics.start_creating("a")
    creation.outcome.set_exception(ZeroDivisionError("ours"))
    await wait_for(lambda: "ZeroDivisionError: ours" in caplog.text)
    await topics.close(1)


async def test_what_exists_or_kafka_would_refuse_is_not_created() -> None:
    creation, topics = ScriptedCreation(), Topics([topic("a", 1)])
    topics.create_with(creation.create)
    for name in ("a", "", "a/b", ".."):
        topics.start_creating(name)
    await topics.close(1)
    assert creation.asked == []


async def test_nothing_is_created_unless_allowed() -> None:
    topics = Topics()
    assert not topics.auto_create
    topics.start_creating("a")
    await topics.close(1)

    topics.create_with(ScriptedCreation().create)
    assert topics.auto_create


async def test_creations_under_way_are_bounded() -> None:
    creation, topics = ScriptedCreation(), Topics()
    topics.create_with(creation.create)
    for n in range(1000):
        topics.start_creating(f"t{n}")
    await asyncio.sleep(0)
    assert len(creation.asked) == 64
    await topics.close(0)


async def test_closing_waits_for_a_creation_and_cuts_off_one_that_hangs() -> None:
    creation, topics = ScriptedCreation(), Topics()
    topics.create_with(creation.create)
    topics.start_creating("a")
    closing = asyncio.create_task(topics.close(10))
    await wait_for(lambda: creation.asked)
    creation.outcome.set_result(topic("a", 1))
    await closing

    hanging, topics = ScriptedCreation(), Topics()
    topics.create_with(hanging.create)
    topics.start_creating("a")
    await topics.close(0.01)
    await topics.close(0.01)
