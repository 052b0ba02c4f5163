"""What Kafka's log refuses of a batch, in Kafka's order: `UnifiedLog`, then `LogValidator`. Pure.

The checks are made of the header. Records are read where a topic's configuration asks for it, being compacted
or bounding timestamps, and where the header says that Kafka would refuse some of them.
"""

from __future__ import annotations

from typing import Final

from kio.schema.errors import ErrorCode

from kov import record_contents
from kov.errors import BadRecord, KafkaError, RecordsRefused
from kov.records import (
    CODEC_ZSTD,
    CONTROL_BIT,
    LOG_APPEND_TIME_BIT,
    BatchHeader,
    checksum,
    read_header,
    with_create_time,
)
from kov.topic_config import TIMESTAMP_AFTER_MAX_MS, TIMESTAMP_BEFORE_MAX_MS, TimestampType, TopicConfig

_NO_TIMESTAMP: Final = -1
_MAX_LISTED: Final = 1000  # of the bad records of one batch


def check(batch: bytes, header: BatchHeader, config: TopicConfig, now_ms: int) -> tuple[bytes, BatchHeader]:
    """The batch to store and its header: the same ones, but for a timestamp type that isn't the topic's.

    `header` is what `records.parse` returned for `batch`. Raises `KafkaError`.
    """
    if header.base_offset != 0:
        raise _invalid(f"the base offset of a new batch must be 0, not {header.base_offset}")
    if len(batch) > config.max_message_bytes:
        raise KafkaError(
            ErrorCode.message_too_large,
            f"the record batch has {len(batch)} bytes, max.message.bytes allows {config.max_message_bytes}",
        )
    if checksum(batch) != header.crc:
        raise KafkaError(ErrorCode.corrupt_message, "the record batch doesn't match its checksum")
    if header.codec > CODEC_ZSTD:
        raise KafkaError(ErrorCode.unknown_server_error, f"unknown compression codec {header.codec}")
    _check_counts(header)
    if _is_suspicious(header, config, now_ms):
        _check_records(batch, header, config, now_ms)
    if header.attributes & LOG_APPEND_TIME_BIT and config.timestamp_type is TimestampType.CREATE_TIME:
        batch = with_create_time(batch, header)
        header = read_header(batch)
    return batch, header


def _check_counts(header: BatchHeader) -> None:
    if header.record_count <= 0 or header.last_offset_delta != header.record_count - 1:
        raise _invalid(
            f"the batch counts {header.record_count} records, but ends at offset {header.last_offset_delta}"
        )
    if header.attributes & CONTROL_BIT:
        raise _invalid("clients are not allowed to write control batches")
    if header.idempotent and header.base_sequence < 0:
        raise _invalid(f"producer id {header.producer_id} comes with the sequence {header.base_sequence}")


def _invalid(message: str) -> KafkaError:
    return KafkaError(ErrorCode.invalid_record, message)


def _is_suspicious(header: BatchHeader, config: TopicConfig, now_ms: int) -> bool:
    """Whether the records have to be read."""
    if config.compacted:
        return True
    stamped = header.attributes & LOG_APPEND_TIME_BIT
    if config.timestamp_type is TimestampType.LOG_APPEND_TIME:
        return bool(stamped)
    return (
        header.max_timestamp > now_ms + config.timestamp_after_max_ms
        or bool(stamped and header.max_timestamp == _NO_TIMESTAMP)
        or TIMESTAMP_BEFORE_MAX_MS in config.written
        or TIMESTAMP_AFTER_MAX_MS in config.written
    )


def _check_records(batch: bytes, header: BatchHeader, config: TopicConfig, now_ms: int) -> None:
    bad, code = [], ErrorCode.invalid_record
    for index, record in enumerate(record_contents.read(batch, header)):
        if config.compacted and not record.has_key:
            bad.append(BadRecord(index, "a record of a compacted topic needs a key"))
        elif (problem := _time_problem(record.timestamp_ms, header, config, now_ms)) is not None:
            bad.append(BadRecord(index, problem))
            code = ErrorCode.invalid_timestamp
    if bad:
        text = f"{len(bad)} of {header.record_count} records are refused, the first: {bad[0].message}"
        raise RecordsRefused(code, text, tuple(bad[:_MAX_LISTED]))


def _time_problem(time_ms: int, header: BatchHeader, config: TopicConfig, now_ms: int) -> str | None:
    if config.timestamp_type is TimestampType.CREATE_TIME and time_ms != _NO_TIMESTAMP:
        earliest, latest = now_ms - config.timestamp_before_max_ms, now_ms + config.timestamp_after_max_ms
        if earliest <= time_ms <= latest:
            return None
        return f"the timestamp {time_ms} is not between {earliest} and {latest}"
    if header.attributes & LOG_APPEND_TIME_BIT:
        return "a producer must not set the timestamp type LogAppendTime"
    return None
