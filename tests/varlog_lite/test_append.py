from __future__ import annotations

import asyncio

import grpc
import pytest

from tests.varlog_lite.lite_client import LiteClient, eventually
from varlog_client.pb import admpb_pb2, snpb_pb2
from varlog_lite.appending import READ_AHEAD
from varlog_lite.server import LiteServer

INVALID = grpc.StatusCode.INVALID_ARGUMENT


async def test_numbers_start_at_one_and_interleave_over_the_log_streams(client: LiteClient) -> None:
    topic_id, a = await client.new_log_stream()
    b = await client.add_log_stream(topic_id)
    got = []
    for _ in range(2):
        got.append(await client.append(topic_id, a, b"x"))
        got.append(await client.append(topic_id, b, b"y", b""))
    assert got == [[(1, 1)], [(2, 1), (3, 2)], [(4, 2)], [(5, 3), (6, 4)]]
    assert await client.read(topic_id, b, end=5) == [(1, b"y"), (2, b""), (3, b"y"), (4, b"")]


async def test_each_topic_counts_its_own_glsns(client: LiteClient) -> None:
    first, second = await client.new_log_stream(), await client.new_log_stream()
    assert await client.append(*first, b"x") == [(1, 1)]
    assert await client.append(*second, b"x") == [(1, 1)]


async def test_pipelined_requests_are_answered_one_each_in_order(client: LiteClient) -> None:
    ids = await client.new_log_stream()
    stream = client.open_append(*ids)
    for n in range(50):
        await stream.send(*[b"%d" % n] * (n % 3 + 1))
    answers = [await stream.answer() for _ in range(50)]
    assert [len(answer) for answer in answers] == [n % 3 + 1 for n in range(50)]
    llsns = [llsn for answer in answers for _, llsn in answer]
    assert llsns == list(range(1, len(llsns) + 1))
    await stream.call.done_writing()
    assert (await stream.end()).code is grpc.StatusCode.OK


async def test_half_close_without_a_request_is_fine(client: LiteClient) -> None:
    stream = client.open_append(1, 1)
    await stream.call.done_writing()
    assert (await stream.end()).code is grpc.StatusCode.OK


@pytest.mark.parametrize(
    ("ids", "payload", "code", "text"),
    [
        ((0, 0), [], INVALID, "rpc error: code = InvalidArgument desc = no payload"),
        ((0, 0), [b""], INVALID, "rpc error: code = InvalidArgument desc = invalid topic 0"),
        ((-3, 1), [b""], INVALID, "rpc error: code = InvalidArgument desc = invalid topic -3"),
        ((1, 0), [b""], INVALID, "rpc error: code = InvalidArgument desc = invalid log stream 0"),
        ((1, 9), [b""], grpc.StatusCode.NOT_FOUND, "rpc error: code = NotFound desc = no such log stream"),
        ((2, 1), [b""], grpc.StatusCode.NOT_FOUND, "rpc error: code = NotFound desc = no such log stream"),
    ],
)
async def test_refusals_have_varlogs_words(
    client: LiteClient, ids: tuple[int, int], payload: list[bytes], code: grpc.StatusCode, text: str
) -> None:
    await client.new_log_stream()
    await client.add_topic()
    assert await client.try_append(*ids, *payload) == (code, text, [])


async def test_other_ids_on_a_bound_stream_end_it_after_the_answers_before(client: LiteClient) -> None:
    topic_id, log_stream_id = await client.new_log_stream()
    other = await client.add_log_stream(topic_id)
    stream = client.open_append(topic_id, log_stream_id)
    await stream.send(b"x")
    await stream.send_raw(snpb_pb2.AppendRequest(topic_id=topic_id, log_stream_id=other, payload=[b"y"]))
    assert await stream.answer() == [(1, 1)]
    text = "rpc error: code = InvalidArgument desc = unmatched topic or logstream"
    assert await stream.end() == (INVALID, text, [])
    assert await client.watermarks(topic_id, other) == ((0, 0), (0, 0))


async def test_bytes_that_are_no_request_end_the_stream(client: LiteClient) -> None:
    method: grpc.aio.StreamStreamMultiCallable[bytes, bytes]
    method = client.channel.stream_stream("/varlog.snpb.LogIO/Append")
    call = method()
    await call.write(b"\x1a\x05abc")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert caught.value.details() == "grpc: failed to unmarshal the received message: unexpected EOF"


