"""The reader beside kov's own finds every field, and no field where there is none."""

from __future__ import annotations

import random

import pytest

from kov.wire.schema import request_type
from tests.fuzz import layout
from tests.fuzz.judging import Owed, owed
from tests.fuzz.layout import Malformed, What
from tests.fuzz.mutating import laid_out
from tests.kov.kafka_table.side import asking
from tests.kov.wire.requests import EVERY_VERSION, frame, sample


def test_every_byte_of_every_version_belongs_to_a_field() -> None:
    rng = random.Random(1)
    for api_key, version in EVERY_VERSION:
        schema = request_type(api_key, version)
        data = frame(sample(schema, rng))
        found = layout.of_request(data, schema)
        fields = [span for span in found.spans if span.what is not What.ELEMENT]
        assert not found.doubtful
        assert found.end == len(data)
        assert sum(span.end - span.begin for span in fields) >= len(data) - layout.HEAD_SIZE


def test_whatever_is_cut_is_malformed() -> None:
    data = frame(asking(3, 12, topics=[{"name": "plain", "topic_id": None}]))
    schema = request_type(3, 12)
    for size in range(layout.HEAD_SIZE, len(data)):
        with pytest.raises(Malformed):
            layout.of_request(data[:size], schema)


@pytest.mark.parametrize(
    ("data", "due"),
    [
        (b"", Owed.CLOSE),
        (frame(asking(3, 1, topics=[{"name": "plain"}])), Owed.ANSWER),
        (frame(asking(3, 1, topics=[{"name": "plain"}]))[:-1], Owed.CLOSE),
        (frame(asking(3, 1, topics=[{"name": "x" * 20_000}])), Owed.EITHER),
        (frame(asking(0, 9, acks=0, topic_data=[])), Owed.SILENCE),
        (b"\0\x12\x7f\xff" + bytes(8), Owed.ANSWER),
        (b"\0\3\x7f\xff" + bytes(8), Owed.CLOSE),
        (b"\x7f\xff\0\0" + bytes(8), Owed.CLOSE),
    ],
)
def test_what_is_owed(data: bytes, due: Owed) -> None:
    assert owed(data) is due


def test_nothing_is_laid_out_that_nobody_serves() -> None:
    assert laid_out(b"\x7f\xff\0\0" + bytes(8)) is None
    assert laid_out(b"\0") is None
