"""A real Varlog cluster on free loopback ports, from the programs on PATH, for one test or one session.

    async with start_real_varlog(directory, storage_nodes=2, replication_factor=2) as cluster:
        topic = await cluster.add_topic()
        log_stream = await cluster.add_log_stream(topic)

Nothing in it belongs to an event loop, so a cluster may be shared by tests that each run in their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from varlog_client import (
    Admin,
    Log,
    LogStream,
    LogStreamId,
    LogStreamStatus,
    Replica,
    StorageNodeId,
    TopicId,
    VarlogError,
)

_T = TypeVar("_T")

PROGRAMS = ("varlogmr", "varlogadm", "varlogsn")
CLUSTER_ID = 1

_START_S = 60.0
_CHANGE_S = 100.0
_POLL_S = 0.05


def missing_programs() -> str | None:
    """Why no real cluster can be started here, fit for `pytest.skip`; None when it can."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    return f"needs the real Varlog programs on PATH; missing: {', '.join(missing)}" if missing else None


@asynccontextmanager
async def start_real_varlog(
    directory: Path, *, storage_nodes: int = 1, replication_factor: int = 1, auto_unseal: bool = False
) -> AsyncIterator[RealVarlog]:
    """A running cluster with its storage nodes (ids from 1) registered; all of it is ended on leaving."""
    cluster = RealVarlog(directory, storage_nodes, replication_factor, auto_unseal=auto_unseal)
    try:
        await cluster.start()
        yield cluster
    finally:
        cluster.stop()


