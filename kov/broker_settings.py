"""What one node says of itself when a client asks for the broker's settings."""

from __future__ import annotations

from collections.abc import Mapping

from kov.config import Config, NodeConfig
from kov.wire.limits import Limits


def broker_settings(config: Config, node: NodeConfig, limits: Limits | None = None) -> Mapping[str, str]:
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
        "socket.request.max.bytes": str((limits or Limits()).max_request_bytes),
    }
