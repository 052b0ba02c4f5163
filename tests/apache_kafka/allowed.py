"""Where kov answers otherwise than Apache Kafka, on purpose. Each title stands in docs/protocol.md."""

from __future__ import annotations

from typing import Final

from tests.apache_kafka.comparing import ABSENT, Allowed, Plain

PRODUCE, METADATA, API_VERSIONS, INIT_PRODUCER_ID = 0, 3, 18, 22


def _says_more(kafka: Plain, kov: Plain) -> bool:
    """Texts are kov's own; a text where Kafka has none is welcome, none where Kafka has one isn't."""
    return isinstance(kov, str) and bool(kov)


def _is_higher_epoch(kafka: Plain, kov: Plain) -> bool:
    """kov raises the epoch whenever a partition is opened for writing; -1: not known here."""
    return isinstance(kov, int) and kov != kafka


ALLOWED: Final = (
    Allowed("Texts of errors", None, r".*error_message", _says_more),
    Allowed("Leader epochs", None, r".*leader_epoch", _is_higher_epoch),
    Allowed("Cluster id", METADATA, r"cluster_id", lambda _, kov: isinstance(kov, str) and len(kov) == 22),
    Allowed("APIs", API_VERSIONS, r"api_keys\[\d+\]", lambda _, kov: kov == ABSENT),
    Allowed("APIs", API_VERSIONS, r"api_keys\[18\]\.max_version", lambda kafka, kov: (kafka, kov) == (5, 4)),
    Allowed("Features", API_VERSIONS, r"(supported|finalized)_features.*"),
    Allowed("Producer ids", INIT_PRODUCER_ID, r"producer_id", lambda kafka, kov: 0 <= int(str(kov)) < 2**62),
)

SPARED: Final = Allowed("Neighbours of an unreadable batch", PRODUCE, r"responses\[.*plain.*\].*\[[01]\].*")
"""For a row that makes Kafka refuse the whole request because it can't read one batch of it."""
