"""The table of a topic's settings; see `kov.topic_config`.

What a broker does with files, deletion and replication is Varlog's business or nobody's here: such values are
checked as Kafka checks them, kept and told, and change nothing. Values that would promise what kov doesn't do
to a record (recompression, tiered storage) are refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from kov.config_keys import ConfigKey, ConfigType, at_least, between, both, each_of, items, one_of, only

# Kafka's own default of message.max.bytes: 1 MiB and the 12 bytes of a record batch's log overhead.
DEFAULT_MAX_MESSAGE_BYTES: Final = 1_048_588
NO_BOUND_MS: Final = 2**63 - 1
DEFAULT_TIMESTAMP_AFTER_MAX_MS: Final = 3_600_000

MAX_MESSAGE_BYTES: Final = "max.message.bytes"
TIMESTAMP_TYPE: Final = "message.timestamp.type"
TIMESTAMP_BEFORE_MAX_MS: Final = "message.timestamp.before.max.ms"
TIMESTAMP_AFTER_MAX_MS: Final = "message.timestamp.after.max.ms"
CLEANUP_POLICY: Final = "cleanup.policy"
COMPRESSION_TYPE: Final = "compression.type"
MIN_COMPACTION_LAG_MS: Final = "min.compaction.lag.ms"
MAX_COMPACTION_LAG_MS: Final = "max.compaction.lag.ms"

_KEPT_ONLY: Final = " Kept and told; kov does nothing with it."
_NOT_DELETED: Final = " Kept and told: kov deletes nothing by itself, -1 is what is true."
_CODECS: Final = ("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer")
_MAX_LONG: Final = str(2**63 - 1)

_INT, _LONG, _BOOLEAN, _LIST, _STRING, _DOUBLE = (
    ConfigType.INT,
    ConfigType.LONG,
    ConfigType.BOOLEAN,
    ConfigType.LIST,
    ConfigType.STRING,
    ConfigType.DOUBLE,
)

_ACTED_ON: Final = (
    ConfigKey(
        name=MAX_MESSAGE_BYTES,
        type=_INT,
        default=str(DEFAULT_MAX_MESSAGE_BYTES),
        broker_name="message.max.bytes",
        documentation="The largest record batch that is taken, in bytes.",
        acted_on=True,
        allowed=at_least(0),
    ),
    ConfigKey(
        name=TIMESTAMP_TYPE,
        type=_STRING,
        default="CreateTime",
        broker_name="log.message.timestamp.type",
        documentation="Whether a record's time is the producer's (CreateTime) or the time it was appended.",
        acted_on=True,
        allowed=one_of("CreateTime", "LogAppendTime"),
    ),
    ConfigKey(
        name=TIMESTAMP_BEFORE_MAX_MS,
        type=_LONG,
        default=_MAX_LONG,
        broker_name="log.message.timestamp.before.max.ms",
        documentation="How far a record's time may lie before the time it is appended.",
        acted_on=True,
        allowed=at_least(0),
    ),
    ConfigKey(
        name=TIMESTAMP_AFTER_MAX_MS,
        type=_LONG,
        default=str(DEFAULT_TIMESTAMP_AFTER_MAX_MS),
        broker_name="log.message.timestamp.after.max.ms",
        documentation="How far a record's time may lie behind the time it is appended.",
        acted_on=True,
        allowed=at_least(0),
    ),
    ConfigKey(
        name=CLEANUP_POLICY,
        type=_LIST,
        default="delete",
        broker_name="log.cleanup.policy",
        documentation="With compact, records need a key. kov neither deletes nor compacts: all is kept.",
        acted_on=True,
        allowed=each_of("compact", "delete"),
    ),
    ConfigKey(
        name=COMPRESSION_TYPE,
        type=_STRING,
        default="producer",
        broker_name="compression.type",
        documentation="Batches are stored as the producer compressed them.",
        acted_on=True,
        allowed=both(
            one_of(*_CODECS),
            only("producer", "kov stores batches as the producer compressed them; only producer is possible"),
        ),
    ),
    ConfigKey(
        name="remote.storage.enable",
        type=_BOOLEAN,
        default="false",
        documentation="Tiered storage: there is none.",
        acted_on=True,
        allowed=lambda value: only(
            "false", "Tiered storage is disabled, so a topic can't be configured with it"
        )(value.lower()),
    ),
)

_FILES: Final = (
    ConfigKey(
        name="segment.bytes", type=_INT, default="1073741824", broker_name="log.segment.bytes",
        documentation="Size of a log file." + _KEPT_ONLY, allowed=at_least(1024 * 1024),
    ),
    ConfigKey(
        name="segment.ms", type=_LONG, default="604800000", broker_name="log.roll.ms",
        documentation="Age of a log file." + _KEPT_ONLY, allowed=at_least(1),
    ),
    ConfigKey(
        name="segment.jitter.ms", type=_LONG, default="0", broker_name="log.roll.jitter.ms",
        documentation="Jitter of the age of a log file." + _KEPT_ONLY, allowed=at_least(0),
    ),
    ConfigKey(
        name="segment.index.bytes", type=_INT, default="10485760", broker_name="log.index.size.max.bytes",
        documentation="Size of an index file." + _KEPT_ONLY, allowed=at_least(4),
    ),
    ConfigKey(
        name="index.interval.bytes", type=_INT, default="4096", broker_name="log.index.interval.bytes",
        documentation="Bytes between entries of an index file." + _KEPT_ONLY, allowed=at_least(0),
    ),
    ConfigKey(
        name="file.delete.delay.ms", type=_LONG, default="60000", broker_name="log.segment.delete.delay.ms",
        documentation="Pause before a file is removed." + _KEPT_ONLY, allowed=at_least(0),
    ),
    ConfigKey(
        name="preallocate", type=_BOOLEAN, default="false", broker_name="log.preallocate",
        documentation="Whether log files are preallocated." + _KEPT_ONLY,
    ),
    ConfigKey(
        name="flush.messages", type=_LONG, default=_MAX_LONG, broker_name="log.flush.interval.messages",
        documentation="Records between syncs, which are Varlog's." + _KEPT_ONLY, allowed=at_least(1),
    ),
    ConfigKey(
        name="flush.ms", type=_LONG, default=_MAX_LONG, broker_name="log.flush.interval.ms",
        documentation="Time between syncs, which are Varlog's." + _KEPT_ONLY, allowed=at_least(0),
    ),
)  # fmt: skip

_KEEPING: Final = (
    ConfigKey(
        name="retention.ms", type=_LONG, default="-1", broker_name="log.retention.ms",
        documentation="How long records are kept." + _NOT_DELETED, allowed=at_least(-1),
    ),
    ConfigKey(
        name="retention.bytes", type=_LONG, default="-1", broker_name="log.retention.bytes",
        documentation="How much of a partition is kept." + _NOT_DELETED,
    ),
    ConfigKey(
        name="local.retention.ms", type=_LONG, default="-2", broker_name="log.local.retention.ms",
        documentation="Like retention.ms, with tiered storage." + _KEPT_ONLY, allowed=at_least(-2),
    ),
    ConfigKey(
        name="local.retention.bytes", type=_LONG, default="-2", broker_name="log.local.retention.bytes",
        documentation="Like retention.bytes, with tiered storage." + _KEPT_ONLY, allowed=at_least(-2),
    ),
    ConfigKey(
        name="remote.log.copy.disable", type=_BOOLEAN, default="false",
        documentation="Of tiered storage." + _KEPT_ONLY,
    ),
    ConfigKey(
        name="remote.log.delete.on.disable", type=_BOOLEAN, default="false",
        documentation="Of tiered storage." + _KEPT_ONLY,
    ),
    ConfigKey(
        name="remote.copy.lag.ms", type=_LONG, default="0", broker_name="log.remote.copy.lag.ms",
        documentation="Of tiered storage." + _KEPT_ONLY, allowed=at_least(-2),
    ),
    ConfigKey(
        name="remote.copy.lag.bytes", type=_LONG, default="-1", broker_name="log.remote.copy.lag.bytes",
        documentation="Of tiered storage." + _KEPT_ONLY, allowed=at_least(-2),
    ),
    ConfigKey(
        name="delete.retention.ms", type=_LONG, default="86400000",
        broker_name="log.cleaner.delete.retention.ms",
        documentation="How long compaction keeps deletions." + _KEPT_ONLY, allowed=at_least(0),
    ),
    ConfigKey(
        name=MIN_COMPACTION_LAG_MS, type=_LONG, default="0",
        broker_name="log.cleaner.min.compaction.lag.ms",
        documentation="How long a record isn't compacted." + _KEPT_ONLY, allowed=at_least(0),
    ),
    ConfigKey(
        name=MAX_COMPACTION_LAG_MS, type=_LONG, default=_MAX_LONG,
        broker_name="log.cleaner.max.compaction.lag.ms",
        documentation="When a record is compacted at the latest." + _KEPT_ONLY, allowed=at_least(1),
    ),
    ConfigKey(
        name="min.cleanable.dirty.ratio", type=_DOUBLE, default="0.5",
        broker_name="log.cleaner.min.cleanable.ratio",
        documentation="When a log is compacted." + _KEPT_ONLY, allowed=between(0, 1),
    ),
)  # fmt: skip

_RECORDS: Final = (
    ConfigKey(
        name="max.decompressed.message.bytes", type=_INT, default="67108864",
        broker_name="max.decompressed.message.bytes",
        documentation="The most that a batch may hold, where records are read." + _KEPT_ONLY,
        allowed=at_least(1),
    ),
    ConfigKey(
        name="errors.deadletterqueue.group.enable", type=_BOOLEAN, default="false",
        documentation="Of share groups, which aren't served." + _KEPT_ONLY,
    ),
)  # fmt: skip


def _throttled(value: str) -> str | None:
    replicas = items(value)
    if replicas == ["*"] or all(re.fullmatch(r"([0-9]+:[0-9]+)?", each) for each in replicas):
        return None
    return "It must be the literal '*' or a list of replicas as in 0:101,1:102"


_REPLICAS: Final = (
    ConfigKey(
        name="min.insync.replicas", type=_INT, default="1", broker_name="min.insync.replicas",
        documentation="Varlog acknowledges when every replica of a log stream has an entry." + _KEPT_ONLY,
        allowed=at_least(1),
    ),
    ConfigKey(
        name="unclean.leader.election.enable", type=_BOOLEAN, default="false",
        broker_name="unclean.leader.election.enable",
        documentation="Varlog has no unclean election." + _KEPT_ONLY,
    ),
    ConfigKey(
        name="leader.replication.throttled.replicas", type=_LIST, default="",
        documentation="Replication is Varlog's." + _KEPT_ONLY, allowed=_throttled,
    ),
    ConfigKey(
        name="follower.replication.throttled.replicas", type=_LIST, default="",
        documentation="Replication is Varlog's." + _KEPT_ONLY, allowed=_throttled,
    ),
    ConfigKey(
        name="compression.gzip.level", type=_INT, default="-1", broker_name="compression.gzip.level",
        documentation="kov compresses nothing." + _KEPT_ONLY,
        allowed=lambda value: None if int(value) != 0 and not between(-1, 9)(value) else
        "Value must be between 1 and 9 or equal to -1",
    ),
    ConfigKey(
        name="compression.lz4.level", type=_INT, default="9", broker_name="compression.lz4.level",
        documentation="kov compresses nothing." + _KEPT_ONLY, allowed=between(1, 17),
    ),
    ConfigKey(
        name="compression.zstd.level", type=_INT, default="3", broker_name="compression.zstd.level",
        documentation="kov compresses nothing." + _KEPT_ONLY, allowed=between(-131072, 22),
    ),
)  # fmt: skip

KEYS: Final[Mapping[str, ConfigKey]] = {
    key.name: key
    for key in sorted((*_ACTED_ON, *_FILES, *_KEEPING, *_RECORDS, *_REPLICAS), key=lambda key: key.name)
}
"""Every topic setting by name, sorted."""