class RealVarlog:
    """Addresses are `HOST:PORT`; storage nodes are named by their ids. A method returns when it is done."""

    def __init__(
        self, directory: Path, storage_nodes: int, replication_factor: int, *, auto_unseal: bool
    ) -> None:
        ports = iter(_free_ports(4 + storage_nodes))
        self.cluster_id = CLUSTER_ID
        self.replication_factor = replication_factor
        self.metadata_repository = f"127.0.0.1:{next(ports)}"
        self.admin = f"127.0.0.1:{next(ports)}"
        self.nodes = {
            StorageNodeId(number + 1): f"127.0.0.1:{next(ports)}" for number in range(storage_nodes)
        }
        self.advertised = dict(self.nodes)
        """Where others find them, if that is changed before the start: behind a proxy, say."""
        self._raft, self._debug = f"127.0.0.1:{next(ports)}", f"127.0.0.1:{next(ports)}"
        self._directory = directory
        self._auto_unseal = auto_unseal
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    async def start(self) -> None:
        self._start_metadata_repository()
        async with await self._log():
            pass
        self._start_admin()
        for node in self.nodes:
            self._start_node(node)
        async with await self._admin() as admin:
            for node, address in self.advertised.items():
                await _until(partial(_registered, admin, node, address), f"node {node} is registered")

    def stop(self) -> None:
        """Ends all processes, also frozen ones."""
        for process in self._running.values():
            process.kill()
        for process in self._running.values():
            process.wait()
        self._running.clear()

    def name_node(self, node: StorageNodeId) -> str:
        """The address of one more storage node, which `restart` starts. To register it is for the caller."""
        (port,) = _free_ports(1)
        self.nodes[node] = self.advertised[node] = f"127.0.0.1:{port}"
        return self.nodes[node]

    # Topics and log streams

    async def add_topic(self) -> TopicId:
        async with await self._admin() as admin:
            return (await admin.add_topic()).topic_id

    async def add_log_stream(self, topic_id: TopicId) -> LogStreamId:
        """A running log stream, without the admin server's own 5 to 15 s: sealed and unsealed by hand."""
        async with await self._admin() as admin, await self._log() as log:
            before = set(log.metadata.log_streams)
            adding = asyncio.ensure_future(admin.add_log_stream(topic_id, timeout_s=_CHANGE_S))
            try:
                stream = await _until(lambda: _new_log_stream(log, before), "the log stream is known")
                await _until(lambda: _all_sealed(admin, stream), "all replicas are sealed")
                await _until(lambda: _unsealed(admin, stream), "the log stream is unsealed")
            finally:
                adding.cancel()
                with contextlib.suppress(asyncio.CancelledError, VarlogError):
                    await adding
            await _until(lambda: _runs_for_good(log, admin, stream), "the log stream runs")
            return stream.log_stream_id

    async def unseal(self, topic_id: TopicId, log_stream_id: LogStreamId) -> None:
        """Waits until all replicas are sealed, then unseals: for the time after a node's restart."""
        async with await self._admin() as admin, await self._log() as log:

            async def sealed() -> bool:
                return (await log.peek(topic_id, log_stream_id)).sealed

            await _until(sealed, "all replicas are sealed")
            stream = await admin.get_log_stream(topic_id, log_stream_id)
            await _until(lambda: _unsealed(admin, stream), "the log stream is unsealed")
            await _until(lambda: _runs_for_good(log, admin, stream), "the log stream runs")

    async def seal(self, topic_id: TopicId, log_stream_id: LogStreamId) -> None:
        async with await self._admin() as admin:
            stream = await admin.get_log_stream(topic_id, log_stream_id)
            await _until(lambda: _all_sealed(admin, stream), "all replicas are sealed")

    async def keep_running(self, topic_id: TopicId, log_stream_id: LogStreamId) -> None:
        """Unseals it where the cluster has sealed it by itself, as a busy one does soon after an unseal."""
        async with await self._admin() as admin, await self._log() as log:
            stream = await admin.get_log_stream(topic_id, log_stream_id)
            await _until(lambda: _runs_for_good(log, admin, stream), "the log stream runs")

    async def replace(self, node: StorageNodeId, topic_id: TopicId, log_stream_id: LogStreamId) -> None:
        """Puts a node that has no replica yet in the place of a killed one, and returns when it runs.

        Does nothing where `node` has no replica. In the primary's place the new node is the primary.
        """
        async with await self._admin() as admin:
            stream = await admin.get_log_stream(topic_id, log_stream_id)
            held = {replica.storage_node_id: replica for replica in stream.replicas}
            if node not in held:
                return
            spare = next(each for each in self.nodes if each not in held)
            path = (await admin.get_storage_node(spare)).paths[0]
            new = Replica(storage_node_id=spare, storage_node_path=path)
            # Refused until the cluster has noticed that the node is gone, and sealed what it held.
            await _until(
                partial(admin.update_log_stream, topic_id, log_stream_id, popped=held[node], pushed=new),
                f"node {spare} is in the place of node {node}",
            )
        # The cluster copies the entries by itself, and seals the new replica then.
        await self.unseal(topic_id, log_stream_id)

    # Trouble

    def kill(self, node: StorageNodeId) -> None:
        """`kill -9`. Its log streams will be sealed when it is back: see `unseal`."""
        self._kill(f"sn{node}")

    def volume(self, node: StorageNodeId) -> Path:
        """Where its data lie. Made at its first start, unless it is there."""
        return self._directory / f"sn{node}"

    def has_ended(self, node: StorageNodeId) -> bool:
        """By itself: on a full disk it does. `restart` starts it again."""
        return self._running[f"sn{node}"].poll() is not None

    def kill_metadata_repository(self) -> None:
        self._kill("mr")

    def kill_admin(self) -> None:
        self._kill("admin")

    def freeze(self, node: StorageNodeId) -> None:
        """SIGSTOP: connections stay, nothing answers."""
        self._running[f"sn{node}"].send_signal(signal.SIGSTOP)

    def thaw(self, node: StorageNodeId) -> None:
        self._running[f"sn{node}"].send_signal(signal.SIGCONT)

    async def restart(self, node: StorageNodeId) -> None:
        """Starts a killed node again, with its data, and waits until it listens."""
        self._start_node(node)
        await _until(lambda: _listens(self.nodes[node]), f"node {node} listens")

    async def restart_metadata_repository(self) -> None:
        self._start_metadata_repository()
        async with await self._log():
            pass

    def start_joining_metadata_repository(self) -> tuple[str, str]:
        """One more process of it, which is no member before it was added: its Raft URL, its RPC address."""
        raft, address, debug = (f"127.0.0.1:{port}" for port in _free_ports(3))
        peers = f"http://{self._raft},http://{raft}"
        self._spawn_metadata_repository(f"mr-{raft}", raft, address, debug, "--join", f"--peers={peers}")
        return f"http://{raft}", address

    async def restart_admin(self) -> None:
        self._start_admin()
        async with await self._admin():
            pass

    # Processes

    def _start_metadata_repository(self) -> None:
        address, debug = self.metadata_repository, self._debug
        self._spawn_metadata_repository("mr", self._raft, address, debug, f"--peers=http://{self._raft}")

    def _spawn_metadata_repository(
        self, name: str, raft: str, address: str, debug: str, *options: str
    ) -> None:
        self._spawn(
            name,
            *("varlogmr", "start", f"--cluster-id={CLUSTER_ID}", *options),
            *(f"--replication-factor={self.replication_factor}", f"--raft-address=http://{raft}"),
            *(f"--bind={address}", f"--debug-address={debug}", f"--raft-dir={self._directory / name}"),
        )

    def _start_admin(self) -> None:
        self._spawn(
            "admin",
            *("varlogadm", "start", f"--cluster-id={CLUSTER_ID}"),
            f"--replication-factor={self.replication_factor}",
            *(f"--metadata-repository-address={self.metadata_repository}", f"--listen={self.admin}"),
            *(["--auto-unseal"] if self._auto_unseal else []),
        )

    def _start_node(self, node: StorageNodeId) -> None:
        volume = self.volume(node)
        volume.mkdir(parents=True, exist_ok=True)
        self._spawn(
            f"sn{node}",
            *("varlogsn", "start", f"--cluster-id={CLUSTER_ID}", f"--storage-node-id={node}"),
            *(f"--listen={self.nodes[node]}", f"--advertise={self.advertised[node]}", f"--volumes={volume}"),
        )

    def _spawn(self, name: str, *command: str) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        quiet = ("--logtostderr", "--loglevel=WARN")
        with (self._directory / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [*command, *quiet], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def _kill(self, name: str) -> None:
        process = self._running.pop(name)
        process.kill()
        process.wait()

    def _check_running(self) -> None:
        for name, process in self._running.items():
            if process.poll() is not None:
                said = (self._directory / f"{name}.log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{name} ended with status {process.returncode}: {said}")

    # Waiting

    async def _log(self) -> Log:
        self._check_running()
        return await Log.open(CLUSTER_ID, [self.metadata_repository], open_timeout_s=_START_S)

    async def _admin(self) -> Admin:
        self._check_running()
        return await Admin.connect(self.admin, timeout_s=_START_S)


async def _until(attempt: Callable[[], Awaitable[_T | None]], what: str) -> _T:
    """Tries until there is a truthy answer. Refusals on the way are the cluster's business, for a while."""
    last: VarlogError | None = None
    try:
        async with asyncio.timeout(_CHANGE_S):
            while True:
                try:
                    if answer := await attempt():
                        return answer
                except VarlogError as error:
                    last = error
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        raise RuntimeError(f"the real cluster did not get there: {what}; last error: {last}") from last


async def _registered(admin: Admin, node: StorageNodeId, address: str) -> bool:
    """Registered, and seen by a heartbeat: before that the admin server puts no log stream there."""
    await admin.add_storage_node(node, address)
    return any(each.storage_node_id == node and each.paths for each in await admin.list_storage_nodes())


async def _new_log_stream(log: Log, before: set[LogStreamId]) -> LogStream | None:
    now = (await log.refresh()).log_streams
    return next((now[stream] for stream in now.keys() - before), None)


async def _all_sealed(admin: Admin, stream: LogStream) -> bool:
    result = await admin.seal(stream.topic_id, stream.log_stream_id)
    sealed = [state for state in result.replicas if state.status is LogStreamStatus.SEALED]
    return len(sealed) == len(stream.replicas)


async def _unsealed(admin: Admin, stream: LogStream) -> bool:
    unsealed = await admin.unseal(stream.topic_id, stream.log_stream_id)
    return unsealed.status is LogStreamStatus.RUNNING


async def _runs_for_good(log: Log, admin: Admin, stream: LogStream) -> bool:
    """Whether the admin server knows that it runs. While its last heartbeats say otherwise, its next report
    round may seal the log stream again: then it is unsealed again.
    """
    if (await log.peek(stream.topic_id, stream.log_stream_id)).sealed:
        await admin.unseal(stream.topic_id, stream.log_stream_id)
        return False
    for replica in stream.replicas:
        node = await admin.get_storage_node(replica.storage_node_id)
        heard = {held.log_stream_id: held.status for held in node.replicas}
        if heard.get(stream.log_stream_id) is not LogStreamStatus.RUNNING:
            return False
    known = (await log.refresh()).log_streams[stream.log_stream_id]
    return known.status is LogStreamStatus.RUNNING


async def _listens(address: str) -> bool:
    admin = await Admin.connect(address, timeout_s=1.0)
    await admin.close()
    return True


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
