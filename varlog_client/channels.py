"""One gRPC channel per server address, all with the same options."""

from __future__ import annotations

import asyncio

import grpc.aio

_OPTIONS: list[tuple[str, int]] = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # Varlog's servers tolerate pings at any rate, also without calls. Ours find a peer that vanished
    # without closing its connection.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # Without this any ping, also those by which gRPC measures the line, is waited for a minute.
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # A restarted node is found again soon, and a frozen one doesn't hold a new connection for the usual 20 s.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.min_reconnect_backoff_ms", 2_000),
    # An append must not be sent again behind our back, and back-off must not be shared with other Logs.
    ("grpc.enable_retries", 0),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.service_config_disable_resolution", 1),
]


def open_channel(address: str) -> grpc.aio.Channel:
    """A plaintext channel to `address` (`HOST:PORT`), without message size limits; it connects when used."""
    return grpc.aio.insecure_channel(address, options=_OPTIONS)


class Channels:
    """The channels of one `Log`, made when first asked for."""

    def __init__(self) -> None:
        self._by_address: dict[str, grpc.aio.Channel] = {}

    def at(self, address: str) -> grpc.aio.Channel:
        channel = self._by_address.get(address)
        if channel is None:
            channel = self._by_address[address] = open_channel(address)
        return channel

    async def close(self) -> None:
        """Closes all channels; calls still under way on them are cancelled. Idempotent."""
        channels, self._by_address = self._by_address, {}
        await asyncio.gather(*(channel.close() for channel in channels.values()))
