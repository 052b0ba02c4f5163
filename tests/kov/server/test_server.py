"""Server with a mapping file: which topics are served, by whom, and what is refused at the start."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from kov import listening
from kov.address import Address
from kov.broker import rendezvous
from kov.catalog import Catalog, Creator
from kov.config import Config, Listener, NodeConfig
from kov.errors import CannotStart, ConfigError
from kov.server import Server
from tests.kov.server.conftest import Cluster
from varlog_client import Log, LogStreamId, TopicId

TOPICS = "topics: {orders: {topic_id: 1, partitions: [1, 2]}, payments: {topic_id: 2, partitions: [4]}}\n"
CATALOG = "catalog: {topic_id: 1, log_stream: 3}\n"
LOCAL = Listener(bind=Address("127.0.0.1", 0), advertise=Address("127.0.0.1", 0))

Start = Callable[[Config], Awaitable[Server]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def run(config: Config) -> Server:
            config = config if config.nodes else config.with_one_node(LOCAL)
            server = Server(config, listening.bind(config.node), open_timeout_s=0.3)
            stack.push_async_callback(server.close)
            await server.start()
            return server

        yield run


def bootstrap(server: Server) -> str:
    return next(iter(server.bootstrap_servers.values()))


async def topics(address: str) -> dict[str, list[int]]:
    """Every topic's leaders by partition."""
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:
        described = await admin.describe_topics()
    finally:
        await admin.close()
    return {
        topic["topic"]: [each["leader"] for each in sorted(topic["partitions"], key=lambda p: p["partition"])]
        for topic in described
    }


async def produce(address: str, topic: str) -> tuple[int, int]:
    async with AIOKafkaProducer(bootstrap_servers=address) as producer:
        sent = await producer.send_and_wait(topic, b"value", partition=0)
        return sent.partition, sent.offset


async def test_the_topics_of_the_file_are_served_and_no_others(cluster: Cluster, start: Start) -> None:
    server = await start(cluster.config(TOPICS))
    assert await topics(bootstrap(server)) == {"orders": [1, 1], "payments": [1]}
    assert await produce(bootstrap(server), "payments") == (0, 0)

    async with await Log.open(1, [cluster.server.address]) as log:
        assert (await log.peek(TopicId(2), LogStreamId(4))).last.llsn >= 1
        assert (await log.peek(TopicId(1), LogStreamId(1))).last.llsn == 0


