from __future__ import annotations

import random
import struct
from datetime import timedelta
from io import BytesIO
from uuid import UUID

import pytest
from kio.schema.api_versions.v3.request import ApiVersionsRequest
from kio.schema.fetch.v17.request import FetchRequest
from kio.schema.metadata.v1.request import MetadataRequest
from kio.schema.offset_commit.v2.request import OffsetCommitRequest
from kio.schema.produce.v9.request import ProduceRequest
from kio.schema.types import GroupId
from kio.serial import entity_writer
from kio.static.primitive import i64Timedelta

from kov.errors import ProtocolError
from kov.handlers.fetch import FetchableTopicResponse, FetchResponse, PartitionData
from kov.wire import messages
from kov.wire.cursor import MAX_ELEMENTS
from kov.wire.messages import Head
from kov.wire.schema import request_type, response_type
from tests.kov.wire.requests import EVERY_VERSION, Entity, as_own, decode_response, frame, sample, sized

TAGS = b"\x02\x63\x03abc\x64\x00"  # two tagged fields that no schema knows


def decode(data: bytes) -> Entity:
    """As kio's own type."""
    head = messages.read_head(data)
    return messages.decode(head, data, request_type(head.api_key, head.api_version)).body


@pytest.mark.parametrize(("key", "version"), EVERY_VERSION)
def test_every_request_of_every_version_is_read_as_it_was_written(key: int, version: int) -> None:
    rng = random.Random(version)
    for _ in range(5):
        body = sample(request_type(key, version), rng)
        data = frame(body, correlation_id=-5, client_id="ä".encode())
        head = messages.read_head(data)
        assert (head.api_key, head.api_version, head.correlation_id) == (key, version, -5)
        assert messages.decode(head, data, type(body)) == messages.Request(client_id="ä", body=body)
        assert messages.decode(head, memoryview(data), type(body)).body == body


@pytest.mark.parametrize(("key", "version"), EVERY_VERSION)
def test_a_request_cut_short_anywhere_is_refused(key: int, version: int) -> None:
    data = frame(sample(request_type(key, version), random.Random(3)))
    for size in range(8, len(data)):
        with pytest.raises(ProtocolError):
            decode(data[:size])


def test_damage_never_gives_anything_but_a_request_or_a_protocol_error() -> None:
    rng = random.Random(11)
    for key, version in EVERY_VERSION * 4:
        data = frame(sample(request_type(key, version), rng))
        for _ in range(10):
            _decode_or_refuse(_damaged(data, rng))


def _damaged(data: bytes, rng: random.Random) -> bytes:
    damaged, at = bytearray(data), rng.randrange(8, len(data))
    match rng.randrange(4):
        case 0:
            damaged[at] = rng.choice([0, 1, 0x7F, 0x80, 0xFF])
        case 1:
            del damaged[at : at + rng.randrange(1, 5)]
        case 2:
            damaged[at:at] = rng.randbytes(rng.randrange(1, 6))
        case _:
            damaged[at : at + 5] = b"\xff\xff\xff\xff\x0f"
    return bytes(damaged)


def _decode_or_refuse(data: bytes) -> None:
    try:
        decode(data)
    except ProtocolError:
        return


@pytest.mark.parametrize("length", [-2, -(2**31), 6, 1_000_000, 2**31 - 1])
def test_an_array_that_claims_too_much_reserves_nothing(length: int) -> None:
    data = frame(MetadataRequest(topics=()))[:-4] + struct.pack(">i", length) + bytes(10)
    with pytest.raises(ProtocolError, match="array claims"):
        decode(data)


def test_a_compact_array_that_claims_too_much_reserves_nothing() -> None:
    body = ProduceRequest(acks=1, timeout=timedelta(0), topic_data=())  # type: ignore[arg-type]
    data = frame(body)[:-2]
    with pytest.raises(ProtocolError, match="array claims"):
        decode(data + b"\xff\xff\xff\xff\x0f" + bytes(10))


def test_an_array_that_may_not_be_null_is_refused_when_it_is() -> None:
    body = ProduceRequest(acks=1, timeout=timedelta(0), topic_data=())  # type: ignore[arg-type]
    with pytest.raises(ProtocolError, match="array claims -1"):
        decode(frame(body)[:-2] + b"\0\0")


def test_more_array_elements_than_any_client_sends_are_refused() -> None:
    topics = (MAX_ELEMENTS + 1) * b"\0\1a"
    data = frame(MetadataRequest(topics=()))[:-4] + struct.pack(">i", MAX_ELEMENTS + 1) + topics
    with pytest.raises(ProtocolError, match="array claims"):
        decode(data)


