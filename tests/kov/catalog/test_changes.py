"""Changing and deleting topics of the catalog: who wins, what doubt does, and what is left in Varlog."""

from __future__ import annotations

import asyncio

import pytest

from kov.catalog import CatalogError, CatalogTopic, ChangeLost, Changer
from kov.topics import Topic
from tests.kov.catalog.conftest import NewNode, Node, Place
from tests.kov.catalog.entries import configured
from tests.kov.catalog.troubled import Troubled, in_doubt
from tests.waiting import wait_for
from varlog_client import AppendRefused, LogStreamId, TopicId


class Fences:
    """Records which topics were fenced, and whether they still lived then."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.fenced: list[tuple[str, int, bool]] = []

    async def __call__(self, topic: Topic) -> None:
        living = self.node.catalog.owns(topic.name, topic.uuid)
        self.fenced.append((topic.name, len(topic.log_streams), living))


async def make(node: Node, name: str = "orders", partitions: int = 2) -> CatalogTopic:
    await node.creator.create(name, partitions, {"retention.ms": "5"})
    return current(node, name)


def current(node: Node, name: str = "orders") -> CatalogTopic:
    topic = node.catalog.fold.topic(name)
    assert topic is not None
    return topic


def changer(node: Node, fences: Fences | None = None, kept: tuple[TopicId, ...] = ()) -> Changer:
    return Changer(node.catalog, fence=fences or Fences(node), kept=lambda: kept)


async def log_streams(place: Place, topic_id: TopicId) -> set[LogStreamId]:
    return {each.log_stream_id for each in await place.admin.list_log_streams(topic_id)}


async def test_settings_are_replaced_and_other_nodes_hear_of_it(new_node: NewNode) -> None:
    node, other = await new_node(), await new_node()
    await changer(node).configure(await make(node), {"max.message.bytes": "9"})

    assert dict(current(node).config) == {"max.message.bytes": "9"}
    await wait_for(lambda: len(other.heard) == 2)
    assert [topic.config.max_message_bytes for topic in other.heard[-1]] == [9]
    assert dict(current(await new_node()).config) == {"max.message.bytes": "9"}


async def test_a_change_against_what_is_no_longer_so_is_lost(new_node: NewNode) -> None:
    node, other = await new_node(), await new_node()
    seen = await make(node)
    await wait_for(lambda: other.catalog.fold.topic(seen.name))
    await changer(other).configure(current(other), {"flush.ms": "1"})
    with pytest.raises(ChangeLost):
        await changer(node).configure(seen, {"flush.ms": "2"})
    assert dict(current(node).config) == {"flush.ms": "1"}


async def test_a_change_whose_answer_was_lost_is_made_once(new_node: NewNode) -> None:
    node = await new_node()
    seen = await make(node)
    node.catalog.writer = Troubled(node.catalog.writer, in_doubt(), stored=True)
    await changer(node).configure(seen, {"flush.ms": "1"})
    assert current(node).version == seen.version + 1


async def test_a_copy_that_lands_late_changes_nothing(new_node: NewNode) -> None:
    node = await new_node()
    seen = await make(node)
    node.catalog.writer = writer = Troubled(node.catalog.writer, in_doubt(), stored=False)
    await changer(node).configure(seen, {"flush.ms": "1"})
    await changer(node).configure(current(node), {"flush.ms": "2"})

    await node.catalog.until_applied(await writer.inner.append(writer.lost))
    assert dict(current(node).config) == {"flush.ms": "2"}


async def test_a_refused_change_is_reported_and_leaves_things_as_they_were(
    new_node: NewNode, place: Place
) -> None:
    node = await new_node()
    seen = await make(node)
    refused = AppendRefused("sealed", log_stream_id=LogStreamId(1))
    node.catalog.writer = Troubled(node.catalog.writer, refused, stored=False)
    with pytest.raises(AppendRefused):
        await changer(node).add_partitions(seen, 2, place.address)
    assert current(node) == seen
    assert await log_streams(place, seen.topic_id) == set(seen.log_streams)


async def test_added_partitions_lie_in_the_same_varlog_topic(new_node: NewNode, place: Place) -> None:
    node = await new_node()
    seen = await make(node)
    await changer(node).add_partitions(seen, 3, place.address)

    after = current(node)
    assert after.log_streams[:2] == seen.log_streams
    assert len(after.log_streams) == 5
    assert await log_streams(place, seen.topic_id) == set(after.log_streams)
    assert set(after.log_streams) <= set(node.log.metadata.log_streams)


async def test_log_streams_that_somebody_was_quicker_than_are_removed(
    new_node: NewNode, place: Place
) -> None:
    nodes = [await new_node() for _ in range(3)]
    seen = await make(nodes[0])
    await wait_for(lambda: all(node.catalog.fold.topic("orders") for node in nodes))
    outcomes = await asyncio.gather(
        *(changer(node).add_partitions(seen, 1, place.address) for node in nodes), return_exceptions=True
    )
    assert sorted(type(each).__name__ for each in outcomes) == ["ChangeLost", "ChangeLost", "NoneType"]
    assert await log_streams(place, seen.topic_id) == set(current(nodes[0]).log_streams)
    assert len(current(nodes[0]).log_streams) == 3


async def test_a_deleted_topic_was_fenced_while_it_lived_and_leaves_nothing(
    new_node: NewNode, place: Place
) -> None:
    node, other = await new_node(), await new_node()
    fences = Fences(node)
    await changer(node, fences).delete(await make(node), place.address)

    assert fences.fenced == [("orders", 2, True)]
    assert node.catalog.topics == []
    assert await place.varlog_topics() == set()
    await wait_for(lambda: other.heard[-1:] == [[]])


async def test_a_topic_that_can_not_be_fenced_lives_on(new_node: NewNode, place: Place) -> None:
    node = await new_node()
    seen = await make(node)

    async def refuse(_: Topic) -> None:
        raise AppendRefused("sealed", log_stream_id=LogStreamId(1))

    with pytest.raises(AppendRefused):
        await Changer(node.catalog, fence=refuse).delete(seen, place.address)
    assert current(node) == seen
    assert await place.varlog_topics() == {seen.topic_id}


async def test_a_deletion_in_doubt_is_settled(new_node: NewNode, place: Place) -> None:
    node = await new_node()
    seen = await make(node)
    node.catalog.writer = Troubled(node.catalog.writer, in_doubt(), stored=True)
    await changer(node).delete(seen, place.address)
    assert node.catalog.topics == []
    assert await place.varlog_topics() == set()


async def test_of_several_deletions_at_once_all_end_with_the_topic_gone(
    new_node: NewNode, place: Place
) -> None:
    nodes = [await new_node() for _ in range(3)]
    seen = await make(nodes[0])
    await asyncio.gather(*(changer(node).delete(seen, place.address) for node in nodes))
    assert [node.catalog.topics for node in nodes] == [[], [], []]
    assert await place.varlog_topics() == set()


async def test_a_name_is_free_again_for_another_topic(new_node: NewNode, place: Place) -> None:
    node = await new_node()
    first = await make(node)
    await changer(node).delete(first, place.address)
    second = await make(node)
    assert second.uuid != first.uuid
    assert second.version > first.version

    late = configured(first.uuid, first.version, {"flush.ms": "1"})
    await node.catalog.until_applied(await node.catalog.writer.append(late))
    assert current(node) == second


async def test_partitions_that_came_in_between_make_a_deletion_look_again(
    new_node: NewNode, place: Place
) -> None:
    node = await new_node()
    seen = await make(node)
    await changer(node).add_partitions(seen, 1, place.address)
    with pytest.raises(ChangeLost):
        await changer(node).delete(seen, place.address)
    assert len(current(node).log_streams) == 3


async def test_a_varlog_topic_of_the_mapping_file_is_never_removed(new_node: NewNode, place: Place) -> None:
    node = await new_node()
    seen = await make(node)
    await changer(node, kept=(seen.topic_id,)).delete(seen, place.address)
    assert await place.varlog_topics() == {seen.topic_id}


async def test_without_the_admin_server_a_deletion_stands_and_leaves_the_varlog_topic(
    new_node: NewNode, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    node = await new_node()
    seen = await make(node)
    unreachable = Changer(node.catalog, fence=Fences(node), admin_timeout_s=0.1)
    await unreachable.delete(seen, "127.0.0.1:1")
    assert node.catalog.topics == []
    assert await place.varlog_topics() == {seen.topic_id}
    assert f"Varlog topic {seen.topic_id} belongs to nothing" in caplog.text


async def test_a_closed_catalog_takes_no_change(new_node: NewNode) -> None:
    node = await new_node()
    seen = await make(node)
    await node.catalog.close()
    with pytest.raises((CatalogError, AppendRefused)):
        await changer(node).configure(seen, {})
