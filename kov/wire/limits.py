"""What one connection and all of them together may make the server hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MIB: Final = 1024 * 1024
NO_BOUND: Final = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Sizes in bytes, times in seconds.

    max_request_bytes: Kafka's `socket.request.max.bytes`; a larger request closes its connection.
    max_connection_bytes, max_connection_requests: requests taken and not yet answered, per connection, and
    the bytes of a large answer that its peer has yet to take;
    max_total_bytes: the same over all connections, large requests that are still arriving, and the batches
    that partitions hold, whether their requests are answered or not. Past any of them the socket isn't read.
    linger_s: how long a peer that is to go may take nothing of what was answered.
    max_idle_s: Kafka's `connections.max.idle.ms`; infinite: for ever. The connection of a peer that has no
    request in progress and asks for nothing whole, or that takes nothing of its answers, ends then.
    stalled_s: the latter, and the time for a large request that doesn't arrive, while the server is out of
    bytes: others need them.
    max_connections, max_connections_per_host: Kafka's `max.connections` and `max.connections.per.ip`.
    """

    max_request_bytes: int = 100 * MIB
    max_connection_bytes: int = 64 * MIB
    max_connection_requests: int = 100
    max_total_bytes: int = 512 * MIB
    linger_s: float = 5.0
    max_idle_s: float = 600.0
    stalled_s: float = 10.0
    max_connections: int = NO_BOUND
    max_connections_per_host: int = NO_BOUND
