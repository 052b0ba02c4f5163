"""Server: builds every room, starts them, stops them in reverse."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Final

from kov import listening, reachability
from kov.address import Address
from kov.broker import Broker, Node
from kov.broker_settings import broker_settings, slow_s, wire_limits
from kov.catalog import Catalog, CatalogError, Changer, Creator
from kov.config import CatalogConfig, Config, NodeConfig, VarlogConfig
from kov.embedded import EmbeddedStore
from kov.embedded_cluster import cluster_in
from kov.errors import CannotStart
from kov.observe.node import ObservedNode
from kov.partition.identity import WriterIdentity
from kov.partition.table import PartitionTable
from kov.partition.unsealing import Unsealer
from kov.peer import serve_connection_factory
from kov.peers import Peers
from kov.reload.served import ServedTopics, refuse_doubly_named, say_what_is_missing
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

    `store` is the embedded one, spawned already, where the configuration names no cluster. `http`: a bound
    socket for the HTTP server; that one answers from the start on, so that probes see what is missing.
    """

    def __init__(
        self,
        config: Config,
        sockets: Mapping[str, socket.socket],
        *,
        store: EmbeddedStore | None = None,
        http: socket.socket | None = None,
        open_timeout_s: float = 15.0,
    ) -> None:
        self._config = config
        self._sockets = sockets
        self._store = store
        self._open_timeout_s = open_timeout_s
        self._node = listening.advertised(config.node, sockets)
        self._peers = Peers(wire_limits(config.limits), slow_s=slow_s(config))
        self._http = http
        self._observed = ObservedNode(config=config, peers=self._peers)
        self._served: ServedTopics | None = None
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
            await self._open_http()
            varlog, catalog = await self._find_cluster()
            log = await self._open_log(varlog)
            topics, known = await self._open_topics(log, catalog)
            partitions = self._open_partitions(log, varlog)
            topics.watch_with(partitions.keep_up_with)
            self._served = ServedTopics(log, topics, known)
            admin = self._open_admin(log, varlog, topics, known, partitions)
            self._observed.broker = broker = self._make_broker(varlog.cluster_id, topics, partitions, admin)
            await self._listen(broker)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Stop accepting, answer what is under way, finish what is queued, then close everything. Idempotent.

        Takes at most some 40 s when the log doesn't answer any more. What was acknowledged is stored anyway.
        """
        await self._rooms.aclose()

    async def reconfigure(self, config: Config) -> None:
        """Serves the topics of `config` from now on, see `ServedTopics.replace`. Raises ConfigError."""
        assert self._served is not None, "it serves"
        await self._served.replace(config)

    async def _open_http(self) -> None:
        if self._http is None:
            return
        # aiohttp is a good part of a start, for those who look in alone.
        from kov.observe.http import HttpServer  # noqa: PLC0415
        from kov.observe.loop_lag import LoopLag  # noqa: PLC0415
        from kov.observe.pages import pages  # noqa: PLC0415
        from kov.observe.status.troubles import Troubles  # noqa: PLC0415

        lag = LoopLag()
        lag.start()
        self._rooms.callback(lag.stop)
        troubles = Troubles()
        troubles.watch()
        self._rooms.callback(troubles.close)
        server = HttpServer(pages(self._observed, lag, troubles))
        self._rooms.callback(self._http.close)
        self._rooms.push_async_callback(server.close)
        try:
            await server.start(self._http)
        except OSError as error:  # somebody bound it when we had, and listened first
            host, port = self._http.getsockname()[:2]
            raise listening.refusal(Address(host, port), error) from None

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
        self._observed.log = log
        say_what_is_missing(self._config, log)
        return log

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
        refuse_doubly_named(self._config, catalog)
        topics.replace_cataloged(catalog.topics)
        return topics, catalog

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
        self._observed.partitions = partitions
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
            catalog=self._changeable(varlog, topics, catalog, partitions),
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
        self, varlog: VarlogConfig, topics: Topics, catalog: Catalog | None, partitions: PartitionTable
    ) -> Changeable | None:
        if catalog is None or varlog.admin is None:
            return None
        changer = Changer(catalog, fence=partitions.fence_off, kept=topics.mapped_ids)
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
        checking = asyncio.create_task(reachability.warn_of_unreachable(self._node), name="reachability")
        self._rooms.push_async_callback(reachability.ended, checking)
        self._observed.listening = True
        self._rooms.callback(self._observed.stop)


def _as_seen(node: NodeConfig, listener: str) -> Node:
    address = node.listeners[listener].advertise
    return Node(node_id=node.node_id, host=address.host, port=address.port, rack=node.rack)
