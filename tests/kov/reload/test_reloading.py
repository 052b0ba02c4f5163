"""A server whose mapping file is edited while clients use it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError, UnknownTopicOrPartitionError

from kov import listening
from kov.catalog import Catalog, Creator
from kov.config import Config
from kov.reload import MappingFile, Reloader
from kov.server import Server
from tests.kov.server.conftest import Cluster, cluster
from tests.kov.server.test_server import LOCAL, bootstrap, topics
from tests.waiting import wait_for
from varlog_client import Log, LogStreamId, TopicId

__all__ = ["cluster"]

ORDERS = "topics: {orders: {topic_id: 1, partitions: [1, 2]}"
PAYMENTS = ", payments: {topic_id: 2, partitions: [4]}"
CATALOG = "catalog: {topic_id: 1, log_stream: 3}\n"
BOTH = f"{ORDERS}{PAYMENTS}}}\n"


class Site:
    """A server that follows its file, which it looks at every 20 ms."""

    def __init__(self, cluster: Cluster, server: Server, config: Config) -> None:
        self.cluster = cluster
        self.server = server
        self.file = Path(config.source)
        self.reloader = Reloader(MappingFile(path=self.file, loaded=config), server.reconfigure, every_s=0.02)

    def write(self, text: str) -> None:
        """The cluster's line stays."""
        first, _, _ = self.file.read_text().partition("\n")
        self.file.write_text(f"{first}\n{text}")

    async def topics(self) -> dict[str, list[int]]:
        return await topics(bootstrap(self.server))


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def site(cluster: Cluster, stack: AsyncExitStack, text: str = BOTH) -> Site:
    config = cluster.config(text)
    running = config.with_one_node(LOCAL)
    server = Server(running, listening.bind(running.node), open_timeout_s=0.3)
    stack.push_async_callback(server.close)
    await server.start()
    found = Site(cluster, server, config)
    found.reloader.start()
    stack.push_async_callback(found.reloader.close)
    return found


@pytest.fixture
async def followed(cluster: Cluster, stack: AsyncExitStack, caplog: pytest.LogCaptureFixture) -> Site:
    caplog.set_level(logging.INFO, "kov.reload")
    return await site(cluster, stack)


@pytest.fixture
async def producer(followed: Site, stack: AsyncExitStack) -> AIOKafkaProducer:
    return await stack.enter_async_context(AIOKafkaProducer(bootstrap_servers=bootstrap(followed.server)))


async def test_a_topic_that_is_added_can_be_produced_to(
    cluster: Cluster, stack: AsyncExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "kov.reload")
    followed = await site(cluster, stack, ORDERS + "}\n")
    followed.write(BOTH.replace("[1, 2]", "[1, 2, 3]"))
    await wait_for(lambda: "was read again" in caplog.text)
    assert await followed.topics() == {"orders": [1, 1, 1], "payments": [1]}
    assert (
        "topic orders has 3 partitions instead of 2; topic payments is new, with 1 partition" in caplog.text
    )
    async with AIOKafkaProducer(bootstrap_servers=bootstrap(followed.server)) as producer:
        for name, partition in (("orders", 2), ("payments", 0)):
            assert (await producer.send_and_wait(name, b"x", partition=partition)).offset == 0


async def test_what_was_taken_for_a_topic_that_is_removed_is_stored_and_nothing_after_it(
    followed: Site, producer: AIOKafkaProducer, caplog: pytest.LogCaptureFixture
) -> None:
    assert (await producer.send_and_wait("payments", b"x")).offset == 0
    await followed.cluster.admin.seal(TopicId(2), LogStreamId(4))
    waiting = await producer.send("payments", b"y")
    await wait_for(lambda: "log stream 4 of Varlog topic 2 is sealed" in caplog.text)
    followed.write(ORDERS + "}\n")
    await wait_for(lambda: "topic payments is served no longer" in caplog.text)
    assert await followed.topics() == {"orders": [1, 1]}
    assert not waiting.done()

    await followed.cluster.admin.unseal(TopicId(2), LogStreamId(4))
    assert (await waiting).offset == 1
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap(followed.server), request_timeout_ms=200
    ) as other:
        with pytest.raises(UnknownTopicOrPartitionError):
            await other.send_and_wait("payments", b"z")
    followed.write(BOTH)
    await wait_for(lambda: "topic payments is new" in caplog.text)
    assert (await producer.send_and_wait("payments", b"z")).offset == 2


