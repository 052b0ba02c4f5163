"""`kov topics --orphans`: what is left of creations and deletions that were cut short, and nothing else."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kov import orphans
from kov.catalog import Catalog, Changer, Creator
from kov.entries import pack
from kov.orphans import Orphan
from kov.partition import control
from kov.partition.fold import Fold
from kov.partition.identity import NOBODY, PartitionIdentity, ProducerBounds, WriterStamp
from kov.tools.topics.command import show_topics
from kov.topics import Topic
from kov.topics_command import show_orphans
from tests.kov.handlers.administered import Place, a_place
from varlog_client import Log, LogStreamId, TopicId


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with a_place(tmp_path) as place:
        yield place


@pytest.fixture
async def log(place: Place) -> AsyncIterator[Log]:
    async with await Log.open(1, [place.store.address]) as log:
        yield log


@pytest.fixture
async def catalog(log: Log) -> AsyncIterator[Catalog]:
    catalog = Catalog(log, TopicId(1), LogStreamId(1), on_change=lambda _: None)
    await catalog.open(timeout_s=5)
    yield catalog
    await catalog.close()


async def found(place: Place) -> list[Orphan]:
    async with orphans.opened(place.config(), None) as store:
        return await store.orphans()


async def an_empty_topic(place: Place, log_streams: int = 1) -> TopicId:
    topic_id = (await place.admin.add_topic()).topic_id
    for _ in range(log_streams):
        await place.admin.add_log_stream(topic_id)
    return topic_id


async def write(log: Log, topic_id: TopicId, log_stream: LogStreamId, payload: bytes) -> None:
    await log.refresh()
    await log.append(topic_id, [payload], log_streams=[log_stream])


async def test_what_the_file_or_the_catalog_names_is_no_orphan(place: Place, catalog: Catalog) -> None:
    await Creator(catalog, place.store.address).create("orders", 2, {})
    assert await found(place) == []


async def test_an_empty_topic_that_nothing_names_is_found_and_removed(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    topic_id = await an_empty_topic(place, 2)
    assert await found(place) == [Orphan(topic_id=topic_id)]
    assert not await show_orphans(place.config(), None, remove=False, wait_s=0)
    assert await place.varlog_topics() == {topic_id}
    assert await show_orphans(place.config(), None, remove=True, wait_s=0.01)
    assert await place.varlog_topics() == set()
    assert f"Varlog topic {topic_id}: holds nothing\n  removed\n" in capsys.readouterr().out
    assert await show_orphans(place.config(), None, remove=True, wait_s=0)
    assert "nothing is left over" in capsys.readouterr().out


async def test_entries_that_are_not_kovs_are_never_removed(place: Place, log: Log) -> None:
    topic_id = await an_empty_topic(place)
    (stream,) = await place.admin.list_log_streams(topic_id)
    await write(log, topic_id, stream.log_stream_id, b"somebody else's")
    assert await found(place) == [Orphan(topic_id=topic_id, foreign=True)]
    await show_orphans(place.config(), None, remove=True, wait_s=0)
    assert await place.varlog_topics() == {topic_id}


async def test_what_a_deleted_topic_has_left_is_found_by_its_fence(
    place: Place, log: Log, catalog: Catalog, capsys: pytest.CaptureFixture[str]
) -> None:
    topic = await Creator(catalog, place.store.address).create("orders", 2, {})

    async def fence(topic: Topic) -> None:
        for index, log_stream in enumerate(topic.log_streams):
            identity = PartitionIdentity(cluster_id=1, topic_uuid=topic.uuid, index=index)
            stamp = WriterStamp(attempt_id=b"x", node=NOBODY)
            entry = control.fence(Fold(identity), stamp, ProducerBounds(), 1)
            await write(log, topic.topic_id, log_stream, pack(entry.kind, entry.epoch, entry.message))

    current = catalog.fold.topic("orders")
    assert current is not None
    await Changer(catalog, fence=fence, admin_timeout_s=0.1).delete(current, "127.0.0.1:1")
    assert await found(place) == [Orphan(topic_id=topic.topic_id, deleted="orders")]
    assert await show_orphans(place.config(), None, remove=True, wait_s=0)
    assert "of the deleted topic orders\n  removed" in capsys.readouterr().out
    assert await place.varlog_topics() == set()


async def test_log_streams_that_never_became_partitions_are_found_and_removed(
    place: Place, catalog: Catalog
) -> None:
    topic = await Creator(catalog, place.store.address).create("orders", 1, {})
    extra = (await place.admin.add_log_stream(topic.topic_id)).log_stream_id
    assert await found(place) == [Orphan(topic_id=topic.topic_id, log_streams=(extra,))]
    assert await show_orphans(place.config(), None, remove=True, wait_s=0)
    left = {each.log_stream_id for each in await place.admin.list_log_streams(topic.topic_id)}
    assert left == set(topic.log_streams)


async def test_what_is_named_meanwhile_is_no_orphan_any_more(place: Place, catalog: Catalog) -> None:
    async with orphans.opened(place.config(), None) as store:
        made = await Creator(catalog, place.store.address).create("orders", 1, {})
        assert not await store.remove(Orphan(topic_id=made.topic_id))
    assert await place.varlog_topics() == {made.topic_id}


async def test_topics_are_listed_with_their_owners(
    place: Place, catalog: Catalog, capsys: pytest.CaptureFixture[str]
) -> None:
    await Creator(catalog, place.store.address).create("orders", 2, {})
    assert await show_topics(place.config(), None, names=(), as_json=True)
    listed = json.loads(capsys.readouterr().out)["topics"]
    assert [(each["name"], each["origin"], len(each["partitions"])) for each in listed] == [
        ("mapped", "file", 1),
        ("orders", "catalog", 2),
    ]