def test_unknown_tagged_fields_are_ignored() -> None:
    body = ApiVersionsRequest(client_software_name="a", client_software_version="1")
    data = frame(body)
    assert decode(data[:-1] + TAGS) == body
    with_tagged_header = data[:14] + TAGS + data[15:]
    assert decode(with_tagged_header) == body


def test_unknown_tagged_fields_are_ignored_at_every_depth() -> None:
    def fetch_request(unknown: bytes, count: int) -> bytes:
        def tags(known: bytes = b"", known_count: int = 0) -> bytes:
            return bytes([known_count + count]) + known + unknown

        partition = struct.pack(">iiqiqi", 3, 4, 5, 6, 7, 8) + tags()
        topic = UUID(int=9).bytes + b"\2" + partition + tags()
        state = struct.pack(">iq", 1, 2) + tags()
        fixed = struct.pack(">iiibii", 500, 1, 1000, 0, 0, -1)
        last = tags(b"\1" + bytes([len(state)]) + state, 1)
        header = struct.pack(">hhihc", 1, 17, 7, 1, b"c") + tags()
        return header + fixed + b"\2" + topic + b"\1\1" + last

    plain = decode(fetch_request(b"", 0))
    assert isinstance(plain, FetchRequest)
    assert plain.replica_state.replica_epoch == 2
    assert plain.topics[0].partitions[0].partition_max_bytes == 8
    assert decode(fetch_request(TAGS[1:], 2)) == plain


def test_bytes_behind_the_body_are_ignored_as_in_kafka() -> None:
    body = MetadataRequest(topics=None)
    assert decode(frame(body) + b"more") == body


@pytest.mark.parametrize("data", [b"", b"\0\0\0", bytes(7)])
def test_a_frame_too_short_for_a_header_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError, match="no header"):
        messages.read_head(data)


def test_the_client_id_may_be_null_and_needs_not_be_utf_8() -> None:
    body = MetadataRequest(topics=None)
    data = frame(body, client_id=None)
    assert messages.decode(messages.read_head(data), data, MetadataRequest).client_id is None
    data = frame(body, client_id=b"\x80abc")
    assert messages.decode(messages.read_head(data), data, MetadataRequest).client_id == "\ufffdabc"


@pytest.mark.parametrize(
    ("value", "read"),
    [(2**63 - 1, timedelta.max), (-(2**63), timedelta.min), (-1, timedelta(milliseconds=-1))],
)
def test_the_longest_time_stands_for_longer_ones(value: int, read: timedelta) -> None:
    """OffsetCommit v2 has a retention in 64 bits of milliseconds, which no `timedelta` holds."""
    body = OffsetCommitRequest(
        group_id=GroupId("g"), member_id="m", retention_time=i64Timedelta.parse(timedelta(0)), topics=()
    )
    data = frame(body)
    assert data.endswith(bytes(12))  # the retention, no topics
    found = decode(data[:-12] + struct.pack(">qi", value, 0))
    assert isinstance(found, OffsetCommitRequest)
    assert found.retention_time == read


@pytest.mark.parametrize(("key", "version"), EVERY_VERSION)
def test_every_response_of_every_version_can_be_sent(key: int, version: int) -> None:
    schema = response_type(key, version)
    for seed in range(5):
        answer = sample(schema, random.Random(seed))
        data = b"".join(messages.encode(Head(api_key=key, api_version=version, correlation_id=9), answer))
        assert sized(data[4:]) == data
        tagged_header = schema.__flexible__ and key != 18
        assert decode_response(schema, data[4:], tagged_header=tagged_header) == (9, answer)
        out = BytesIO()
        entity_writer(schema)(out, answer)
        assert data[9 if tagged_header else 8 :] == out.getvalue()


@pytest.mark.parametrize("version", [4, 12, 18])
def test_large_stored_batches_are_sent_as_they_lie_and_small_ones_together(version: int) -> None:
    large, small = bytes(100_000), b"small"
    part = PartitionData(partition_index=0, records=(small, large, small, large))
    answer = FetchResponse(
        responses=(FetchableTopicResponse(topic="t", topic_id=UUID(int=1), partitions=(part,)),)
    )
    pieces = messages.encode(Head(api_key=1, api_version=version, correlation_id=9), answer)
    assert [piece is large for piece in pieces] == [False, True, False, True, False][: len(pieces)]
    assert len(pieces) in {4, 5}  # without and with what comes behind the records
    schema = response_type(1, version)
    _, decoded = decode_response(schema, b"".join(pieces)[4:], tagged_header=schema.__flexible__)
    assert as_own(FetchResponse, decoded).responses[0].partitions[0].records == (
        small + large + small + large,
    )