async def test_a_seal_leaves_an_idle_stream_open_until_its_next_request(client: LiteClient) -> None:
    ids = await client.new_log_stream()
    stream = client.open_append(*ids)
    await stream.append(b"x")
    sealed = await client.seal(*ids)
    assert sealed.sealed_glsn == 1
    assert (await client.seal(*ids)).sealed_glsn == 1
    assert not stream.call.done()
    await stream.send(b"y")
    assert await stream.end() == (grpc.StatusCode.FAILED_PRECONDITION, "sealed", [])
    await client.unseal(*ids)
    assert await client.append(*ids, b"z") == [(2, 2)]


async def test_a_seal_answers_what_it_kept_and_refuses_the_rest(client: LiteClient) -> None:
    ids = await client.new_log_stream()
    stream = client.open_append(*ids)
    for _ in range(1000):
        await stream.send(b"x")
    for _ in range(20):
        await stream.answer()
    sealed = await client.seal(*ids)
    acknowledged = 20
    while isinstance(await _answer_or_none(stream.call), snpb_pb2.AppendResponse):
        acknowledged += 1
    assert acknowledged < 1000
    assert (await stream.call.code(), await stream.call.details()) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "sealed",
    )
    assert acknowledged == sealed.sealed_glsn
    assert await client.watermarks(*ids) == ((1, 1), (acknowledged, acknowledged))


async def _answer_or_none(call: object) -> object:
    try:
        return await call.read()  # type: ignore[attr-defined]
    except grpc.aio.AioRpcError:
        return None


async def test_appends_to_an_unregistered_topic_hang_until_the_replica_goes(client: LiteClient) -> None:
    ids = await client.new_log_stream()
    await client.append(*ids, b"before")
    await client.admin.UnregisterTopic(admpb_pb2.UnregisterTopicRequest(topic_id=ids[0]))
    stream = client.open_append(*ids)
    await stream.send(b"x")
    answer = asyncio.create_task(stream.end())
    assert await client.read(*ids, end=2) == [(1, b"before")]
    assert not answer.done()
    await client.admin.RemoveLogStreamReplica(
        admpb_pb2.RemoveLogStreamReplicaRequest(storage_node_id=1, topic_id=ids[0], log_stream_id=ids[1])
    )
    assert await answer == (grpc.StatusCode.UNKNOWN, "closed", [])


async def test_appends_that_wait_share_a_commit_across_log_streams(
    client: LiteClient, server: LiteServer
) -> None:
    topic_id = await client.add_topic()
    ids = [(topic_id, await client.add_log_stream(topic_id)) for _ in range(8)]
    streams = [client.open_append(*each) for each in ids]
    before = server.commits
    rounds = 20

    async def run(n: int) -> list[tuple[int, int]]:
        for _ in range(rounds):
            await streams[n].send(b"x" * 5000)
        return [place for _ in range(rounds) for place in await streams[n].answer()]

    places = await asyncio.gather(*(run(n) for n in range(8)))
    assert sorted(glsn for got in places for glsn, _ in got) == list(range(1, 8 * rounds + 1))
    assert all([llsn for _, llsn in got] == list(range(1, rounds + 1)) for got in places)
    assert server.commits - before < 8 * rounds / 2
    for stream in streams:
        stream.call.cancel()


async def test_the_server_reads_only_so_far_ahead(client: LiteClient) -> None:
    """On a log stream that commits nothing, a client that sends large requests is held."""
    ids = await client.new_log_stream()
    await client.admin.UnregisterTopic(admpb_pb2.UnregisterTopicRequest(topic_id=ids[0]))
    stream = client.open_append(*ids)
    written = 0

    async def send_for_ever() -> None:
        nonlocal written
        while True:
            await stream.send(bytes(8 << 20))
            written += 1

    sending = asyncio.create_task(send_for_ever())

    async def held() -> bool:
        return written >= READ_AHEAD

    await eventually(held)
    await asyncio.wait([sending], timeout=0.3)
    assert written <= READ_AHEAD + 2
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    stream.call.cancel()


async def test_a_cancelled_stream_leaves_the_server_serving(client: LiteClient) -> None:
    ids = await client.new_log_stream()
    for _ in range(20):
        stream = client.open_append(*ids)
        for _ in range(5):
            await stream.send(b"x" * 10_000)
        stream.call.cancel()
    ((_, llsn),) = await client.append(*ids, b"last")
    entries = await client.read(*ids, end=llsn + 1)
    assert [number for number, _ in entries] == list(range(1, llsn + 1))
    assert entries[-1] == (llsn, b"last")
