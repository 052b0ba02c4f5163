"""The batch header: what parses, what Kafka refuses and in which order, what a stamp changes."""

from __future__ import annotations

import pytest
from aiokafka.record.default_records import DefaultRecordBatch
from kio.schema.errors import ErrorCode

from kov import records
from kov.errors import KafkaError
from tests.builders import batch, idempotent, patched

GOOD = batch([b"a", b"b", b"c"])


def refusal(data: bytes, max_message_bytes: int = 1_048_588) -> ErrorCode:
    with pytest.raises(KafkaError) as caught:
        records.check(data, records.parse(data), max_message_bytes)
    assert caught.value.message
    return caught.value.code


def test_header_fields_are_what_the_producer_wrote() -> None:
    header = records.parse(idempotent(5, 3, producer_id=99, epoch=2))
    assert (header.producer_id, header.producer_epoch) == (99, 2)
    assert (header.base_sequence, header.last_sequence, header.record_count) == (5, 7, 3)
    assert header.magic == 2
    assert header.idempotent


def test_good_batch_passes_every_check() -> None:
    records.check(GOOD, records.parse(GOOD), len(GOOD))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (None, ErrorCode.invalid_record),
        (b"", ErrorCode.invalid_record),
        (GOOD[:16], ErrorCode.invalid_record),
        (GOOD[:-1], ErrorCode.invalid_record),
        (GOOD + GOOD, ErrorCode.invalid_record),
        (GOOD + b"\0", ErrorCode.invalid_record),
        (patched(GOOD, 16, ">b", 0), ErrorCode.invalid_record),
        (patched(GOOD, 16, ">b", 1), ErrorCode.invalid_record),
        (patched(GOOD, 16, ">b", 3), ErrorCode.corrupt_message),
        (patched(GOOD, 16, ">b", -1), ErrorCode.corrupt_message),
        (patched(GOOD, 8, ">i", 3), ErrorCode.corrupt_message),
        (patched(GOOD, 8, ">i", -5), ErrorCode.corrupt_message),
    ],
)
def test_what_is_not_one_whole_v2_batch_is_refused(data: bytes | None, code: ErrorCode) -> None:
    with pytest.raises(KafkaError) as caught:
        records.parse(data)
    assert caught.value.code is code


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (patched(GOOD, 0, ">q", 1), ErrorCode.invalid_record),
        (patched(GOOD, 17, ">I", 12345, checksum=False), ErrorCode.corrupt_message),
        (GOOD[:-1] + bytes([GOOD[-1] ^ 1]), ErrorCode.corrupt_message),
        (patched(GOOD, 57, ">i", 0), ErrorCode.invalid_record),
        (patched(GOOD, 57, ">i", 4), ErrorCode.invalid_record),
        (patched(GOOD, 23, ">i", 7), ErrorCode.invalid_record),
        (patched(GOOD, 21, ">h", 0x20), ErrorCode.invalid_record),
        (patched(GOOD, 43, ">q", 8), ErrorCode.invalid_record),
        (patched(GOOD, 21, ">h", 0x08), ErrorCode.invalid_timestamp),
        (patched(GOOD, 21, ">h", 5), ErrorCode.unknown_server_error),
    ],
)
def test_contents_kafka_refuses(data: bytes, code: ErrorCode) -> None:
    assert refusal(data) is code


def test_too_large_is_judged_before_the_checksum_and_after_the_base_offset() -> None:
    damaged = patched(GOOD, 17, ">I", 1, checksum=False)
    assert refusal(damaged, len(GOOD) - 1) is ErrorCode.message_too_large
    assert refusal(patched(damaged, 0, ">q", 3, checksum=False), 10) is ErrorCode.invalid_record


def test_stamp_changes_offset_and_epoch_only_and_keeps_the_checksum() -> None:
    stamped = records.stamp(GOOD, 1234, 9)
    assert stamped[8:12] + stamped[16:] == GOOD[8:12] + GOOD[16:]
    header = records.read_header(stamped)
    assert (header.base_offset, header.leader_epoch) == (1234, 9)
    read = DefaultRecordBatch(stamped)
    assert read.validate_crc()
    assert [(r.offset, r.value) for r in read] == [(1234, b"a"), (1235, b"b"), (1236, b"c")]


def test_log_append_time_is_what_a_consumer_reads() -> None:
    data = records.with_append_time(GOOD, records.parse(GOOD), 1_800_000_000_000)
    read = DefaultRecordBatch(data)
    assert read.validate_crc()
    assert {(r.timestamp, r.timestamp_type) for r in read} == {(1_800_000_000_000, 1)}


def test_last_sequence_wraps() -> None:
    header = records.parse(batch([b"x"] * 3, producer_id=1, epoch=0, sequence=2**31 - 2))
    assert header.last_sequence == 0
