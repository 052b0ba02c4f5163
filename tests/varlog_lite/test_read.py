from __future__ import annotations

import asyncio

import grpc
import pytest

from tests.varlog_lite.lite_client import END, Ended, LiteClient, payloads, refused
from varlog_client.pb import admpb_pb2, snpb_pb2
from varlog_lite.store import Store

TRIMMED = Ended(
    grpc.StatusCode.OUT_OF_RANGE,
    "log stream: logstream: trimmed",
    ["log stream: logstream: trimmed", "logstream: trimmed"],
)
INVALID_RANGE = Ended(
    grpc.StatusCode.INVALID_ARGUMENT,
    "log stream: invalid range: invalid argument",
    ["log stream: invalid range: invalid argument", "invalid argument"],
)


async def interleaved(client: LiteClient) -> tuple[int, int, int]:
    """A topic whose log stream a holds GLSNs 1, 4, 7 and b the others up to 9."""
    topic_id, a = await client.new_log_stream()
    b = await client.add_log_stream(topic_id)
    for n in range(3):
        await client.append(topic_id, a, b"a%d" % n)
        await client.append(topic_id, b, b"b%d" % n, b"c%d" % n)
    return topic_id, a, b


async def hangs(answer: asyncio.Task[object]) -> bool:
    done, _ = await asyncio.wait([answer], timeout=0.3)
    answer.cancel()
    await asyncio.gather(answer, return_exceptions=True)
    return not done


async def test_ranges_are_half_open_and_cross_records(client: LiteClient) -> None:
    ids = await client.new_log_stream()
    for first in range(0, 30, 3):
        await client.append(*ids, *(b"%d" % n for n in range(first, first + 3)))
    for begin, end in ((1, 2), (2, 9), (3, 4), (30, 31), (1, 31)):
        found = await client.read(*ids, begin, end)
        assert found == [(n, b"%d" % (n - 1)) for n in range(begin, end)]


@pytest.mark.parametrize(("begin", "end"), [(3, 3), (5, 2), (1, 0)])
async def test_an_empty_range_is_refused(client: LiteClient, begin: int, end: int) -> None:
    ids = await client.new_log_stream()
    assert await refused(client.read(*ids, begin, end)) == INVALID_RANGE
    assert await refused(client.read_glsn(*ids, begin, end)) == INVALID_RANGE


@pytest.mark.parametrize(
    ("ids", "code", "text"),
    [
        ((0, 1), grpc.StatusCode.INVALID_ARGUMENT, "invalid topic 0"),
        ((1, 0), grpc.StatusCode.INVALID_ARGUMENT, "invalid log stream 0"),
        ((1, 9), grpc.StatusCode.NOT_FOUND, "no such log stream"),
        ((9, 1), grpc.StatusCode.NOT_FOUND, "no such log stream"),
    ],
)
async def test_unknown_ids_have_varlogs_words(
    client: LiteClient, ids: tuple[int, int], code: grpc.StatusCode, text: str
) -> None:
    await client.new_log_stream()
    assert await refused(client.read(*ids)) == (code, text, [])
    assert await refused(client.read_glsn(*ids)) == (code, text, [])
    assert await refused(client.replica(*ids)) == (code, text, [])


async def test_a_reader_at_the_tail_gets_what_is_committed_next(client: LiteClient) -> None:
    ids = await client.new_log_stream()
    by_llsn = asyncio.create_task(client.read(*ids, 1, END, limit=3))
    beyond = asyncio.create_task(client.read(*ids, 3, 4))
    by_glsn = asyncio.create_task(client.read_glsn(*ids, 1, END, limit=3))
    await client.append(*ids, b"x")
    await client.append(*ids, b"y", b"z")
    assert payloads(await by_llsn) == [b"x", b"y", b"z"]
    assert await beyond == [(3, b"z")]
    assert await by_glsn == [(1, 1, b"x"), (2, 2, b"y"), (3, 3, b"z")]


async def test_llsn_zero_is_trimmed_once_there_is_an_entry(client: LiteClient) -> None:
    ids = await client.new_log_stream()
    assert await refused(client.read(*ids, 0, 1)) == TRIMMED
    waiting = asyncio.create_task(client.read(*ids, 0, END, limit=1))
    await asyncio.wait([waiting], timeout=0.2)
    await client.append(*ids, b"x")
    assert await waiting == [(1, b"x")]
    assert await refused(client.read(*ids, 0, END)) == TRIMMED


async def test_reading_by_glsn_gives_the_log_streams_own_entries(client: LiteClient) -> None:
    topic_id, a, b = await interleaved(client)
    assert await client.read_glsn(topic_id, a, 1, 8) == [(1, 1, b"a0"), (4, 2, b"a1"), (7, 3, b"a2")]
    assert await client.read_glsn(topic_id, b, 3, 6) == [(3, 2, b"c0"), (5, 3, b"b1")]
    assert await client.read_glsn(topic_id, a, 0, 2) == [(1, 1, b"a0")]
    assert await client.read_glsn(topic_id, a, 2, 10) == [(4, 2, b"a1"), (7, 3, b"a2")]
    assert await client.read_glsn(topic_id, a, 8, 10) == []


async def test_reading_by_glsn_hangs_where_the_range_ends_in_another_log_stream(client: LiteClient) -> None:
    topic_id, a, b = await interleaved(client)
    assert await client.read_glsn(topic_id, a, 1, 6, limit=2) == [(1, 1, b"a0"), (4, 2, b"a1")]
    assert await hangs(asyncio.create_task(client.read_glsn(topic_id, a, 1, 6)))
    assert await hangs(asyncio.create_task(client.read_glsn(topic_id, b, 7, 8)))


