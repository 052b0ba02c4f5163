"""Where the demo plays: an embedded kov in a directory that is removed again, or one that runs already."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from kov import listening
from kov.address import Address
from kov.config import embedded_config
from kov.demo.failure import DemoFailed
from kov.embedded import EmbeddedStore
from kov.server import Server

_CALL_S = 5.0
_CREATION_S = 20.0
_POLL_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """`varlog`: a metadata repository's address; None where the demo wasn't told one."""

    bootstrap: str
    varlog: str | None


@asynccontextmanager
async def embedded() -> AsyncIterator[Stage]:
    """Raises `CannotStart`. Leaving ends it and removes what it stored."""
    with tempfile.TemporaryDirectory(prefix="kov-demo-") as directory:
        config = embedded_config().with_one_node(listening.listener(Address("127.0.0.1", 0), None))
        sockets = listening.bind(config.node)
        store = EmbeddedStore(Path(directory))
        await store.spawn()
        server = Server(config, sockets, store=store)
        await server.start()
        try:
            (bootstrap,) = server.bootstrap_servers.values()
            yield Stage(bootstrap=bootstrap, varlog=store.address)
        finally:
            await server.close()


async def make_topic(bootstrap: str, topic: str) -> UUID:
    """Asks for a topic's metadata until the server has made it, as every producer does; the topic's id."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    try:
        async with asyncio.timeout(_CREATION_S):
            while not await asyncio.to_thread(_has_partitions, admin, topic):  # noqa: ASYNC110 - not ours
                await asyncio.sleep(_POLL_S)
            return await asyncio.to_thread(_id_of, admin, topic)
    except KafkaException as error:
        raise DemoFailed(f"{bootstrap} does not answer as a Kafka server: {error}") from error
    except TimeoutError:
        raise DemoFailed(
            f"{bootstrap} did not create the topic {topic} within {_CREATION_S:g} s: is auto_create enabled?"
        ) from None


def _has_partitions(admin: AdminClient, topic: str) -> bool:
    return bool(admin.list_topics(topic, timeout=_CALL_S).topics[topic].partitions)


def _id_of(admin: AdminClient, topic: str) -> UUID:
    answer = admin.describe_topics(TopicCollection([topic]), request_timeout=_CALL_S)[topic]
    found = answer.result(_CALL_S).topic_id
    high, low = found.get_most_significant_bits(), found.get_least_significant_bits()
    return UUID(int=(high % 2**64 << 64) + low % 2**64)
