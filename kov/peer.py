"""One connected client: frame to request to handler to frame.

Peers share nothing but the byte budget and the registry, `Peers`. What goes wrong on a connection is logged
once per connection and reason, and not more often than every few seconds for all of them together.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Final

from kov.budget import Budget
from kov.deadlines import Deadlines
from kov.errors import ProtocolError
from kov.handlers import APIS, Api, Context, Pending, unsupported_version
from kov.memory import FreedMemory
from kov.wire import messages
from kov.wire.admission import Admission
from kov.wire.client import Reply
from kov.wire.connection import Connection
from kov.wire.frames import Frame
from kov.wire.limits import Limits
from kov.wire.messages import Head

if TYPE_CHECKING:
    from kov.broker import Broker

_log: Final = logging.getLogger(__name__)
_QUIET_S: Final = 5.0
_SWEEPS: Final = 20  # in the time that a connection may be idle
_SWEEP_S: Final = (0.01, 5.0)  # but no oftener and no more seldom than this


class Peer:
    """A client on a connection; it is the `source` that its batches are ordered by."""

    def __init__(self, broker: Broker, listener: str, peers: Peers) -> None:
        self._broker = broker
        self._listener = listener
        self._peers = peers
        self._client_id: str | None = None
        self._connection: Connection | None = None

    def __repr__(self) -> str:
        remote = self._connection.remote if self._connection else "?"
        return f"<Peer {remote} client={self._client_id} listener={self._listener}>"

    def opened(self, connection: Connection) -> None:
        self._connection = connection
        if self._peers.add(connection):
            _log.debug("%r connected", self)

    def lost(self) -> None:
        if self._connection is not None:
            self._peers.remove(self._connection)
        _log.debug("%r is gone", self)

    def broke(self, error: ProtocolError) -> None:
        self._peers.complain("%r: closing the connection: %s", self, error)

    def answer(self, frame: Frame) -> Reply:
        """Takes one request; its place is taken when this returns. Raises `ProtocolError`."""
        head = messages.read_head(frame)
        api = APIS.get(head.api_key)
        if api is None:
            raise ProtocolError(f"there is no API with the key {head.api_key} here")
        if head.api_version not in api.versions:
            return _other_version(api, head)
        request = _decode(api, head, frame)
        self._client_id = request.client_id
        context = Context(
            broker=self._broker,
            api_key=head.api_key,
            api_version=head.api_version,
            client_id=request.client_id,
            listener=self._listener,
            source=self,
            memory=self._peers.budget,
            deadlines=self._peers.deadlines,
        )
        try:
            return _Answer(self, api, head, api.handle(context, request.body))
        except Exception as error:  # A defect of ours ends this connection, not the server.
            raise self.defect(api, head, error) from error

    def defect(self, api: Api, head: Head, error: Exception) -> ProtocolError:
        """Logs an error that no client may cause, and says how to go on: by hanging up."""
        _log.error("%r: %s v%d failed", self, api.name, head.api_version, exc_info=error)
        return ProtocolError(f"{api.name} v{head.api_version} failed unexpectedly")


def _decode(api: Api, head: Head, frame: Frame) -> messages.Request[object]:
    try:
        return messages.decode(head, frame, api.request)
    except ProtocolError as error:
        raise ProtocolError(f"a damaged {api.name} request, v{head.api_version}: {error}") from error


def _other_version(api: Api, head: Head) -> Reply:
    answer = unsupported_version(head.api_key)
    if answer is None:
        raise ProtocolError(f"{api.name} v{head.api_version} is not served")
    return _in_version_0(head, answer)


async def _in_version_0(head: Head, answer: object) -> Sequence[bytes]:
    return messages.encode(head, answer, 0)


class _Answer:
    """A handler's answer on its way to bytes."""

    __slots__ = ("_api", "_head", "_peer", "_pending")

    def __init__(self, peer: Peer, api: Api, head: Head, pending: Pending[object]) -> None:
        self._peer = peer
        self._api = api
        self._head = head
        self._pending = pending

    def __await__(self) -> Generator[object, None, Sequence[bytes] | None]:
        return self._encoded().__await__()

    def close(self) -> None:
        self._pending.close()

    async def _encoded(self) -> Sequence[bytes] | None:
        api, head = self._api, self._head
        try:
            answer = await self._pending
            return None if answer is None else messages.encode(head, answer)
        except ProtocolError:
            raise
        except Exception as error:  # A defect of ours ends this connection, not the server.
            raise self._peer.defect(api, head, error) from error