async def test_reading_by_glsn_ends_when_the_topic_gets_that_far(client: LiteClient) -> None:
    topic_id, a, b = await interleaved(client)
    waiting = asyncio.create_task(client.read_glsn(topic_id, a, 5, 12))
    await client.append(topic_id, b, b"10")
    await asyncio.wait([waiting], timeout=0.1)
    assert not waiting.done()
    await client.append(topic_id, b, b"11")
    assert await waiting == [(7, 3, b"a2")]


async def test_trim_moves_every_log_stream_to_its_first_entry_behind(client: LiteClient) -> None:
    topic_id, a, b = await interleaved(client)
    assert await client.trim(topic_id, 5) == {a: "", b: ""}
    assert await client.watermarks(topic_id, a) == ((3, 7), (3, 7))
    assert await client.watermarks(topic_id, b) == ((4, 6), (6, 9))
    for begin, end in ((1, 2), (1, END), (2, 3)):
        assert await refused(client.read(topic_id, a, begin, end)) == TRIMMED
    assert await client.read(topic_id, a, 3, 4) == [(3, b"a2")]
    # Within a batch: the record of LLSN 3 and 4 is still there, its first half is not.
    assert await refused(client.read(topic_id, b, 3, 5)) == TRIMMED
    assert await client.read(topic_id, b, 4, 5) == [(4, b"c1")]
    for begin in (0, 1, 5):
        assert await refused(client.read_glsn(topic_id, a, begin, END)) == TRIMMED
    assert await client.read_glsn(topic_id, a, 6, 8) == [(7, 3, b"a2")]


async def test_trim_refuses_what_is_not_there_yet_and_repeats_are_fine(client: LiteClient) -> None:
    topic_id, a, b = await interleaved(client)
    text = "log stream: trim: 1000 not appended, global high watermark 9"
    assert await client.trim(topic_id, 1000) == {a: text, b: text}
    for glsn in (0, 4, 4, 2):
        assert await client.trim(topic_id, glsn) == {a: "", b: ""}
    await client.seal(topic_id, b)
    assert await client.trim(topic_id, 6) == {a: "", b: "sealed"}
    assert (await client.watermarks(topic_id, b))[0] == (3, 5)
    unknown = await refused(client.trim(99, 1))
    assert unknown == (grpc.StatusCode.UNKNOWN, "trim: no such topic 99", ["trim: no such topic 99"])
    await client.log_io.TrimDeprecated(snpb_pb2.TrimDeprecatedRequest(topic_id=99, glsn=1))


async def test_after_everything_was_trimmed_numbering_goes_on(client: LiteClient) -> None:
    topic_id, _, b = await interleaved(client)
    await client.trim(topic_id, 9)
    assert await client.watermarks(topic_id, b) == ((0, 0), (0, 0))
    assert await refused(client.read(topic_id, b, 1, 7)) == TRIMMED
    assert await refused(client.read_glsn(topic_id, b, 9, END)) == TRIMMED
    from_trimmed = asyncio.create_task(client.read(topic_id, b, 2, END, limit=1))
    at_tail = asyncio.create_task(client.read(topic_id, b, 7, END, limit=1))
    await asyncio.wait([from_trimmed, at_tail], timeout=0.2)
    assert await client.append(topic_id, b, b"next") == [(10, 7)]
    assert await from_trimmed == await at_tail == [(7, b"next")]
    assert await client.watermarks(topic_id, b) == ((7, 10), (7, 10))


async def test_a_slow_subscriber_holds_one_chunk(client: LiteClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies behind the chunk is not read before gRPC takes more."""
    ids = await client.new_log_stream()
    total = 40
    for _ in range(total):
        await client.append(*ids, bytes(1 << 20))
    reads: list[int] = []
    read = Store.read

    def counted(*args: object) -> object:
        reads.append(1)
        return read(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(Store, "read", counted)
    request = snpb_pb2.SubscribeToRequest(
        topic_id=ids[0], log_stream_id=ids[1], llsn_begin=1, llsn_end=total + 1
    )
    call = client.log_io.SubscribeTo(request)
    assert isinstance(await call.read(), snpb_pb2.SubscribeToResponse)
    for _ in range(100):  # time enough to read everything
        await client.metadata()
    assert len(reads) < total / 2
    for _ in range(total - 1):
        await call.read()
    assert await call.read() is grpc.aio.EOF
    assert len(reads) == total


async def test_reading_a_replica_that_is_removed_ends(client: LiteClient) -> None:
    topic_id, log_stream_id = await client.new_log_stream()
    waiting = asyncio.create_task(refused(client.read(topic_id, log_stream_id)))
    await client.seal(topic_id, log_stream_id)
    await client.admin.UnregisterLogStream(
        admpb_pb2.UnregisterLogStreamRequest(topic_id=topic_id, log_stream_id=log_stream_id)
    )
    await client.admin.RemoveLogStreamReplica(
        admpb_pb2.RemoveLogStreamReplicaRequest(
            storage_node_id=1, topic_id=topic_id, log_stream_id=log_stream_id
        )
    )
    assert await waiting == (grpc.StatusCode.UNKNOWN, "closed", [])
    assert (await refused(client.read(topic_id, log_stream_id))).text == "no such log stream"
