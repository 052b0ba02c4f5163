"""All connections of a server, over all its listeners: how many there may be, what they hold and did."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from kov.budget import Budget
from kov.complaints import Complaints
from kov.counting import ApiCounts, ConnectionCounts
from kov.deadlines import Deadlines
from kov.handlers import APIS
from kov.memory import FreedMemory
from kov.wire.admission import Admission
from kov.wire.connection import Connection
from kov.wire.endings import Ending
from kov.wire.limits import Limits

_log: Final = logging.getLogger(__name__)
_SWEEPS: Final = 20  # in the time that a connection may be idle
_SWEEP_S: Final = (0.01, 5.0)  # but no oftener and no more seldom than this
DEFAULT_SLOW_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientView:
    """A connected client as it is now. `software` and `software_version`: what it calls its library, "" where
    it says nothing of it. `number` is the connection's; `since`: when it was opened, in seconds since 1970.
    """

    number: int
    remote: str
    listener: str
    client_id: str | None
    software: str
    software_version: str
    since: float
    requests: int
    in_progress: int
    held_bytes: int


class Seen(Protocol):
    """Who talks over a connection, as far as the registry cares."""

    def view(self) -> ClientView: ...


class Peers:
    """`requests`: what was asked, by API key. `slow_s`: a request that takes longer is said in the log."""

    def __init__(self, limits: Limits | None = None, *, slow_s: float = DEFAULT_SLOW_S) -> None:
        self.limits = limits or Limits()
        self.slow_s = slow_s
        self.requests = {key: ApiCounts() for key in APIS}
        self.connections = ConnectionCounts()
        self.slow = Complaints(_log)
        self.budget = Budget(self.limits.max_total_bytes, reserve=self.limits.max_request_bytes)
        self.deadlines = Deadlines()
        self._freed = FreedMemory()
        self._connections: dict[Connection, Seen] = {}
        self._admission = Admission(self.limits.max_connections, self.limits.max_connections_per_host)
        self._sweep: asyncio.TimerHandle | None = None
        self._closing = False
        self._complaints = Complaints(_log)

    def __len__(self) -> int:
        return len(self._connections)

    def clients(self) -> Iterator[ClientView]:
        """Who is connected; take them all before anything is awaited."""
        return (client.view() for client in self._connections.values())

    def add(self, connection: Connection, client: Seen) -> bool:
        """False: there are too many, and this one is hung up."""
        self.connections.opened += 1
        if refusal := self._admission.refusal(connection.host):
            self.complain("%s: refusing the connection: %s", connection.remote, refusal)
            connection.ends(Ending.REFUSED)
            connection.abort()
            return False
        self._admission.enter(connection.host)
        self._connections[connection] = client
        if self._closing:
            connection.finish(Ending.STOPPING)
        elif self._sweep is None:
            self._sweep_later()
        return True

    def remove(self, connection: Connection) -> None:
        """It is gone."""
        self.connections.closed[connection.ending or Ending.CLIENT] += 1
        if self._connections.pop(connection, None) is not None:
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
        self._complaints.say(text, *values)

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
            connection.finish(Ending.STOPPING)
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
