"""The settings of a topic: one table (`KEYS`) for the mapping file, the admin APIs and the partitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from kov.config_keys import items
from kov.topic_config_keys import (
    CLEANUP_POLICY,
    DEFAULT_MAX_MESSAGE_BYTES,
    DEFAULT_TIMESTAMP_AFTER_MAX_MS,
    KEYS,
    MAX_COMPACTION_LAG_MS,
    MAX_MESSAGE_BYTES,
    MIN_COMPACTION_LAG_MS,
    NO_BOUND_MS,
    TIMESTAMP_AFTER_MAX_MS,
    TIMESTAMP_BEFORE_MAX_MS,
    TIMESTAMP_TYPE,
)

__all__ = [
    "DEFAULT_MAX_MESSAGE_BYTES",
    "DEFAULT_TIMESTAMP_AFTER_MAX_MS",
    "KEYS",
    "NO_BOUND_MS",
    "TIMESTAMP_AFTER_MAX_MS",
    "TIMESTAMP_BEFORE_MAX_MS",
    "TimestampType",
    "TopicConfig",
    "conflicts",
    "from_text",
    "problem",
    "problems",
]


class TimestampType(Enum):
    CREATE_TIME = "CreateTime"
    LOG_APPEND_TIME = "LogAppendTime"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicConfig:
    """What a partition acts on. `written` are the settings as somebody wrote them, others included;
    they are no part of equality."""

    max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES
    timestamp_type: TimestampType = TimestampType.CREATE_TIME
    timestamp_before_max_ms: int = NO_BOUND_MS
    timestamp_after_max_ms: int = DEFAULT_TIMESTAMP_AFTER_MAX_MS
    compacted: bool = False
    written: Mapping[str, str] = field(default_factory=dict, compare=False)


def problems(written: Mapping[str, str | None]) -> list[str]:
    """Why these settings can't be a topic's, in Kafka's words; empty if they can."""
    if nulls := sorted(name for name, value in written.items() if value is None):
        return [f"Null value not supported for topic configs: {','.join(nulls)}"]
    return [
        reason for name, value in written.items() if value is not None and (reason := problem(name, value))
    ]


def conflicts(written: Mapping[str, str]) -> list[str]:
    """Why these settings, each of them a good one, can't stand together."""
    lags = [
        int(written.get(name, KEYS[name].default)) for name in (MIN_COMPACTION_LAG_MS, MAX_COMPACTION_LAG_MS)
    ]
    if lags[0] <= lags[1]:
        return []
    return [
        f"conflict topic config setting {MIN_COMPACTION_LAG_MS} ({lags[0]}) > "
        f"{MAX_COMPACTION_LAG_MS} ({lags[1]})"
    ]


def problem(name: str, value: str) -> str | None:
    """The same for one setting."""
    key = KEYS.get(name)
    return f"Unknown topic config name: {name}" if key is None else key.problem(value)


def from_text(written: Mapping[str, str]) -> TopicConfig:
    """Never raises: names that this program doesn't know and values it would refuse leave the default."""

    def value(name: str) -> str:
        given = written.get(name)
        return KEYS[name].default if given is None or problem(name, given) else given.strip()

    return TopicConfig(
        max_message_bytes=int(value(MAX_MESSAGE_BYTES)),
        timestamp_type=TimestampType(value(TIMESTAMP_TYPE)),
        timestamp_before_max_ms=int(value(TIMESTAMP_BEFORE_MAX_MS)),
        timestamp_after_max_ms=int(value(TIMESTAMP_AFTER_MAX_MS)),
        compacted="compact" in items(value(CLEANUP_POLICY)),
        written=dict(written),
    )
