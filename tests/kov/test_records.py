"""The batch header: what parses, and what a stamp changes."""

from __future__ import annotations

import pytest
from aiokafka.record.default_records import DefaultRecordBatch
from kio.schema.errors import ErrorCode

from kov import records
from kov.errors import KafkaError
from tests.builders import batch, idempotent, patched

GOOD = batch([b"a", b"b", b"c"])


def test_header_fields_are_what_the_producer_wrote() -> None:
    header = records.parse(idempotent(5, 3, producer_id=99, epoch=2))
    assert (header.producer_id, header.producer_epoch) == (99, 2)
    assert (header.base_sequence, header.last_sequence, header.record_count) == (5, 7, 3)
    assert header.magic == 2
    assert header.idempotent


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (None, ErrorCode.invalid_record),
        (b"", ErrorCode.invalid_record),
        (GOOD[:16], ErrorCode.invalid_record),
        (GOOD[:-1], ErrorCode.invalid_record),
        (GOOD + GOOD, ErrorCode.invalid_record),
        (patched(GOOD, 16, ">b", 0), ErrorCode.invalid_record),
        (patched(GOOD, 16, ">b", 1), ErrorCode.invalid_record),
        (patched(GOOD, 16, ">b", 3), ErrorCode.corrupt_message),
        (patched(GOOD, 16, ">b", -1), ErrorCode.corrupt_message),
        (patched(GOOD, 8, ">i", 3), ErrorCode.corrupt_message),
        (patched(GOOD, 8, ">i", -5), ErrorCode.corrupt_message),
        (patched(GOOD, 8, ">i", 2**31 - 1), ErrorCode.unknown_server_error),
        (GOOD + bytes(12), ErrorCode.corrupt_message),
    ],
)
def test_what_is_not_one_whole_v2_batch_is_refused(data: bytes | None, code: ErrorCode) -> None:
    with pytest.raises(KafkaError) as caught:
        records.parse(data)
    assert caught.value.code is code


@pytest.mark.parametrize("cut", [b"x", GOOD[:16], GOOD[:-1]])
def test_a_cut_batch_behind_the_first_is_left_out(cut: bytes) -> None:
    assert records.sole_batch(GOOD + cut) == GOOD


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (patched(GOOD, 21, ">h", 0x10), True),
        (patched(GOOD, 21, ">h", 0x10)[:-1], False),
        (GOOD, False),
        (b"", False),
        (None, False),
    ],
)
def test_only_a_whole_transactional_batch_is_transactional(data: bytes | None, expected: bool) -> None:
    assert records.is_transactional(data) is expected


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


def test_create_time_is_what_a_consumer_reads_again() -> None:
    stamped = records.with_append_time(GOOD, records.parse(GOOD), 1_800_000_000_000)
    data = records.with_create_time(stamped, records.parse(stamped))
    read = DefaultRecordBatch(data)
    assert read.validate_crc()
    assert [(r.timestamp, r.timestamp_type) for r in read] == [
        (r.timestamp, 0) for r in DefaultRecordBatch(GOOD)
    ]


def test_a_negative_producer_id_is_none() -> None:
    assert not records.parse(patched(GOOD, 43, ">q", -7)).idempotent
    assert records.parse(patched(GOOD, 43, ">q", 0)).idempotent


def test_last_sequence_wraps() -> None:
    header = records.parse(batch([b"x"] * 3, producer_id=1, epoch=0, sequence=2**31 - 2))
    assert header.last_sequence == 0
