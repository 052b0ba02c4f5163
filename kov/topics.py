"""What a Kafka topic is to kov: a name and a uuid over one Varlog topic and its log streams."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Final
from uuid import UUID, uuid5

from varlog_client.types import ClusterId, LogStreamId, TopicId

MAX_NAME_LENGTH: Final = 249
_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")
_NAMESPACE: Final = UUID("6a1c9d0e-3f57-5a0b-9c44-6b6f762d7631")

# Kafka's own default of message.max.bytes: 1 MiB and the 12 bytes of a record batch's log overhead.
DEFAULT_MAX_MESSAGE_BYTES: Final = 1_048_588


class TimestampType(Enum):
    CREATE_TIME = "CreateTime"
    LOG_APPEND_TIME = "LogAppendTime"


class Origin(Enum):
    """Who owns a topic: the mapping file, or the catalog (which alone can change at run time)."""

    FILE = "file"
    CATALOG = "catalog"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicConfig:
    max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES
    timestamp_type: TimestampType = TimestampType.CREATE_TIME


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """`log_streams[i]` is the log stream of partition `i`; there is no gap and no log stream twice."""

    name: str
    uuid: UUID
    topic_id: TopicId
    log_streams: tuple[LogStreamId, ...]
    origin: Origin
    config: TopicConfig = field(default_factory=TopicConfig)


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
