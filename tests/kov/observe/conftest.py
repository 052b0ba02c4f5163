"""A server in this process that can be looked at."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest

from kov import listening
from kov.address import Address
from kov.config import Config, Listener
from kov.server import Server
from tests.kov.observe.looking import Samples, get
from tests.kov.server.conftest import Cluster, cluster

__all__ = ["cluster"]

TOPICS = "topics: {orders: {topic_id: 1, partitions: [1, 2]}}\n"
FREE = Address("127.0.0.1", 0)
LOCAL = Listener(bind=FREE, advertise=FREE)


@dataclass(frozen=True)
class Looked:
    """A server, and where it is looked at."""

    server: Server
    url: str

    @property
    def bootstrap(self) -> str:
        return next(iter(self.server.bootstrap_servers.values()))

    async def samples(self) -> Samples:
        return Samples((await get(f"{self.url}/metrics")).text)


def made(config: Config) -> Looked:
    """One that isn't started."""
    config = replace(config.with_one_node(LOCAL), http=FREE)
    http = listening.bind_http(config.http)
    (url,) = listening.urls([http])
    return Looked(Server(config, listening.bind(config.node), http=http, open_timeout_s=1), url)


@pytest.fixture
async def looked(cluster: Cluster) -> AsyncIterator[Looked]:
    found = made(cluster.config(TOPICS))
    await found.server.start()
    yield found
    await found.server.close()
