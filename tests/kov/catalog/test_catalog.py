"""The catalog against a real store: creating, losing, doubt, following, and stores that are not well."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from kov.catalog import Catalog, CatalogError, CreationFailed, Creator
from kov.catalog.bootstrap import find_or_make
from kov.catalog.writer import CatalogWriter
from kov.pb.catalog_pb2 import CatalogEntry
from kov.topics import Topic
from tests.kov.catalog.conftest import NewNode, Node, Place
from tests.kov.catalog.entries import A, created, packed
from tests.kov.catalog.troubled import Troubled, in_doubt
from tests.waiting import wait_for
from varlog_client import (
    GLSN,
    LLSN,
    Admin,
    AppendRefused,
    Internal,
    Log,
    LogStream,
    LogStreamId,
    TopicId,
)
from varlog_client import errors as varlog
from varlog_lite.server import LiteServer

CONFIG: dict[str, str] = {}


async def create(node: Node, name: str = "orders", partitions: int = 2) -> Topic:
    return await node.creator.create(name, partitions, CONFIG)


async def test_a_created_topic_can_be_appended_to_at_once(new_node: NewNode) -> None:
    node = await new_node()
    topic = await create(node, partitions=3)

    assert (topic.name, len(topic.log_streams), topic.config.written) == ("orders", 3, CONFIG)
    for log_stream in topic.log_streams:
        writer = CatalogWriter(node.log, topic.topic_id, log_stream, call_timeout_s=5)
        assert await writer.append(b"entry") == 1
        await writer.close()


async def test_topics_are_there_again_after_a_restart(new_node: NewNode) -> None:
    topic = await create(await new_node())
    assert (await new_node()).catalog.topics == [topic]


async def test_other_nodes_hear_of_a_new_topic_and_know_its_log_streams(new_node: NewNode) -> None:
    one, other = await new_node(), await new_node()
    topic = await create(one)

    await wait_for(lambda: other.heard)
    assert other.heard == [[topic]]
    assert set(topic.log_streams) <= set(other.log.metadata.log_streams)


async def test_a_topic_that_exists_is_not_made_again(new_node: NewNode, place: Place) -> None:
    node = await new_node()
    topic = await create(node)
    assert await create(node, partitions=5) == topic
    assert await place.varlog_topics() == {topic.topic_id}


async def test_of_nodes_that_create_the_same_name_at_once_one_wins_and_nothing_is_left_of_the_others(
    new_node: NewNode, place: Place
) -> None:
    nodes = [await new_node() for _ in range(4)]
    topics = await asyncio.gather(*(create(node) for node in nodes))

    assert len(set(topics)) == 1
    assert await place.varlog_topics() == {topics[0].topic_id}
    assert [node.catalog.topics for node in nodes] == [[topics[0]]] * 4


async def test_many_names_are_created_at_once(new_node: NewNode, place: Place) -> None:
    node = await new_node()
    topics = await asyncio.gather(*(create(node, f"t{n}") for n in range(10)))

    assert {topic.name for topic in node.catalog.topics} == {f"t{n}" for n in range(10)}
    assert await place.varlog_topics() == {topic.topic_id for topic in topics}
    log_streams = [each for topic in topics for each in topic.log_streams]
    assert len(set(log_streams)) == len(log_streams) == 20


async def test_a_creation_whose_answer_was_lost_is_found_and_stands(new_node: NewNode, place: Place) -> None:
    node = await new_node()
    node.catalog.writer = Troubled(node.catalog.writer, in_doubt(), stored=True)
    topic = await create(node)

    assert node.catalog.topics == [topic]
    assert await place.varlog_topics() == {topic.topic_id}


async def test_a_creation_that_lands_after_it_was_abandoned_has_no_effect(
    new_node: NewNode, place: Place
) -> None:
    node = await new_node()
    node.catalog.writer = writer = Troubled(node.catalog.writer, in_doubt(), stored=False)
    with pytest.raises(CreationFailed, match="orders"):
        await create(node)
    assert await place.varlog_topics() == set()

    await node.catalog.until_applied(await writer.inner.append(writer.lost))
    assert node.catalog.topics == []
    assert (await create(node)).name == "orders"


async def test_a_refused_creation_leaves_nothing_and_can_be_asked_for_again(
    new_node: NewNode, place: Place
) -> None:
    node = await new_node()
    refused = AppendRefused("sealed", log_stream_id=LogStreamId(1))
    node.catalog.writer = Troubled(node.catalog.writer, refused, stored=False)
    with pytest.raises(CreationFailed, match="orders"):
        await create(node)

    assert await place.varlog_topics() == set()
    assert (await create(node)).name == "orders"


async def test_a_log_stream_that_can_not_be_made_leaves_no_topic(
    new_node: NewNode, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = await new_node()
    add, calls = Admin.add_log_stream, iter(range(10))

    async def fail_once(self: Admin, topic_id: TopicId) -> LogStream:
        if next(calls) == 1:
            raise Internal("no room")
        return await add(self, topic_id)

    monkeypatch.setattr(Admin, "add_log_stream", fail_once)
    with pytest.raises(Internal, match="no room"):
        await create(node, partitions=3)

    assert await place.varlog_topics() == set()
    assert node.catalog.topics == []


async def test_creation_fails_clearly_while_the_admin_server_is_away(new_node: NewNode) -> None:
    node = await new_node()
    node.creator = Creator(node.catalog, "127.0.0.1:1", admin_timeout_s=0.1)
    with pytest.raises(varlog.Unavailable, match=r"127\.0\.0\.1:1"):
        await create(node)


async def test_following_and_creating_go_on_after_the_store_was_restarted(tmp_path: Path) -> None:
    store = LiteServer(tmp_path / "varlog")
    await store.start()
    async with await Admin.connect(store.address) as admin:
        place = await find_or_make(admin)
    async with await Log.open(1, [store.address]) as log:
        catalog = Catalog(log, *place, on_change=lambda _: None)
        await catalog.open(timeout_s=10)
        await catalog.until_applied(await catalog.writer.append(b"foreign"))
        await store.stop()
        again = LiteServer(tmp_path / "varlog", store.address)
        await again.start()

        async def appended() -> LLSN | None:
            try:
                return await catalog.writer.append(created(A))
            except varlog.VarlogError:
                return None

        async with asyncio.timeout(20):
            while (llsn := await appended()) is None:
                await asyncio.sleep(0.05)
            await catalog.until_applied(llsn)
        assert [topic.name for topic in catalog.topics] == ["orders"]
        await catalog.close()
        await again.stop()


async def test_a_catalog_written_by_a_newer_kov_is_refused(new_node: NewNode, place: Place) -> None:
    node = await new_node()
    await node.catalog.writer.append(packed(CatalogEntry(uuid=A.bytes, name="orders")))
    with pytest.raises(CatalogError, match=r"entry 1 .* written by a newer kov: update this one"):
        await new_node()


async def test_an_entry_of_a_newer_kov_ends_creation_on_a_running_node(
    new_node: NewNode, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    node = await new_node()
    topic = await create(node)
    with caplog.at_level(logging.ERROR):
        llsn = await node.catalog.writer.append(packed(CatalogEntry(uuid=A.bytes, name="orders")))
        with pytest.raises(CatalogError, match="newer kov"):
            await node.catalog.until_applied(llsn)
    assert "topics can't be made or changed until kov is restarted" in caplog.text

    with pytest.raises(CatalogError, match="newer kov"):
        await create(node, "more")
    assert node.catalog.topics == [topic]


async def test_a_catalog_whose_log_stream_does_not_exist_is_refused(place: Place) -> None:
    async with await Log.open(1, [place.address]) as log:
        catalog = Catalog(log, place.topic_id, LogStreamId(77), on_change=lambda _: None)
        with pytest.raises(
            CatalogError, match=r"log stream 77 of Varlog topic 1\): there is no such log stream"
        ):
            await catalog.open(timeout_s=5)
        await catalog.close()


async def test_a_trimmed_catalog_is_refused(new_node: NewNode, place: Place) -> None:
    node = await new_node()
    await create(node, "a")
    await create(node, "b")
    await place.admin.trim(place.topic_id, GLSN(1))
    with pytest.raises(CatalogError, match="its first 1 entries were trimmed"):
        await new_node()


async def test_the_first_start_makes_the_catalog_and_the_next_ones_find_it(store: LiteServer) -> None:
    async with await Admin.connect(store.address) as admin:
        first = await find_or_make(admin)
        assert await find_or_make(admin) == first
        assert [stream.log_stream_id for stream in await admin.list_log_streams(first[0])] == [first[1]]


async def test_a_first_start_that_was_cut_short_is_continued(store: LiteServer) -> None:
    async with await Admin.connect(store.address) as admin:
        topic = await admin.add_topic()
        topic_id, log_stream_id = await find_or_make(admin)
        assert topic_id == topic.topic_id == 1
        assert [each.topic_id for each in await admin.list_topics()] == [1]
        assert (await admin.get_log_stream(topic_id, log_stream_id)).log_stream_id == log_stream_id


async def test_a_store_that_kov_did_not_make_is_refused(store: LiteServer) -> None:
    async with await Admin.connect(store.address) as admin:
        await admin.unregister_topic((await admin.add_topic()).topic_id)
        await admin.add_topic()
        with pytest.raises(CatalogError, match="kov did not make it"):
            await find_or_make(admin)
