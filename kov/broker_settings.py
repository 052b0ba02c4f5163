"""What one node says of itself when a client asks for the broker's settings."""

from __future__ import annotations

import math
from collections.abc import Mapping

from kov.config import Config, ConnectionLimits, NodeConfig
from kov.wire.limits import Limits


def wire_limits(configured: ConnectionLimits) -> Limits:
    """What the file says and, of all else, the built-in bounds."""
    return Limits(
        max_idle_s=math.inf if configured.max_idle_ms < 0 else configured.max_idle_ms / 1000,
        max_connections=configured.max_connections,
        max_connections_per_host=configured.max_connections_per_ip,
    )


def slow_s(config: Config) -> float:
    """A request that takes longer is said in the log."""
    return math.inf if config.slow_request_ms < 0 else config.slow_request_ms / 1000


def broker_settings(config: Config, node: NodeConfig) -> Mapping[str, str]:
    """By Kafka's names; the others are the same on every node (`kov.broker_config_keys`)."""
    bound = [f"{name}://{each.bind}" for name, each in node.listeners.items()]
    advertised = [f"{name}://{each.advertise}" for name, each in node.listeners.items()]
    return {
        "node.id": str(node.node_id),
        "broker.id": str(node.node_id),
        "broker.rack": node.rack or "",
        "listeners": ",".join(bound),
        "advertised.listeners": ",".join(advertised),
        "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in node.listeners),
        "auto.create.topics.enable": str(config.auto_create.enabled).lower(),
        "num.partitions": str(config.auto_create.partitions),
        "socket.request.max.bytes": str(wire_limits(config.limits).max_request_bytes),
        "connections.max.idle.ms": str(config.limits.max_idle_ms),
        "max.connections": str(config.limits.max_connections),
        "max.connections.per.ip": str(config.limits.max_connections_per_ip),
    }
