"""The settings of a broker that clients and tools ask for, with values that are true of kov.

A node says its own values for some (`Broker.settings`); those of topics stand here under the broker's name as
well, as the defaults of topics. All are read only: what can be set at all is set in the mapping file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kov import topic_config_keys
from kov.config_keys import ConfigKey, ConfigType

_INT, _SHORT, _LONG, _BOOLEAN, _LIST, _STRING = (
    ConfigType.INT,
    ConfigType.SHORT,
    ConfigType.LONG,
    ConfigType.BOOLEAN,
    ConfigType.LIST,
    ConfigType.STRING,
)


def _key(name: str, kind: ConfigType, default: str, documentation: str) -> ConfigKey:
    return ConfigKey(name=name, type=kind, default=default, documentation=documentation)


_OWN: Final = (
    _key("node.id", _INT, "-1", "This node's number."),
    _key("broker.id", _INT, "-1", "This node's number."),
    _key("broker.rack", _STRING, "", "This node's rack."),
    _key("process.roles", _LIST, "broker", "Any node makes and changes topics; there are no controllers."),
    _key("listeners", _LIST, "", "Where this node listens."),
    _key("advertised.listeners", _LIST, "", "Where clients reach this node."),
    _key("listener.security.protocol.map", _STRING, "", "How clients speak to each listener."),
    _key("auto.create.topics.enable", _BOOLEAN, "false", "Whether asking for a topic makes it."),
    _key("num.partitions", _INT, "1", "How many partitions a topic gets whose maker doesn't say."),
    _key("default.replication.factor", _INT, "1", "Replicas as Kafka sees them; Varlog has its own."),
    _key("delete.topic.enable", _BOOLEAN, "true", "Topics made at run time can be deleted."),
    _key("log.dirs", _LIST, "varlog", "Records lie in Varlog."),
    _key("log.dir", _LIST, "varlog", "Records lie in Varlog."),
    _key("log.retention.minutes", _INT, "-1", "kov deletes nothing by itself."),
    _key("log.retention.hours", _INT, "-1", "kov deletes nothing by itself."),
    _key("log.cleaner.enable", _BOOLEAN, "false", "kov compacts nothing."),
    _key("log.roll.hours", _INT, "168", "There are no log files; kept for tools that ask."),
    _key("socket.request.max.bytes", _INT, "104857600", "The largest request that is taken."),
    _key("connections.max.idle.ms", _LONG, "600000", "When an idle connection is closed."),
    _key("max.connections", _INT, "2147483647", "The most connections; one more is closed at once."),
    _key("max.connections.per.ip", _INT, "2147483647", "The same from one address."),
    _key("fetch.max.bytes", _INT, "57671680", "The most that one fetch is answered with."),
    _key("producer.id.expiration.ms", _INT, "86400000", "When a silent producer is forgotten."),
    _key("transactional.id.expiration.ms", _INT, "604800000", "Transactions are not served."),
    _key("remote.log.storage.system.enable", _BOOLEAN, "false", "There is no tiered storage."),
    _key("auto.leader.rebalance.enable", _BOOLEAN, "false", "Every partition has one leader."),
    _key("authorizer.class.name", _STRING, "", "There is no authorizer."),
    _key("sasl.enabled.mechanisms", _LIST, "", "No authentication."),
    _key("offsets.topic.replication.factor", _SHORT, "1", "Groups are not served."),
    _key("offsets.retention.minutes", _INT, "-1", "Groups are not served."),
)


def _of_topics() -> dict[str, ConfigKey]:
    named = {}
    for key in topic_config_keys.KEYS.values():
        if key.broker_name is not None:
            named[key.broker_name] = _key(key.broker_name, key.type, key.default, key.documentation)
    return named


KEYS: Final[Mapping[str, ConfigKey]] = dict(sorted((_of_topics() | {key.name: key for key in _OWN}).items()))
"""Every broker setting by name, sorted."""
