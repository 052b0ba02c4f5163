"""What one connection and all of them together may make the server hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Sizes in bytes, times in seconds.

    max_request_bytes: Kafka's `socket.request.max.bytes`; a larger request closes its connection.
    max_connection_bytes, max_connection_requests: requests taken and not yet answered, per connection;
    max_total_bytes: the same over all connections, and the batches that partitions hold, whether their
    requests are answered or not. Past any of them the socket isn't read.
    linger_s: how long a peer that is to go may take nothing of what was answered.
    """

    max_request_bytes: int = 100 * MIB
    max_connection_bytes: int = 64 * MIB
    max_connection_requests: int = 100
    max_total_bytes: int = 512 * MIB
    linger_s: float = 5.0