async def test_settings_of_a_topic_are_in_force(followed: Site, producer: AIOKafkaProducer) -> None:
    await producer.send_and_wait("orders", b"x" * 500, partition=0)
    followed.write(BOTH.replace("[1, 2]", "[1, 2], config: {max.message.bytes: 200}"))

    async def too_large() -> bool:
        try:
            await producer.send_and_wait("orders", b"x" * 500, partition=0)
        except MessageSizeTooLargeError:
            return True
        return False

    async with asyncio.timeout(5):
        while not await too_large():
            await asyncio.sleep(0.01)
    assert (await producer.send_and_wait("orders", b"x", partition=0)).offset > 0


async def test_a_bad_file_is_said_with_its_mistakes_and_changes_nothing_until_it_is_mended(
    followed: Site, caplog: pytest.LogCaptureFixture
) -> None:
    followed.write(BOTH.replace("[4]", "[2]"))
    await wait_for(lambda: "is not taken over" in caplog.text)
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert said == [
        f"{followed.file}:2: topics.payments.partitions[0]: log stream 2 already serves "
        "topics.orders.partitions[1]; a log stream serves at most one partition: write another one",
        f"{followed.file} is not taken over: the topics are served as before",
    ]
    assert await followed.topics() == {"orders": [1, 1], "payments": [1]}

    followed.write(ORDERS + "}\n")
    await wait_for(lambda: "topic payments is served no longer" in caplog.text)


async def test_half_a_file_that_is_completed_a_moment_later_is_not_even_looked_at(
    followed: Site, caplog: pytest.LogCaptureFixture
) -> None:
    whole = followed.file.read_text().replace(PAYMENTS, "")
    followed.reloader._every_s = 3600.0  # from here on the test looks
    for text in ("", whole[: len(whole) // 2], whole):
        followed.file.write_text(text)
        await followed.reloader._look()
    assert "is not taken over" not in caplog.text
    await followed.reloader._look()
    assert "topic payments is served no longer" in caplog.text


async def test_a_name_of_the_catalog_is_refused(
    cluster: Cluster, stack: AsyncExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    followed = await site(cluster, stack, BOTH + CATALOG)
    async with await Log.open(1, [cluster.server.address]) as log:
        catalog = Catalog(log, TopicId(1), LogStreamId(3), on_change=lambda _: None)
        await catalog.open(timeout_s=5)
        await Creator(catalog, cluster.server.address).create("made", 1, {})
        await catalog.close()
    await wait_for(lambda: followed.server._served and followed.server._served._topics.get("made"))
    followed.write(BOTH.replace("payments", "made") + CATALOG)
    await wait_for(lambda: "topics.made: the catalog has a topic of this name too; take it" in caplog.text)
    assert set(await followed.topics()) == {"made", "orders", "payments"}


async def test_what_can_not_change_is_said_and_the_topics_are_taken_over(
    followed: Site, caplog: pytest.LogCaptureFixture
) -> None:
    followed.write(ORDERS + "}\nlimits: {max.connections: 5}\n")
    await wait_for(lambda: "takes effect when kov is started again" in caplog.text)
    assert await followed.topics() == {"orders": [1, 1]}


async def test_another_cluster_is_refused_whole(followed: Site, caplog: pytest.LogCaptureFixture) -> None:
    text = followed.file.read_text().replace("cluster_id: 1", "cluster_id: 2").replace(PAYMENTS, "")
    followed.file.write_text(text)
    await wait_for(lambda: "varlog.cluster_id: was 1 and is 2" in caplog.text)
    assert set(await followed.topics()) == {"orders", "payments"}


async def test_who_asks_is_told_also_that_nothing_changed_or_that_the_file_is_gone(
    followed: Site, caplog: pytest.LogCaptureFixture
) -> None:
    followed.reloader.ask()
    await wait_for(lambda: "was read again: no topic has changed" in caplog.text)
    followed.file.rename(followed.file.with_suffix(".bak"))
    await wait_for(lambda: "is gone; its topics are served on as they are" in caplog.text)
    followed.reloader.ask()
    await wait_for(lambda: "the file can't be read: No such file or directory" in caplog.text)
    followed.file.with_suffix(".bak").rename(followed.file)
    await wait_for(lambda: "is there again" in caplog.text)


async def test_a_log_stream_that_the_cluster_has_not_is_named(
    followed: Site, caplog: pytest.LogCaptureFixture
) -> None:
    followed.write(BOTH.replace("[4]", "[44]"))
    await wait_for(lambda: "topics.payments: the cluster has no log stream 44" in caplog.text)