class Peers:
    """All connections of a server, over all its listeners, and the bytes they may hold together."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.budget = Budget(self.limits.max_total_bytes, reserve=self.limits.max_request_bytes)
        self.deadlines = Deadlines()
        self._freed = FreedMemory()
        self._connections: set[Connection] = set()
        self._admission = Admission(self.limits.max_connections, self.limits.max_connections_per_host)
        self._sweep: asyncio.TimerHandle | None = None
        self._closing = False
        self._complained = float("-inf")
        self._unsaid = 0

    def __len__(self) -> int:
        return len(self._connections)

    def add(self, connection: Connection) -> bool:
        """False: there are too many, and this one is hung up."""
        if refusal := self._admission.refusal(connection.host):
            self.complain("%s: refusing the connection: %s", connection.remote, refusal)
            connection.abort()
            return False
        self._admission.enter(connection.host)
        self._connections.add(connection)
        if self._closing:
            connection.finish()
        elif self._sweep is None:
            self._sweep_later()
        return True

    def remove(self, connection: Connection) -> None:
        if connection in self._connections:
            self._connections.remove(connection)
            self._admission.leave(connection.host)

    def _sweep_later(self) -> None:
        least_s, most_s = _SWEEP_S
        delay_s = min(max(self.limits.max_idle_s / _SWEEPS, least_s), most_s)
        self._sweep = asyncio.get_running_loop().call_later(delay_s, self._end_idle)

    def _end_idle(self) -> None:
        """One pass over all connections, every few seconds while there are any."""
        self._sweep = None
        for connection in list(self._connections):
            if connection.end_if_idle():
                _log.debug("%r was idle for too long", connection)
        if self._freed.give_back():
            _log.debug("memory was given back")
        if self._connections and not self._closing:
            self._sweep_later()

    def complain(self, text: str, *values: object) -> None:
        """A warning about a client. While many come, most are counted and not written."""
        now = time.monotonic()
        if now - self._complained < _QUIET_S:
            self._unsaid += 1
            _log.debug(text, *values)
            return
        _log.warning(text + (f" ({self._unsaid} more like this)" if self._unsaid else ""), *values)
        self._complained, self._unsaid = now, 0

    async def close(self, drain_timeout_s: float) -> None:
        """Reads no more, answers what is under way, and closes all connections. Fetches wait no longer.

        What isn't answered within `drain_timeout_s` is cut off. Call it when the listeners accept no more;
        a connection that comes nevertheless is closed at once. Idempotent. When cancelled, the
        connections go on draining.
        """
        self._closing = True
        if self._sweep is not None:
            self._sweep.cancel()
        connections = list(self._connections)
        for connection in connections:
            connection.finish()
        self.deadlines.end_all()
        closed = [asyncio.ensure_future(connection.wait_closed()) for connection in connections]
        if not closed:
            return
        try:
            _, late = await asyncio.wait(closed, timeout=drain_timeout_s)
            if late:
                _log.warning("%d connections were cut off with answers under way", len(late))
            for connection in connections:
                connection.abort()
            await asyncio.gather(*closed)
        finally:
            for waiting in closed:
                waiting.cancel()


def serve_connection_factory(
    broker: Broker, listener: str, peers: Peers
) -> Callable[[], asyncio.BufferedProtocol]:
    """What `loop.create_server` makes a connection of `listener` with."""
    return lambda: Connection(Peer(broker, listener, peers), peers.limits, peers.budget)
