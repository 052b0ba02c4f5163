"""Whole nodes on an embedded store, with a mapping file and a catalog, and clients that speak bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from kio.schema.errors import ErrorCode

from kov import listening
from kov.address import Address
from kov.config import Config, Listener, load
from kov.handlers.create_topics import (
    CreatableTopic,
    CreatableTopicConfig,
    CreatableTopicResult,
    CreateTopicsRequest,
    CreateTopicsResponse,
)
from kov.handlers.delete_topics import DeleteTopicsRequest, DeleteTopicsResponse, DeleteTopicState
from kov.handlers.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResponse,
    DescribeConfigsResult,
)
from kov.handlers.metadata import MetadataRequest, MetadataResponse
from kov.server import Server
from tests.kov.handlers.door import Wire
from varlog_client import Admin, TopicId
from varlog_lite.server import LiteServer

LOCAL = Listener(bind=Address("127.0.0.1", 0), advertise=Address("127.0.0.1", 0))
CATALOG = "catalog: {topic_id: 1, log_stream: 1}\n"
FILE = "topics:\n  mapped: {topic_id: 2, partitions: [2], config: {max.message.bytes: 5000}}\n"
MINUTE = timedelta(minutes=1)


@dataclass
class Place:
    """A store with the catalog's log stream 1 in topic 1, and log stream 2 in topic 2 for the file."""

    store: LiteServer
    admin: Admin
    directory: Path
    stack: AsyncExitStack

    def config(self, text: str = CATALOG + FILE, *, admin: bool = True) -> Config:
        path = self.directory / "m.yaml"
        address = self.store.address
        named = f', admin: "{address}"' if admin else ""
        path.write_text(f'varlog: {{cluster_id: 1, metadata_repositories: ["{address}"]{named}}}\n{text}')
        return load(path)

    async def start(self, config: Config | None = None) -> Server:
        config = config or self.config()
        config = config if config.nodes else config.with_one_node(LOCAL)
        server = Server(config, listening.bind(config.node))
        self.stack.push_async_callback(server.close)
        await server.start()
        return server

    async def connect(self, server: Server) -> Wire:
        address = Address.parse(next(iter(server.bootstrap_servers.values())))
        wire = Wire(*await asyncio.open_connection(address.host, address.port))
        self.stack.callback(wire.writer.close)
        return wire

    async def varlog_topics(self) -> set[TopicId]:
        """Besides the catalog's and the file's."""
        topics = await self.admin.list_topics()
        return {topic.topic_id for topic in topics if not topic.deleted} - {TopicId(1), TopicId(2)}


@asynccontextmanager
async def a_place(directory: Path) -> AsyncIterator[Place]:
    async with (
        LiteServer(directory / "varlog") as store,
        await Admin.connect(store.address) as admin,
        AsyncExitStack() as stack,
    ):
        for _ in range(2):
            await admin.add_log_stream((await admin.add_topic()).topic_id)
        yield Place(store, admin, directory, stack)


def topic(
    name: str, partitions: int = 1, replicas: int = -1, config: Mapping[str, str | None] | None = None
) -> CreatableTopic:
    settings = [CreatableTopicConfig(name=key, value=value) for key, value in (config or {}).items()]
    return CreatableTopic(
        name=name, num_partitions=partitions, replication_factor=replicas, configs=tuple(settings)
    )


async def create(
    wire: Wire, *topics: CreatableTopic, version: int = 7, validate_only: bool = False
) -> list[CreatableTopicResult]:
    body = CreateTopicsRequest(topics=topics, timeout=MINUTE, validate_only=validate_only)
    return list((await wire.ask(CreateTopicsResponse, version, body)).topics)


async def delete(wire: Wire, *states: DeleteTopicState) -> DeleteTopicsResponse:
    return await wire.ask(DeleteTopicsResponse, 6, DeleteTopicsRequest(topics=states, timeout=MINUTE))


async def described(wire: Wire, resource_type: int, name: str, *keys: str) -> DescribeConfigsResult:
    resource = DescribeConfigsResource(
        resource_type=resource_type, resource_name=name, configuration_keys=keys or None
    )
    body = DescribeConfigsRequest(resources=(resource,), include_synonyms=True, include_documentation=True)
    (result,) = (await wire.ask(DescribeConfigsResponse, 4, body)).results
    return result


async def settings(wire: Wire, name: str, *keys: str) -> dict[str, str | None]:
    result = await described(wire, 2, name, *keys)
    assert result.error_code is ErrorCode.none
    return {each.name: each.value for each in result.configs}


async def topics(wire: Wire) -> dict[str, int]:
    """Every topic's number of partitions."""
    answer = await wire.ask(MetadataResponse, 12, MetadataRequest(topics=None))
    return {each.name or "": len(each.partitions) for each in answer.topics}
