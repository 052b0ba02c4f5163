"""A server that does wrong is found out; so is a log that isn't what producers were told."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Thread
from typing import Any, cast
from uuid import UUID

import pytest
from kio.schema.errors import ErrorCode
from kio.static.protocol import Payload

from kov.handlers.metadata import MetadataResponse
from kov.handlers.produce import PartitionProduceResponse, ProduceResponse, TopicProduceResponse
from kov.records import stamp
from kov.wire import messages
from kov.wire.messages import read_head
from tests.builders import batch, idempotent
from tests.fuzz import judging, line
from tests.fuzz.judging import MOST_REQUEST_BYTES, Owed, WrongAnswer, answer_to, owed
from tests.fuzz.ledger import Ledger, Misstored
from tests.fuzz.line import PROBE, Conversation, Hang
from tests.kov.kafka_table.side import asking
from tests.kov.wire.requests import frame, sized

METADATA = frame(asking(3, 1, topics=[]))
PLACE = ("plain", 0)


def encoded(request: bytes, answer: object) -> bytes:
    return b"".join(messages.encode(read_head(request), answer))


GOOD = encoded(METADATA, MetadataResponse(brokers=(), topics=(), cluster_id="c", controller_id=1))
PROBED = sized(PROBE[8:12] + bytes(6))


@pytest.fixture
def saying() -> Callable[[bytes], str]:
    """Makes a server that says this and hangs up; its address."""

    def listen(said: bytes) -> str:
        server = socket.create_server(("127.0.0.1", 0))

        def serve() -> None:
            with server, server.accept()[0] as peer:
                peer.recv(1 << 16)
                peer.sendall(said)

        Thread(target=serve, daemon=True).start()
        return f"127.0.0.1:{server.getsockname()[1]}"

    return listen


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"", "closed instead of an answer"),
        (GOOD, "closed after everything"),
        (GOOD + GOOD, "more answers"),
        (PROBED, "the answer to request 7"),
        (GOOD[:8] + b"\0\0\0\1" + GOOD[12:], "can't be read"),
        (sized(GOOD[4:] + b"x"), "can't be read"),
        (struct.pack(">i", -1), "an answer of -1 bytes"),
    ],
)
def test_a_wrong_answer_is_found_out(saying: Callable[[bytes], str], said: bytes, why: str) -> None:
    with pytest.raises(WrongAnswer, match=why):
        Conversation([METADATA]).hold(saying(said), Ledger({}))


def test_a_right_answer_is_taken(saying: Callable[[bytes], str]) -> None:
    assert Conversation([METADATA], pieces=[3, 9]).hold(saying(GOOD + PROBED), Ledger({})) == 1


@pytest.mark.parametrize(("told", "read"), [(1_000, 1_000), (2**63 - 1, 0)])
def test_a_time_that_python_has_no_date_for_is_a_right_answer(told: int, read: int) -> None:
    """A batch may have it, and its duplicate is told it."""
    parts = [{"index": 0, "records": batch([b"v"])}]
    request = frame(asking(0, 9, acks=-1, topic_data=[{"name": "plain", "partition_data": parts}]))
    part = PartitionProduceResponse(index=0, base_offset=5, log_append_time=told)
    topic = TopicProduceResponse(name="plain", partition_responses=(part,))
    answer = cast("Any", answered(request, ProduceResponse(responses=(topic,))))
    found = answer.responses[0].partition_responses[0]
    assert (found.log_append_time, found.base_offset) == (datetime.fromtimestamp(read / 1000, UTC), 5)


def test_an_answer_to_what_should_close_is_found_out(saying: Callable[[bytes], str]) -> None:
    with pytest.raises(WrongAnswer, match="should be closed"):
        Conversation([METADATA[:-2]]).hold(saying(GOOD), Ledger({}))


def test_a_larger_request_than_kafka_takes_is_owed_a_closed_connection() -> None:
    """It was taken for a good one: 100 topics with a batch of 4.7 MB each, which are well-formed."""
    size = struct.Struct(">i")
    topic = b"\0\5plain" + size.pack(1) + size.pack(0) + size.pack(4_720_000) + bytes(4_720_000)
    head = struct.pack(">hhih", 0, 7, 1, -1) + struct.pack(">hhi", -1, -1, 40_000)
    for count, due in ((22, Owed.ANSWER), (23, Owed.CLOSE)):
        request = head + size.pack(count) + topic * count
        assert (len(request) > MOST_REQUEST_BYTES, owed(request)) == (due is Owed.CLOSE, due)


def test_an_answer_to_a_larger_request_than_kafka_takes_is_found_out(
    saying: Callable[[bytes], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "MOST_REQUEST_BYTES", len(METADATA) - 1)
    with pytest.raises(WrongAnswer, match="should be closed"):
        Conversation([METADATA]).hold(saying(GOOD), Ledger({}))


def test_silence_is_a_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "BOUND_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(Hang):
        Conversation([METADATA]).hold(f"127.0.0.1:{server.getsockname()[1]}", Ledger({}))


def test_a_conversation_is_written_down_and_read_again() -> None:
    held = Conversation([METADATA, b""], "cut", [1, 20])
    assert Conversation.from_hex([*held.hexed()]) == held


def told(ledger: Ledger, sent: bytes, code: ErrorCode = ErrorCode.none, offset: int = 0) -> None:
    """`sent` for `PLACE` is answered so."""
    parts = [{"index": 0, "records": sent}]
    request = frame(asking(0, 9, acks=-1, topic_data=[{"name": "plain", "partition_data": parts}]))
    ledger.sent(request)
    part = PartitionProduceResponse(index=0, error_code=code, base_offset=offset)
    topic = TopicProduceResponse(name="plain", partition_responses=(part,))
    ledger.answered(request, answered(request, ProduceResponse(responses=(topic,))))


def answered(request: bytes, answer: object) -> Payload:
    return answer_to(request, encoded(request, answer)[4:])


@pytest.fixture
def ledger() -> Ledger:
    return Ledger({"plain": UUID(int=1)})


def test_what_was_acknowledged_is_there(ledger: Ledger) -> None:
    told(ledger, batch([b"a", b"b"]))
    told(ledger, batch([b"c"]), offset=2)
    told(ledger, batch([b"d"]), ErrorCode.request_timed_out)
    stored = [stamp(batch([b"a", b"b"]), 0, 1), stamp(batch([b"c"]), 2, 1), stamp(batch([b"d"]), 3, 1)]
    ledger.check(PLACE, b"".join(stored))
    ledger.check_end(PLACE)
    assert ledger.next_offset[PLACE] == 4


def test_a_batch_that_is_sent_again_is_told_its_first_offset(ledger: Ledger) -> None:
    told(ledger, idempotent(0))
    told(ledger, idempotent(0))
    ledger.check(PLACE, stamp(idempotent(0), 0, 1))
    told(ledger, idempotent(0))
    ledger.check_end(PLACE)


def test_what_was_acknowledged_and_is_missing_is_found_out(ledger: Ledger) -> None:
    told(ledger, batch())
    with pytest.raises(Misstored, match="missing"):
        ledger.check_end(PLACE)


def test_what_was_refused_and_is_stored_is_found_out(ledger: Ledger) -> None:
    told(ledger, batch(), ErrorCode.corrupt_message, -1)
    with pytest.raises(Misstored, match="nobody was told"):
        ledger.check(PLACE, stamp(batch(), 0, 1))


def test_another_batch_than_was_acknowledged_is_found_out(ledger: Ledger) -> None:
    told(ledger, batch([b"a"]))
    with pytest.raises(Misstored, match="another batch"):
        ledger.check(PLACE, stamp(batch([b"b"]), 0, 1))


def test_two_batches_at_one_offset_are_found_out(ledger: Ledger) -> None:
    told(ledger, batch([b"a"]))
    with pytest.raises(Misstored, match="two batches"):
        told(ledger, batch([b"b"]))


@pytest.mark.parametrize(
    "stored",
    [
        stamp(batch(), 1, 1),
        stamp(batch(), 0, 1)[:-1],
        stamp(batch(), 0, 1)[:20],
        stamp(batch(), 0, 1)[:-1] + b"x",
    ],
    ids=["a gap", "cut", "cut short", "damaged"],
)
def test_a_log_that_no_consumer_could_read_is_found_out(ledger: Ledger, stored: bytes) -> None:
    told(ledger, batch())
    with pytest.raises(Misstored):
        ledger.check(PLACE, stored)
