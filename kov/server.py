"""Server: builds every room, starts them, stops them in reverse."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Final

from kov import listening
from kov.broker import Broker, Node
from kov.broker_settings import broker_settings, wire_limits
from kov.catalog import Catalog, CatalogError, Changer, Creator
from kov.config import CatalogConfig, Config, NodeConfig, VarlogConfig
from kov.embedded import EmbeddedStore
from kov.embedded_cluster import cluster_in
from kov.errors import CannotStart, ConfigError
from kov.partition.identity import WriterIdentity
from kov.partition.table import PartitionTable
from kov.partition.unsealing import Unsealer
from kov.peer import Peers, serve_connection_factory
from kov.topic_admin import Changeable, TopicAdmin
from kov.topic_table import Topics
from varlog_client import Log
from varlog_client.errors import VarlogError
from varlog_client.types import ClusterId

_log = logging.getLogger(__name__)

_CATALOG_TIMEOUT_S: Final = 60.0
_DRAIN_TIMEOUT_S: Final = 10.0
_PARTITIONS_TIMEOUT_S: Final = 10.0
_CREATION_TIMEOUT_S: Final = 5.0
_BACKLOG: Final = 1024


class Server:
    """One node. `sockets`, one per listener of the node, are bound already; `close` closes them.

    `store` is the embedded one, spawned already, where the configuration names no cluster.
    """

    def __init__(
        self,
        config: Config,
        sockets: Mapping[str, socket.socket],
        *,
        store: EmbeddedStore | None = None,
        open_timeout_s: float = 15.0,
    ) -> None:
        self._config = config
        self._sockets = sockets
        self._store = store
        self._open_timeout_s = open_timeout_s
        self._node = listening.advertised(config.node, sockets)
        self._peers = Peers(wire_limits(config.limits))
        self._rooms = AsyncExitStack()

    @property
    def bootstrap_servers(self) -> Mapping[str, str]:
        """What producers are to be given, by listener."""
        return {name: str(each.advertise) for name, each in self._node.listeners.items()}

    async def start(self) -> None:
        """Returns when producers are served. CannotStart or cancelled: nothing is left open."""
        try:
            for opened in self._sockets.values():
                self._rooms.callback(opened.close)
            varlog, catalog = await self._find_cluster()
            log = await self._open_log(varlog)
            topics, known = await self._open_topics(log, catalog)
            partitions = self._open_partitions(log, varlog)
            topics.watch_with(partitions.keep_up_with)
            admin = self._open_admin(log, varlog, topics, known, partitions)
            await self._listen(self._make_broker(varlog.cluster_id, topics, partitions, admin))
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Stop accepting, answer what is under way, finish what is queued, then close everything. Idempotent.

        Takes at most some 40 s when the log doesn't answer any more. What was acknowledged is stored anyway.
        """
        await self._rooms.aclose()

    async def _find_cluster(self) -> tuple[VarlogConfig, CatalogConfig | None]:
        if self._config.varlog is not None:
            return self._config.varlog, self._config.catalog
        assert self._store is not None, "without a cluster there is an embedded store"
        self._rooms.push_async_callback(self._store.close)
        return await cluster_in(self._store)

    async def _open_log(self, varlog: VarlogConfig) -> Log:
        _log.info("connecting to the Varlog cluster at %s", ", ".join(varlog.metadata_repositories))
        try:
            log = await Log.open(
                varlog.cluster_id, varlog.metadata_repositories, open_timeout_s=self._open_timeout_s
            )
        except VarlogError as error:
            raise CannotStart(
                f"the Varlog cluster can't be reached: {error}; "
                f"start it, or correct varlog.metadata_repositories in {self._config.source}"
            ) from error
        self._rooms.push_async_callback(log.close)
        self._say_what_is_missing(log)
        return log

    def _say_what_is_missing(self, log: Log) -> None:
        """Topics that can't be produced to are no reason to refuse the others."""
        known = log.metadata.log_streams
        for topic in self._config.topics:
            missing = [str(each) for each in topic.log_streams if each not in known]
            if missing:
                _log.warning(
                    "topics.%s: the cluster has no log stream %s; `kov check %s` says what to do",
                    topic.name,
                    ", ".join(missing),
                    self._config.source,
                )

    async def _open_topics(self, log: Log, place: CatalogConfig | None) -> tuple[Topics, Catalog | None]:
        topics = Topics(self._config.topics)
        if place is None:
            return topics, None
        catalog = Catalog(log, place.topic_id, place.log_stream_id, on_change=topics.replace_cataloged)
        self._rooms.push_async_callback(catalog.close)
        try:
            await catalog.open(timeout_s=_CATALOG_TIMEOUT_S)
        except CatalogError as error:
            raise CannotStart(str(error)) from error
        self._refuse_doubly_named(topics.doubly_named(catalog.topics))
        topics.replace_cataloged(catalog.topics)
        return topics, catalog

    def _refuse_doubly_named(self, names: Sequence[str]) -> None:
        if names:
            raise ConfigError(
                f"{self._config.source}: topics.{names[0]}: the catalog has a topic of this name too; "
                "take it out of the file, or give it another name there"
            )

    def _open_partitions(self, log: Log, varlog: VarlogConfig) -> PartitionTable:
        writer = WriterIdentity(node_id=self._node.node_id, addresses=self.bootstrap_servers)
        unsealer = Unsealer(varlog.admin) if varlog.unseal and varlog.admin is not None else None
        partitions = PartitionTable(
            log,
            cluster_id=varlog.cluster_id,
            writer=writer,
            unsealer=unsealer,
            repair=f"kov repair {self._repair_arguments}",
            memory=self._peers.budget,
        )
        self._rooms.push_async_callback(partitions.close, _PARTITIONS_TIMEOUT_S)
        return partitions

    @property
    def _repair_arguments(self) -> str:
        data = self._store.directory if self._store is not None else self._config.data
        return f"--data {data}" if data is not None else self._config.source

    def _open_admin(
        self,
        log: Log,
        varlog: VarlogConfig,
        topics: Topics,
        catalog: Catalog | None,
        partitions: PartitionTable,
    ) -> TopicAdmin:
        admin = TopicAdmin(
            topics,
            source=self._config.source,
            catalog=self._changeable(varlog, catalog, partitions),
            why_not=self._why_topics_stay(catalog),
            default_partitions=self._config.auto_create.partitions,
            max_replicas=lambda: len(log.metadata.storage_nodes),
        )
        self._rooms.push_async_callback(admin.close, _CREATION_TIMEOUT_S)
        if self._config.auto_create.enabled and varlog.admin is not None and catalog is not None:
            creator, count = Creator(catalog, varlog.admin), self._config.auto_create.partitions
            topics.create_with(lambda name: creator.create(name, count, {}))
            self._rooms.push_async_callback(topics.close, _CREATION_TIMEOUT_S)
        return admin

    def _changeable(
        self, varlog: VarlogConfig, catalog: Catalog | None, partitions: PartitionTable
    ) -> Changeable | None:
        if catalog is None or varlog.admin is None:
            return None
        kept = {topic.topic_id for topic in self._config.topics}
        changer = Changer(catalog, fence=partitions.fence_off, kept=kept)
        creator = Creator(catalog, varlog.admin)
        return Changeable(catalog=catalog, changer=changer, creator=creator, admin=varlog.admin)

    def _why_topics_stay(self, catalog: Catalog | None) -> str:
        if catalog is None:
            return f"{self._config.source} names no catalog; add one there, or the topic itself under topics"
        return f"{self._config.source} names no varlog.admin; add it there"

    def _make_broker(
        self, cluster_id: ClusterId, topics: Topics, partitions: PartitionTable, admin: TopicAdmin
    ) -> Broker:
        nodes = [self._node if each.node_id == self._node.node_id else each for each in self._config.nodes]
        return Broker(
            cluster_id=cluster_id,
            node_id=self._node.node_id,
            nodes={name: [_as_seen(node, name) for node in nodes] for name in self._node.listeners},
            topics=topics,
            partitions=partitions,
            admin=admin,
            settings=broker_settings(self._config, self._node),
        )

    async def _listen(self, broker: Broker) -> None:
        peers = self._peers
        self._rooms.push_async_callback(peers.close, _DRAIN_TIMEOUT_S)
        loop = asyncio.get_running_loop()
        for name, bound in self._sockets.items():
            factory = serve_connection_factory(broker, name, peers)
            try:
                listener = await loop.create_server(factory, sock=bound, backlog=_BACKLOG)
            except OSError as error:  # somebody bound it when we had, and listened first
                raise listening.refusal(self._node.listeners[name].bind, error) from None
            self._rooms.callback(listener.close)


def _as_seen(node: NodeConfig, listener: str) -> Node:
    address = node.listeners[listener].advertise
    return Node(node_id=node.node_id, host=address.host, port=address.port, rack=node.rack)
