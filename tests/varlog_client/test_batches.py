from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from varlog_client import LogStreamId, TopicId
from varlog_client.batches import encode_ids, encode_request
from varlog_client.pb import snpb_pb2

IDS = st.integers(1, 2**31 - 1)


@given(IDS, IDS, st.lists(st.binary(max_size=300), min_size=1, max_size=20))
def test_a_request_is_what_protobuf_would_have_made(topic: int, stream: int, payloads: list[bytes]) -> None:
    request = encode_request(encode_ids(TopicId(topic), LogStreamId(stream)), payloads)
    expected = snpb_pb2.AppendRequest(topic_id=topic, log_stream_id=stream, payload=payloads)
    assert request == expected.SerializeToString()


@pytest.mark.parametrize("size", [0, 127, 128, 16383, 16384, 2**21 - 1, 2**21])
def test_sizes_at_the_edges_of_a_varint_are_written_right(size: int) -> None:
    request = encode_request(encode_ids(TopicId(1), LogStreamId(2)), [bytes(size), b"end"])
    assert list(snpb_pb2.AppendRequest.FromString(request).payload) == [bytes(size), b"end"]


def test_a_view_of_wider_items_counts_its_bytes() -> None:
    view = memoryview(bytes(range(16))).cast("I")
    request = encode_request(encode_ids(TopicId(1), LogStreamId(2)), [view])
    assert list(snpb_pb2.AppendRequest.FromString(request).payload) == [bytes(range(16))]
