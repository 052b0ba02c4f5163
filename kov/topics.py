"""What a Kafka topic is to kov: a name and a uuid over one Varlog topic and its log streams."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Final
from uuid import UUID, uuid5

from kov.topic_config import DEFAULT_MAX_MESSAGE_BYTES, TimestampType, TopicConfig
from varlog_client.types import ClusterId, LogStreamId, TopicId

__all__ = [
    "DEFAULT_MAX_MESSAGE_BYTES",
    "MAX_NAME_LENGTH",
    "Origin",
    "TimestampType",
    "Topic",
    "TopicConfig",
    "invalid_name",
    "uuid_of_mapped",
]

MAX_NAME_LENGTH: Final = 249
_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")
_NAMESPACE: Final = UUID("6a1c9d0e-3f57-5a0b-9c44-6b6f762d7631")


class Origin(Enum):
    """Who owns a topic: the mapping file, or the catalog (which alone can change at run time)."""

    FILE = "file"
    CATALOG = "catalog"


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """`log_streams[i]` is the log stream of partition `i`; there is no gap and no log stream twice.

    `where` names the place in the mapping file, for people; None for a topic of the catalog.
    """

    name: str
    uuid: UUID
    topic_id: TopicId
    log_streams: tuple[LogStreamId, ...]
    origin: Origin
    config: TopicConfig = field(default_factory=TopicConfig)
    where: str | None = None


def invalid_name(name: str) -> str | None:
    """Why Kafka would refuse the topic name, or None. The rules are those of Kafka's `Topic.validate`."""
    if not name:
        return "the topic name is empty"
    if name in {".", ".."}:
        return "the topic name can't be '.' or '..'"
    if len(name) > MAX_NAME_LENGTH:
        return f"the topic name is {len(name)} characters long, at most {MAX_NAME_LENGTH} are allowed"
    if not _NAME.fullmatch(name):
        return "a topic name consists of ASCII letters, digits, '.', '_' and '-'"
    return None


def uuid_of_mapped(cluster_id: ClusterId, topic_id: TopicId, name: str) -> UUID:
    """The uuid of a topic of the mapping file: the same on every node and after every restart."""
    return uuid5(_NAMESPACE, f"{cluster_id}/{topic_id}/{name}")
