"""The table of topic settings: what Kafka would take, what kov doesn't, and what partitions make of it."""

from __future__ import annotations

import pytest

from kov import broker_config_keys, record_contents, topic_config
from kov.config_keys import ConfigKey
from kov.topic_config import KEYS, TimestampType, TopicConfig


def test_the_bound_on_decompressed_bytes_that_is_told_is_the_one_that_holds() -> None:
    told = KEYS["max.decompressed.message.bytes"].default
    assert int(told) == record_contents.MAX_CONTENTS_BYTES


@pytest.mark.parametrize("key", KEYS.values(), ids=lambda key: key.name)
def test_every_default_may_be_written(key: ConfigKey) -> None:
    assert key.problem(key.default) is None
    assert key.documentation


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("retention.ms", "soon", "Not a number of type LONG"),
        ("retention.ms", "-2", "Value must be at least -1"),
        ("retention.ms", str(2**63), "Not a number of type LONG"),
        ("segment.bytes", str(2**31), "Not a number of type INT"),
        ("segment.bytes", "14", "Value must be at least 1048576"),
        ("preallocate", "yes", "Expected value to be either true or false"),
        ("min.cleanable.dirty.ratio", "1.5", "Value must be no more than 1"),
        ("min.cleanable.dirty.ratio", "nan", "Not a number of type DOUBLE"),
        ("min.insync.replicas", "0", "Value must be at least 1"),
        ("leader.replication.throttled.replicas", "0:1,*", "It must be the literal '*'"),
        ("follower.replication.throttled.replicas", "none", "It must be the literal '*'"),
        ("message.timestamp.type", "createtime", "String must be one of: CreateTime, LogAppendTime"),
        ("cleanup.policy", "compact,forget", "String must be one of: compact, delete"),
        (
            "compression.type",
            "brotli",
            "String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer",
        ),
        ("compression.type", "zstd", "kov stores batches as the producer compressed them"),
        ("compression.gzip.level", "0", "Value must be between 1 and 9 or equal to -1"),
        ("remote.storage.enable", "true", "Tiered storage is disabled"),
    ],
)
def test_a_value_is_refused_in_kafkas_words(name: str, value: str, reason: str) -> None:
    (problem,) = topic_config.problems({name: value})
    assert problem.startswith(f"Invalid value {value} for configuration {name}: {reason}")


def test_what_is_no_setting_or_null_is_refused() -> None:
    assert topic_config.problems({"retention": "1"}) == ["Unknown topic config name: retention"]
    nulls = topic_config.problems({"retention.ms": None, "flush.ms": None})
    assert nulls == ["Null value not supported for topic configs: flush.ms,retention.ms"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("retention.ms", " 86400000 "),
        ("cleanup.policy", "compact, delete"),
        ("cleanup.policy", ""),
        ("preallocate", "TRUE"),
        ("compression.gzip.level", "-1"),
    ],
)
def test_what_kafka_takes_is_taken(name: str, value: str) -> None:
    assert topic_config.problems({name: value}) == []


def test_partitions_act_on_what_is_written() -> None:
    written = {
        "max.message.bytes": "77",
        "message.timestamp.type": "LogAppendTime",
        "message.timestamp.before.max.ms": "1",
        "message.timestamp.after.max.ms": "2",
        "cleanup.policy": "delete,compact",
    }
    assert topic_config.from_text(written) == TopicConfig(
        max_message_bytes=77,
        timestamp_type=TimestampType.LOG_APPEND_TIME,
        timestamp_before_max_ms=1,
        timestamp_after_max_ms=2,
        compacted=True,
    )
    assert topic_config.from_text(written).written == written


def test_settings_that_this_program_does_not_understand_leave_the_default() -> None:
    written = {"max.message.bytes": "lots", "message.timestamp.type": "Sometimes", "of.tomorrow": "1"}
    assert topic_config.from_text(written) == TopicConfig() == topic_config.from_text({})


def test_every_default_of_topics_has_its_broker_setting() -> None:
    named = {key.broker_name for key in KEYS.values() if key.broker_name}
    assert named <= set(broker_config_keys.KEYS)
    assert broker_config_keys.KEYS["log.retention.ms"].default == "-1"