async def test_a_log_stream_that_is_missing_is_named_and_the_other_topics_are_served(
    cluster: Cluster, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    server = await start(cluster.config(TOPICS.replace("[1, 2]", "[1, 8, 9]")))
    assert "topics.orders: the cluster has no log stream 8, 9; `kov check " in caplog.text
    assert await produce(bootstrap(server), "payments") == (0, 0)


async def test_a_sealed_log_stream_is_unsealed_where_the_file_allows_it(
    cluster: Cluster, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    server = await start(cluster.config(TOPICS, unseal=True))
    assert await produce(bootstrap(server), "payments") == (0, 0)
    await cluster.admin.seal(TopicId(2), LogStreamId(4))
    async with asyncio.timeout(20):
        assert await produce(bootstrap(server), "payments") == (0, 1)
    assert "unsealing log stream 4 of Varlog topic 2" in caplog.text


async def test_a_sealed_log_stream_stays_sealed_otherwise(cluster: Cluster, start: Start) -> None:
    server = await start(cluster.config(TOPICS))
    assert await produce(bootstrap(server), "payments") == (0, 0)
    await cluster.admin.seal(TopicId(2), LogStreamId(4))
    waiting = asyncio.create_task(produce(bootstrap(server), "payments"))
    _, pending = await asyncio.wait([waiting], timeout=4)
    assert pending
    await cluster.admin.unseal(TopicId(2), LogStreamId(4))
    async with asyncio.timeout(10):
        assert await waiting == (0, 1)


async def test_with_a_catalog_topics_are_made_when_they_are_asked_for(cluster: Cluster, start: Start) -> None:
    config = cluster.config(TOPICS + CATALOG + "auto_create: {enabled: true, partitions: 3}\n")
    server = await start(config)
    assert await produce(bootstrap(server), "made") == (0, 0)
    assert await topics(bootstrap(server)) == {"made": [1, 1, 1], "orders": [1, 1], "payments": [1]}


async def test_a_topic_of_the_catalog_can_not_be_mapped_too(cluster: Cluster, start: Start) -> None:
    async with await Log.open(1, [cluster.server.address]) as log:
        catalog = Catalog(log, TopicId(1), LogStreamId(3), on_change=lambda _: None)
        await catalog.open(timeout_s=5)
        await Creator(catalog, cluster.server.address).create("orders", 1, {})
        await catalog.close()

    with pytest.raises(ConfigError, match=r"m\.yaml:2: topics\.orders: the catalog has a topic of this name"):
        await start(cluster.config(TOPICS + CATALOG))


async def test_a_catalog_that_is_not_there_is_refused(cluster: Cluster, start: Start) -> None:
    with pytest.raises(CannotStart, match=r"\(log stream 77 of Varlog topic 1\): there is no such"):
        await start(cluster.config(TOPICS + "catalog: {topic_id: 1, log_stream: 77}\n"))


async def test_a_cluster_that_can_not_be_reached_is_named_with_its_reason(
    cluster: Cluster, start: Start
) -> None:
    config = cluster.config(TOPICS)
    await cluster.server.stop()
    with pytest.raises(CannotStart) as refused:
        await start(config)

    assert str(refused.value).startswith("the Varlog cluster can't be reached: ")
    assert cluster.server.address in str(refused.value)
    assert str(refused.value).endswith(f"correct varlog.metadata_repositories in {config.source}")


async def test_a_port_that_somebody_took_meanwhile_is_refused(cluster: Cluster) -> None:
    config = cluster.config(TOPICS).with_one_node(LOCAL)
    sockets = listening.bind(config.node)
    port = sockets["default"].getsockname()[1]
    with socket.socket() as quicker:
        quicker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        quicker.bind(("127.0.0.1", port))
        quicker.listen()
        with pytest.raises(CannotStart, match="the port is taken by another program"):
            await Server(config, sockets).start()


async def test_nodes_of_one_file_agree_on_leaders_and_name_each_other(cluster: Cluster, start: Start) -> None:
    ports = free_ports(4)
    nodes = "nodes:\n" + "".join(
        f"  {n}: {{listeners: {{inner: {{bind: '127.0.0.1:{ports[n - 1]}'}}, "
        f"outer: {{bind: '127.0.0.1:{ports[n + 1]}'}}}}}}\n"
        for n in (1, 2)
    )
    text = TOPICS + nodes
    one = await start(cluster.config(text))
    two = await start(cluster.config("node: {id: 2}\n" + text))
    uuids = {topic.name: topic.uuid for topic in cluster.config(text).topics}
    expected = {
        "orders": [rendezvous(1, uuids["orders"], index, [1, 2]) for index in (0, 1)],
        "payments": [rendezvous(1, uuids["payments"], 0, [1, 2])],
    }

    for server in (one, two):
        assert dict(server.bootstrap_servers)
        for address in server.bootstrap_servers.values():
            assert await topics(address) == expected
    assert one.bootstrap_servers == {"inner": f"127.0.0.1:{ports[0]}", "outer": f"127.0.0.1:{ports[2]}"}
    assert await produce(one.bootstrap_servers["outer"], "orders") == (0, 0)


def free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        probes = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [probe.getsockname()[1] for probe in probes]


async def test_start_that_is_cancelled_leaves_nothing_open(cluster: Cluster) -> None:
    config = cluster.config(TOPICS).with_one_node(LOCAL)
    await cluster.server.stop()
    sockets = listening.bind(config.node)
    server = Server(config, sockets, open_timeout_s=30)
    starting = asyncio.create_task(server.start())
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert sockets["default"].fileno() == -1


async def test_closing_twice_is_closing_once(cluster: Cluster, start: Start) -> None:
    server = await start(cluster.config(TOPICS))
    await server.close()
    await server.close()
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection(*bootstrap(server).split(":"))


def test_every_listener_advertises_the_port_that_was_bound(tmp_path: Path) -> None:
    node = NodeConfig(
        node_id=1,
        listeners={"a": LOCAL, "b": Listener(bind=LOCAL.bind, advertise=Address("kafka.example", 9092))},
    )
    sockets = listening.bind(node)
    try:
        advertised = listening.advertised(node, sockets).listeners
        assert advertised["a"].advertise == Address("127.0.0.1", sockets["a"].getsockname()[1])
        assert advertised["b"].advertise == Address("kafka.example", 9092)
    finally:
        for each in sockets.values():
            each.close()
