"""Where kov answers admin requests otherwise than Apache Kafka, on purpose; see `allowed`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tests.apache_kafka.allowed import ALLOWED, INIT_PRODUCER_ID
from tests.apache_kafka.comparing import ABSENT, Allowed, Plain

FIND_COORDINATOR = 10
OFFSET_COMMIT, OFFSET_FETCH, JOIN_GROUP, CONSUMER_GROUP_HEARTBEAT = 8, 9, 11, 68
CREATE_TOPICS, DELETE_TOPICS, OFFSET_FOR_LEADER_EPOCH, DESCRIBE_CONFIGS = 19, 20, 23, 32
ALTER_CONFIGS, DESCRIBE_LOG_DIRS, CREATE_PARTITIONS, INCREMENTAL_ALTER_CONFIGS = 33, 35, 37, 44
DESCRIBE_CLUSTER, DESCRIBE_PRODUCERS, DESCRIBE_TOPIC_PARTITIONS = 60, 61, 75

_TOPIC_ENTRY: Final = r"(results|topics)\[[^\]]*[^\]\d][^\]]*\]\.configs\[(flush\.ms|min\.insync\.replicas|"
_TOPIC_ENTRY_END: Final = (
    r"retention\.ms|segment\.jitter\.ms|segment\.ms|max\.decompressed\.message\.bytes)\]"
)
_TOO_LATE: Final = r"(topics|responses|results)\[(soon.*|gone-early|gone-late|growing)\]\."


def _are(*pairs: tuple[Plain, Plain]) -> Callable[[Plain, Plain], bool]:
    return lambda kafka, kov: (kafka, kov) in pairs


def _kov_says(value: Plain) -> Callable[[Plain, Plain], bool]:
    return lambda _, kov: kov == value


def _both_say(kafka: Plain, kov: Plain) -> bool:
    return bool(kafka) and bool(kov)


def _topic_settings(field: str) -> str:
    return _TOPIC_ENTRY + _TOPIC_ENTRY_END + field


ADMIN_ALLOWED: Final = (
    *ALLOWED,
    Allowed("Cluster id", DESCRIBE_CLUSTER, r"cluster_id", lambda _, kov: len(str(kov)) == 22),
    Allowed("Leader epochs", OFFSET_FOR_LEADER_EPOCH, r".*\.end_offset", _are((2, 0), (0, -1))),
    Allowed("Topic settings", None, _topic_settings(r"\.(value|config_source|synonyms.*)"), _both_say),
    Allowed("Topic settings", None, _topic_settings(r"\.synonyms"), lambda kafka, _: kafka == []),
    Allowed("Settings of nodes", DESCRIBE_CONFIGS, r"results\[0?1\]\.configs\[[\w.]+\]", _kov_says(ABSENT)),
    Allowed(
        "Settings of nodes",
        DESCRIBE_CONFIGS,
        r"results\[0?1\]\.configs\[[\w.]+\]\.(value|config_source|synonyms.*)",
    ),
    Allowed("Settings of nodes", DESCRIBE_CONFIGS, r"results\[1\]\..*\.read_only", _kov_says(True)),
    Allowed(
        "Settings of nodes",
        ALTER_CONFIGS,
        r"responses\[(|1|77|x)\]\.error_code",
        _kov_says("policy_violation"),
    ),
    Allowed(
        "Settings of nodes",
        INCREMENTAL_ALTER_CONFIGS,
        r"responses\[(|1|77|x)\]\.error_code",
        _kov_says("policy_violation"),
    ),
    Allowed(
        "Recompression",
        CREATE_TOPICS,
        r"topics\[recompressed\]\..*",
        lambda _, kov: kov in ("invalid_config", -1, [], None) or "producer" in str(kov),
    ),
    Allowed("Documentation of settings", DESCRIBE_CONFIGS, r".*\.documentation", _both_say),
    Allowed("Client metrics", DESCRIBE_CONFIGS, r"results\[(no-such-metrics|x)\]\.configs", _kov_says([])),
    Allowed(
        "Unknown operations",
        INCREMENTAL_ALTER_CONFIGS,
        r".*\.error_code",
        _are(("unknown_server_error", "invalid_request")),
    ),
    Allowed("Checked topics", CREATE_TOPICS, r".*\.topic_id", _are(("<id>", None))),
    Allowed(
        "No time",
        CREATE_TOPICS,
        _TOO_LATE + ".*",
        lambda kafka, _: kafka in ("request_timed_out", [], -1, None),
    ),
    Allowed(
        "No time", DELETE_TOPICS, _TOO_LATE + ".*", lambda kafka, _: kafka in ("request_timed_out", None)
    ),
    Allowed("No time", CREATE_PARTITIONS, _TOO_LATE + "error_code", _are(("request_timed_out", "none"))),
    Allowed("Storage", DESCRIBE_LOG_DIRS, r"results\[none\]\.(log_dir|total_bytes|usable_bytes)"),
    Allowed(
        "Storage", DESCRIBE_LOG_DIRS, r".*\.partition_size", lambda _, kov: isinstance(kov, int) and kov > 0
    ),
    Allowed("Producers' times", DESCRIBE_PRODUCERS, r".*\.last_timestamp", _kov_says(-1)),
    Allowed(
        "Impossible names",
        DESCRIBE_TOPIC_PARTITIONS,
        r"topics\[(|\.|a b|x+|missing)\]\.error_code",
        lambda kafka, kov: kafka == "unknown_server_error" and kov != "none",
    ),
    Allowed(
        "Impossible names",
        DESCRIBE_TOPIC_PARTITIONS,
        r"topics\[(|\.|a b|x+|missing)\]\.topic_authorized_operations",
        _are((-(2**31), 3576)),
    ),
)

COORDINATION_ALLOWED: Final = (
    *ALLOWED,
    Allowed(
        "Consumer groups",
        FIND_COORDINATOR,
        r"(coordinators\[(a group|)\]\.)?(node_id|host|port)",
        lambda _, kov: kov not in (-1, ""),
    ),
    Allowed(
        "Consumer groups",
        FIND_COORDINATOR,
        r"(coordinators\[(a group|)\]\.)?error_code",
        lambda kafka, kov: (kafka, kov) == ("coordinator_not_available", "none"),
    ),
    Allowed(
        "Consumer groups",
        FIND_COORDINATOR,
        r"(coordinators\[(a group|)\]\.)?error_message",
        lambda kafka, kov: bool(kafka) and kov in ("NONE", ""),
    ),
    *(
        Allowed("Consumer groups", key, r".*error_code", _kov_says("group_authorization_failed"))
        for key in (OFFSET_COMMIT, OFFSET_FETCH, JOIN_GROUP, CONSUMER_GROUP_HEARTBEAT)
    ),
    Allowed("Consumer groups", OFFSET_FETCH, r"topics\[plain\].*\.committed_offset", _kov_says(-1)),
    Allowed("Consumer groups", OFFSET_FETCH, r"(groups\[a group\]\.)?topics", _kov_says([])),
    Allowed(
        "Transactions",
        FIND_COORDINATOR,
        r"(coordinators\[(a transaction|)\]\.)?(error_code|node_id|host|port)",
        lambda _, kov: kov in ("transactional_id_authorization_failed", -1, ""),
    ),
    Allowed(
        "Transactions",
        INIT_PRODUCER_ID,
        r"error_code|producer_id|producer_epoch",
        lambda _, kov: kov in ("transactional_id_authorization_failed", -1),
    ),
)
"""For what coordinators answer: Kafka has some."""
