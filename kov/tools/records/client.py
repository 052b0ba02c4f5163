"""What `kov produce` and `kov cat` share of the Kafka client."""

from __future__ import annotations

import time
from typing import Final, Protocol

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import ClusterMetadata

from kov.errors import CannotStart, ConfigError
from kov.topics import invalid_name

CALL_S: Final = 5.0
_CREATION_S: Final = 30.0
_POLL_S: Final = 0.1
_TURN_S: Final = 1.0

Settings = dict[str, str | int | float | bool]


class Client(Protocol):
    def list_topics(self, topic: str, timeout: float) -> ClusterMetadata: ...


def settings(bootstrap: str) -> Settings:
    """librdkafka's own log lines would stand between ours; what matters of them is raised as well."""
    return {"bootstrap.servers": bootstrap, "client.id": "kov-cli", "log_level": 0}


def partitions_of(client: Client, bootstrap: str, topic: str) -> list[int]:
    """Waits while the topic is being made. Raises ConfigError, CannotStart where nobody answers."""
    if reason := invalid_name(topic):
        raise ConfigError(f"{topic!r}: {reason}")
    deadline = time.monotonic() + _CREATION_S
    while time.monotonic() < deadline:
        found = _metadata(client, bootstrap, topic).topics[topic]
        if found.partitions:
            return sorted(found.partitions)
        if found.error is not None and found.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise ConfigError(f"there is no topic {topic!r} at {bootstrap}")
        time.sleep(_POLL_S)
    raise CannotStart(f"the topic {topic} was not made within {_CREATION_S:g} s; look at kov's log")


def _metadata(client: Client, bootstrap: str, topic: str) -> ClusterMetadata:
    """Asks in short turns, between which Ctrl-C is heard. Raises CannotStart."""
    deadline = time.monotonic() + CALL_S
    while True:
        try:
            return client.list_topics(topic, timeout=_TURN_S)
        except KafkaException as error:
            if time.monotonic() > deadline:
                raise CannotStart(
                    f"{bootstrap} does not answer as a Kafka server ({reason_of(error)}); "
                    "is kov running there? Name another one with --bootstrap"
                ) from None


def checked_partition(partitions: list[int], topic: str, wanted: int) -> int:
    """Raises ConfigError."""
    if wanted not in partitions:
        raise ConfigError(f"{topic} has the partitions 0 to {partitions[-1]}")
    return wanted


def reason_of(error: KafkaException) -> str:
    """In words, without the repr of a Python object."""
    told = error.args[0] if error.args else None
    return told.str() if isinstance(told, KafkaError) else str(error)
