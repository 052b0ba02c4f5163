"""kov with a catalog beside Apache Kafka, both with topics that were made by CreateTopics."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from kio.schema.create_topics.v7.response import CreateTopicsResponse
from kio.schema.errors import ErrorCode

from kov import listening
from kov.address import Address
from kov.config import Listener, load
from kov.server import Server
from tests.kov.kafka_table.side import Side, TopicSpec, asking
from varlog_client import Admin
from varlog_lite.server import LiteServer

_LOCAL = Listener(bind=Address("127.0.0.1", 0), advertise=Address("127.0.0.1", 0))


@asynccontextmanager
async def a_cataloging_kov(directory: Path, topics: Sequence[TopicSpec]) -> AsyncIterator[Side]:
    async with LiteServer(directory / "varlog") as store:
        async with await Admin.connect(store.address) as admin:
            catalog = await admin.add_log_stream((await admin.add_topic()).topic_id)
        file = directory / "mapping.yaml"
        file.write_text(
            f'varlog: {{cluster_id: 1, metadata_repositories: ["{store.address}"], '
            f'admin: "{store.address}"}}\n'
            f"catalog: {{topic_id: {catalog.topic_id}, log_stream: {catalog.log_stream_id}}}\n"
            "auto_create: {enabled: false, partitions: 1}\n"
        )
        config = load(file).with_one_node(_LOCAL)
        server = Server(config, listening.bind(config.node))
        try:
            await server.start()
            (address,) = server.bootstrap_servers.values()
            host, port = address.rsplit(":", 1)
            side = Side("kov", host, int(port))
            await _make(side, topics)
            yield side
        finally:
            await server.close()


async def _make(side: Side, topics: Sequence[TopicSpec]) -> None:
    asked = [
        {
            "name": topic.name,
            "num_partitions": topic.partitions,
            "replication_factor": 1,
            "configs": [{"name": name, "value": value} for name, value in topic.config.items()],
        }
        for topic in topics
    ]
    answer = await side.ask(asking(19, 7, topics=asked))
    assert isinstance(answer, CreateTopicsResponse)
    for made in answer.topics:
        assert made.error_code is ErrorCode.none, made
        assert made.topic_id is not None
        side.uuids[made.name] = made.topic_id
