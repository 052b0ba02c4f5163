"""Who may connect: so many at once, and so many of them from one address. Pure."""

from __future__ import annotations

from collections import Counter


class Admission:
    __slots__ = ("_by_host", "_count", "_max_connections", "_max_per_host")

    def __init__(self, max_connections: int, max_per_host: int) -> None:
        self._max_connections = max_connections
        self._max_per_host = max_per_host
        self._count = 0
        self._by_host: Counter[str] = Counter()

    def refusal(self, host: str) -> str | None:
        """Why a connection from `host` may not be taken now, if so."""
        if self._count >= self._max_connections:
            return f"there are {self._count} connections, as many as max.connections allows"
        if self._by_host[host] >= self._max_per_host:
            return f"{host} has {self._by_host[host]} connections, as many as max.connections.per.ip allows"
        return None

    def enter(self, host: str) -> None:
        self._count += 1
        self._by_host[host] += 1

    def leave(self, host: str) -> None:
        """One of those that entered is gone."""
        self._count -= 1
        self._by_host[host] -= 1
        if not self._by_host[host]:
            del self._by_host[host]
