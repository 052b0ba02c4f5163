"""The log's checks of a batch, and when its records are read for them."""

from __future__ import annotations

import gzip
import zlib

import cramjam
import pytest
from aiokafka.record.default_records import DefaultRecordBatch
from kio.schema.errors import ErrorCode

from kov import record_contents, records
from kov.errors import KafkaError, RecordsRefused
from kov.record_checks import check
from kov.topic_config import TIMESTAMP_AFTER_MAX_MS, TIMESTAMP_BEFORE_MAX_MS, TimestampType, TopicConfig
from tests.builders import batch, patched

NOW = 1_700_000_000_000
GOOD = batch([b"a", b"b", b"c"])
PLAIN = TopicConfig()
BOUNDED = TopicConfig(timestamp_before_max_ms=1000, written={TIMESTAMP_BEFORE_MAX_MS: "1000"})
COMPACTED = TopicConfig(compacted=True)
STAMPING = TopicConfig(timestamp_type=TimestampType.LOG_APPEND_TIME)


def checked(data: bytes, config: TopicConfig = PLAIN) -> bytes:
    return check(data, records.parse(data), config, NOW)[0]


def refusal(data: bytes, config: TopicConfig = PLAIN) -> KafkaError:
    with pytest.raises(KafkaError) as caught:
        checked(data, config)
    assert caught.value.message
    return caught.value


def holding(payload: bytes, codec: int = 0, count: int = 3) -> bytes:
    head = bytearray(GOOD[:61])
    head[8:12] = (49 + len(payload)).to_bytes(4, "big")
    counted = patched(patched(bytes(head) + payload, 23, ">i", count - 1), 57, ">i", count)
    return patched(counted, 21, ">h", codec)


def test_a_good_batch_is_stored_as_it_came() -> None:
    assert checked(GOOD) is GOOD
    assert checked(GOOD, STAMPING) is GOOD


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
        (patched(GOOD, 21, ">h", 5), ErrorCode.unknown_server_error),
    ],
)
def test_what_the_header_is_refused_for(data: bytes, code: ErrorCode) -> None:
    assert refusal(data).code is code


def test_too_large_is_judged_before_the_checksum_and_after_the_base_offset() -> None:
    damaged = patched(GOOD, 17, ">I", 1, checksum=False)
    assert refusal(damaged, TopicConfig(max_message_bytes=len(GOOD) - 1)).code is ErrorCode.message_too_large
    moved = patched(damaged, 0, ">q", 3, checksum=False)
    assert refusal(moved, TopicConfig(max_message_bytes=10)).code is ErrorCode.invalid_record
    assert checked(GOOD, TopicConfig(max_message_bytes=len(GOOD))) is GOOD


def test_a_timestamp_type_that_is_not_the_topics_is_set_right() -> None:
    stored = checked(patched(GOOD, 21, ">h", 0x08))
    assert DefaultRecordBatch(stored).validate_crc()
    assert {r.timestamp_type for r in DefaultRecordBatch(stored)} == {0}


def test_records_are_not_read_where_nothing_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_contents, "read", lambda *_: pytest.fail("the records were read"))
    junk = holding(b"these are no records")
    assert checked(junk) is junk
    assert checked(junk, STAMPING) is junk


@pytest.mark.parametrize(
    "config", [COMPACTED, BOUNDED, TopicConfig(written={TIMESTAMP_AFTER_MAX_MS: "3600000"})]
)
def test_records_are_read_where_the_configuration_asks_for_it(config: TopicConfig) -> None:
    assert refusal(holding(b"these are no records"), config).code is ErrorCode.invalid_record


def test_bad_records_are_named_and_the_batch_gets_one_code() -> None:
    late = batch([b"a", b"b"], keys=[None, b"k"], timestamp_ms=NOW + 2 * PLAIN.timestamp_after_max_ms)
    error = refusal(late, COMPACTED)
    assert isinstance(error, RecordsRefused)
    assert error.code is ErrorCode.invalid_timestamp
    assert [each.index for each in error.bad] == [0, 1]
    assert "key" in error.bad[0].message
    assert "timestamp" in error.bad[1].message


def test_of_very_many_bad_records_the_first_are_named() -> None:
    error = refusal(batch([b"v"] * 3000), COMPACTED)
    assert isinstance(error, RecordsRefused)
    assert len(error.bad) == 1000
    assert "3000 of 3000" in error.message


@pytest.mark.parametrize("codec", range(5))
def test_records_of_every_codec_are_read(codec: int) -> None:
    data = batch([b"a", None, b"c"], keys=[b"k", None, b""], codec=codec)
    read = record_contents.read(data, records.parse(data))
    assert [each.has_key for each in read] == [True, False, True]
    assert [each.timestamp_ms for each in read] == [NOW, NOW + 1, NOW + 2]


def test_raw_snappy_without_javas_framing_is_read() -> None:
    data = holding(bytes(cramjam.snappy.compress_raw(GOOD[61:])), 2)
    assert len(record_contents.read(data, records.parse(data))) == 3


BOMB = bytes(record_contents.MAX_CONTENTS_BYTES + 1)


@pytest.mark.parametrize(
    ("payload", "codec"),
    [
        (gzip.compress(BOMB, 1), 1),
        (bytes(cramjam.snappy.compress_raw(BOMB)), 2),
        (bytes(cramjam.zstd.compress(BOMB, 1)), 4),
    ],
    ids=["gzip", "snappy", "zstd"],
)
def test_what_grows_without_end_is_refused(payload: bytes, codec: int) -> None:
    data = holding(payload, codec)
    with pytest.raises(KafkaError) as caught:
        record_contents.read(data, records.parse(data))
    assert caught.value.code in {ErrorCode.message_too_large, ErrorCode.unknown_server_error}


@pytest.mark.parametrize(
    ("payload", "codec", "code"),
    [
        (zlib.compress(b"not gzip"), 1, ErrorCode.unknown_server_error),
        (gzip.compress(GOOD[61:])[:-4], 1, ErrorCode.unknown_server_error),
        (b"\x82SNAPPY\0" + bytes(8) + b"\0\0\1\0cut", 2, ErrorCode.unknown_server_error),
        (b"\xff" * 20, 3, ErrorCode.unknown_server_error),
        (b"\xff" * 20, 4, ErrorCode.unknown_server_error),
        (b"", 0, ErrorCode.invalid_record),
        (b"\xff" * 40, 0, ErrorCode.invalid_record),
        (GOOD[61:] + b"x", 0, ErrorCode.invalid_record),
        (GOOD[61:-1], 0, ErrorCode.invalid_record),
    ],
)
def test_a_payload_that_is_not_what_it_should_be(payload: bytes, codec: int, code: ErrorCode) -> None:
    assert refusal(holding(payload, codec), COMPACTED).code is code


def test_the_first_record_since_a_time_is_found() -> None:
    assert record_contents.first_since(GOOD, NOW + 1) == (1, NOW + 1)
    assert record_contents.first_since(GOOD, NOW - 5) == (0, NOW)


def test_where_records_cannot_be_read_the_batch_stands_for_them() -> None:
    assert record_contents.first_since(holding(b"these are no records"), NOW + 1) == (0, NOW + 2)
