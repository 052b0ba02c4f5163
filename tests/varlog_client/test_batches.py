from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from varlog_client import EntryMeta, LogStreamId, TopicId
from varlog_client.batches import ProtocolBroken, decode_response, encode_ids, encode_request
from varlog_client.pb import snpb_pb2, varlogpb_pb2

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


@given(st.integers(1, 50), st.sampled_from([bytes, bytearray, memoryview]), st.integers(0, 300))
def test_payloads_of_one_size_are_put_together_like_any_others(
    count: int, kind: type[bytes] | type[bytearray] | type[memoryview], size: int
) -> None:
    contents = [bytes([number % 256]) * size for number in range(count)]
    request = encode_request(encode_ids(TopicId(1), LogStreamId(2)), [kind(each) for each in contents])
    assert list(snpb_pb2.AppendRequest.FromString(request).payload) == contents


@pytest.mark.parametrize("payloads", [["text"], ["text", "more"], [[1, 2]], [b"", []]])
def test_what_is_no_payload_is_refused(payloads: list[bytes]) -> None:
    with pytest.raises(TypeError):
        encode_request(encode_ids(TopicId(1), LogStreamId(2)), payloads)


def answer(*places: tuple[int, int]) -> bytes:
    """GLSN and LLSN of each entry."""
    results = [
        snpb_pb2.AppendResult(meta=varlogpb_pb2.LogEntryMeta(glsn=glsn, llsn=llsn)) for glsn, llsn in places
    ]
    return snpb_pb2.AppendResponse(results=results).SerializeToString()


def test_metas_are_a_sequence_like_the_list_of_them() -> None:
    topic, stream = TopicId(1), LogStreamId(2)
    places = [(7, 4), (8, 5), (9, 6)]
    expected = [EntryMeta(topic, stream, glsn, llsn) for glsn, llsn in places]  # type: ignore[arg-type]
    metas = decode_response(answer(*places), topic, stream, entries=3)
    assert len(metas) == 3
    assert list(metas) == expected
    assert metas == expected
    assert expected == metas
    assert metas != expected[:2]
    assert metas != [expected[0], expected[0], expected[2]]
    assert (metas[0], metas[-1], metas[1:]) == (expected[0], expected[2], expected[1:])
    assert expected[1] in metas
    assert list(reversed(metas)) == expected[::-1]
    assert repr(metas) == repr(expected)
    with pytest.raises(IndexError):
        metas[3]


@pytest.mark.parametrize(
    ("response", "entries"),
    [
        (answer((1, 1)), 2),
        (answer((1, 1), (2, 2)), 1),
        (answer(), 0),
        (answer((1, 0)), 1),
        (answer((1, 1), (2, 3)), 2),
        (b"\xff", 1),
    ],
)
def test_an_answer_that_does_not_fit_its_batch_is_noticed(response: bytes, entries: int) -> None:
    with pytest.raises(ProtocolBroken):
        decode_response(response, TopicId(1), LogStreamId(2), entries=entries)
