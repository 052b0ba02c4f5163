from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from varlog_client.pb import snpb_pb2
from varlog_lite import layout, wire

IDS = st.integers(min_value=-(2**31), max_value=2**31 - 1)
PAYLOADS = st.lists(st.binary(max_size=300), max_size=20)


def stored(request: wire.AppendRequest) -> list[bytes]:
    return [bytes(entry) for run in request.runs for entry in layout.entries(run.body)]


@given(IDS, IDS, PAYLOADS)
def test_a_request_is_understood_as_protobuf_understands_it(
    topic_id: int, log_stream_id: int, payload: list[bytes]
) -> None:
    raw = snpb_pb2.AppendRequest(
        topic_id=topic_id, log_stream_id=log_stream_id, payload=payload
    ).SerializeToString()
    parsed = wire.parse_append(raw)
    assert (parsed.topic_id, parsed.log_stream_id) == (topic_id, log_stream_id)
    assert stored(parsed) == payload
    assert parsed.entry_count == len(payload)


@given(st.binary(max_size=60))
def test_arbitrary_bytes_are_refused_or_understood_alike(raw: bytes) -> None:
    try:
        expected = snpb_pb2.AppendRequest.FromString(raw)
    except Exception:  # whatever protobuf raises, we must refuse as well
        with pytest.raises(wire.MalformedRequest):
            wire.parse_append(raw)
        return
    parsed = wire.parse_append(raw)
    assert (parsed.topic_id, parsed.log_stream_id) == (expected.topic_id, expected.log_stream_id)
    assert stored(parsed) == list(expected.payload)


def test_fields_in_another_order_and_unknown_ones_are_understood() -> None:
    first = snpb_pb2.AppendRequest(payload=[b"a", b"b"]).SerializeToString()
    ids = snpb_pb2.AppendRequest(topic_id=3, log_stream_id=4).SerializeToString()
    unknown = b"\xa2\x06\x03xyz"  # field 100
    parsed = wire.parse_append(first + unknown + ids + first)
    assert (parsed.topic_id, parsed.log_stream_id) == (3, 4)
    assert stored(parsed) == [b"a", b"b", b"a", b"b"]


def test_a_large_batch_is_cut_into_runs_that_hold_every_entry_once() -> None:
    payload = [bytes([n]) * 100_000 for n in range(10)]
    parsed = wire.parse_append(snpb_pb2.AppendRequest(topic_id=1, payload=payload).SerializeToString())
    assert stored(parsed) == payload
    assert len(parsed.runs) > 1
    assert max(len(run.body) for run in parsed.runs) < wire.MAX_RUN_BYTES + 101_000
    assert sum(run.entry_count for run in parsed.runs) == 10


@given(
    st.integers(1, 2**31 - 1),
    st.integers(1, 2**31 - 1),
    st.integers(1, 2**63),
    st.integers(1, 2**63),
    st.integers(1, 5),
)
def test_append_responses_decode_to_consecutive_numbers(
    topic_id: int, log_stream_id: int, glsn: int, llsn: int, count: int
) -> None:
    raw = wire.append_response(topic_id, log_stream_id, glsn, llsn, count)
    response = snpb_pb2.AppendResponse.FromString(raw)
    metas = [result.meta for result in response.results]
    assert [(m.topic_id, m.log_stream_id) for m in metas] == [(topic_id, log_stream_id)] * count
    assert [(m.glsn, m.llsn) for m in metas] == [(glsn + n, llsn + n) for n in range(count)]


@given(st.integers(1, 2**64 - 1), st.integers(1, 2**64 - 1), st.binary(max_size=400))
def test_read_responses_decode_to_the_entry(glsn: int, llsn: int, data: bytes) -> None:
    by_glsn = snpb_pb2.SubscribeResponse.FromString(wire.subscribe_response(glsn, llsn, memoryview(data)))
    assert (by_glsn.glsn, by_glsn.llsn, by_glsn.payload) == (glsn, llsn, data)
    encode = wire.SubscribeToEncoder(7, 300)
    entry = snpb_pb2.SubscribeToResponse.FromString(encode(glsn, llsn, memoryview(data))).log_entry
    assert (entry.meta.topic_id, entry.meta.log_stream_id, entry.meta.llsn) == (7, 300, llsn)
    assert (entry.meta.glsn, entry.data) == (0, data)
