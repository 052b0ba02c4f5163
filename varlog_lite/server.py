"""The server: builds every room, starts them, stops them in reverse."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import grpc

from varlog_lite import ledger, rpc
from varlog_lite.admin import ClusterManager
from varlog_lite.cluster import Cluster
from varlog_lite.describe import Describer, Identity
from varlog_lite.directory import StoreUnusable
from varlog_lite.health import Health
from varlog_lite.log_io import LogIO
from varlog_lite.metadata import MetadataRepository
from varlog_lite.status import Refusal
from varlog_lite.storage_node import StorageNode
from varlog_lite.store import DEFAULT_MAP_BYTES, Store
from varlog_lite.sweeper import Sweeper
from varlog_lite.writer import Writer

_STOP_GRACE_S = 1.0
_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # On a fast network gRPC would soon let every stream send many megabytes before they are asked for.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 1024 * 1024),
    # A second server on the port is an error, not a share of the connections.
    ("grpc.so_reuseport", 0),
    # Go clients ping every 10 s, with and without streams; by default that counts as abuse.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 1),
    ("grpc.http2.max_ping_strikes", 0),
    # A client that is gone without a word must not keep its streams for ever.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 10_000),  # or a ping is waited for a minute all the same
)


_SERVICES = frozenset(
    {
        *("varlog.snpb.LogIO", "varlog.snpb.Management", "varlog.admpb.ClusterManager"),
        *("varlog.mrpb.MetadataRepositoryService", "varlog.mrpb.Management", "grpc.health.v1.Health"),
    }
)


class CannotListen(Exception):
    """The address can't be listened on; the text says why, in one line."""


class LiteServer:
    """A cluster of one storage node, all services on one port.

    `start` returns when the server answers; it raises `StoreUnusable` or `CannotListen` and then nothing
    is left open. `stop` is idempotent: requests accepted before are committed and answered, streams end,
    the data is closed. Both run in one event loop. `address` is the real one, also for port 0.
    """

    def __init__(
        self,
        data_dir: Path | str,
        listen: str = "127.0.0.1:0",
        *,
        advertise: str | None = None,
        auto_unseal: bool = True,
        cluster_id: int = 1,
        map_bytes: int = DEFAULT_MAP_BYTES,
    ) -> None:
        self._data_dir = Path(data_dir)
        self._listen = listen
        self._advertise = advertise
        self._auto_unseal = auto_unseal
        self._cluster_id = cluster_id
        self._map_bytes = map_bytes
        self._rooms: _Rooms | None = None
        self.address = listen

    def __repr__(self) -> str:
        return f"<LiteServer {self.address} {'running' if self._rooms else 'stopped'} {self._data_dir}>"

    async def __aenter__(self) -> LiteServer:
        await self.start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.stop()

    async def start(self) -> None:
        store = await asyncio.to_thread(Store, self._data_dir, map_bytes=self._map_bytes)
        try:
            loaded = await asyncio.to_thread(ledger.load, store, self._cluster_id)
            server = grpc.aio.server(options=_OPTIONS)
            self.address = _bind(server, self._listen)
        except BaseException:
            store.close()
            raise
        writer = Writer(store)
        writer.start()
        cluster = Cluster(store, writer, loaded)
        identity = Identity(cluster_id=self._cluster_id, address=self._advertise or _reachable(self.address))
        self._rooms = _Rooms(store, writer, cluster, identity, server)
        try:
            await self._rooms.start(fresh=loaded.fresh, auto_unseal=self._auto_unseal)
        except BaseException as error:
            await self.stop()
            if isinstance(error, Refusal):
                raise StoreUnusable(f"the data in {store.path} can't be written: {error.text}") from error
            raise

    async def stop(self) -> None:
        rooms, self._rooms = self._rooms, None
        if rooms is not None:
            await rooms.stop()

    async def failed(self) -> str:
        """Waits until the store can't be used any more, for ever if all is well; says why."""
        assert self._rooms is not None
        return await asyncio.shield(self._rooms.writer.failed)

    @property
    def commits(self) -> int:
        """Transactions committed since the start."""
        assert self._rooms is not None
        return self._rooms.writer.commits


class _Rooms:
    """Everything that lives between start and stop."""

    def __init__(
        self, store: Store, writer: Writer, cluster: Cluster, identity: Identity, server: grpc.aio.Server
    ) -> None:
        self.writer = writer
        self._store = store
        self._cluster = cluster
        self._server = server
        self._sweeper = Sweeper(cluster)
        self._health = Health()
        describer = Describer(cluster, identity)
        self._log_io = LogIO(cluster, describer)
        handlers = (
            self._health.handler(),
            self._log_io.handler(),
            StorageNode(cluster, describer).handler(),
            ClusterManager(cluster, describer).handler(),
            *MetadataRepository(cluster, describer).handlers(),
            rpc.UnknownMethods(_SERVICES),
        )
        server.add_generic_rpc_handlers(handlers)

    async def start(self, *, fresh: bool, auto_unseal: bool) -> None:
        await self._cluster.start(fresh=fresh, auto_unseal=auto_unseal)
        await asyncio.to_thread(self._store.mark)
        await self._server.start()
        self._sweeper.start()

    async def stop(self) -> None:
        await self._sweeper.close()
        self._health.close()
        self._log_io.close()
        await self._server.stop(_STOP_GRACE_S)
        await self._log_io.wait_closed()
        await self._cluster.settled()
        await self.writer.close()
        self._store.close()


def _bind(server: grpc.aio.Server, listen: str) -> str:
    host = listen.rpartition(":")[0]
    try:
        port = server.add_insecure_port(listen)
    except RuntimeError as error:
        raise CannotListen(f"can't listen on {listen}: {_why(listen)}") from error
    return f"{host}:{port}"


def _why(listen: str) -> str:
    """gRPC doesn't say; the system does."""
    host, _, port = listen.rpartition(":")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host.strip("[]") or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except OSError as error:
        return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error.strerror)
    return "the address was refused"


def _reachable(address: str) -> str:
    """What to tell clients where the server listens on every address of the machine."""
    host, _, port = address.rpartition(":")
    return f"127.0.0.1:{port}" if host in {"", "0.0.0.0", "[::]", "*"} else address  # noqa: S104
