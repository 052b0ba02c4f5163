"""kov in this process on varlog_lite, with the topics of `side.TOPICS` in its mapping file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import yaml

from kov import listening
from kov.address import Address
from kov.config import Config, Listener, load
from kov.server import Server
from tests.kov.kafka_table.side import TOPICS, Side, TopicSpec
from varlog_client import Admin
from varlog_lite.server import LiteServer

_LOCAL = Listener(bind=Address("127.0.0.1", 0), advertise=Address("127.0.0.1", 0))


class Site:
    """A store, and one kov after the other, or several, on it."""

    def __init__(self, store: LiteServer, config: Config) -> None:
        self.store = store
        self.config = config

    @asynccontextmanager
    async def kov(self, name: str = "kov") -> AsyncIterator[Side]:
        """One more node over the same store; nothing of it is left behind."""
        config = self.config.with_one_node(_LOCAL)
        server = Server(config, listening.bind(config.node))
        try:
            await server.start()
            (address,) = server.bootstrap_servers.values()
            host, port = address.rsplit(":", 1)
            yield Side(name, host, int(port), {topic.name: topic.uuid for topic in config.topics})
        finally:
            await server.close()


@asynccontextmanager
async def a_site(directory: Path, topics: Sequence[TopicSpec] = TOPICS) -> AsyncIterator[Site]:
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(LiteServer(directory / "varlog"))
        mapping = {
            "varlog": {"cluster_id": 1, "metadata_repositories": [store.address]},
            "topics": await _make(store, topics),
        }
        file = directory / "mapping.yaml"
        file.write_text(yaml.safe_dump(mapping))
        yield Site(store, load(file))


async def _make(store: LiteServer, topics: Sequence[TopicSpec]) -> dict[str, object]:
    made: dict[str, object] = {}
    async with await Admin.connect(store.address) as admin:
        for topic in topics:
            topic_id = (await admin.add_topic()).topic_id
            log_streams = [
                int((await admin.add_log_stream(topic_id)).log_stream_id) for _ in range(topic.partitions)
            ]
            config = {name: int(value) if value.isdigit() else value for name, value in topic.config.items()}
            made[topic.name] = {"topic_id": int(topic_id), "partitions": log_streams, "config": config}
    return made
