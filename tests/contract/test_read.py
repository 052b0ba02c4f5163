from __future__ import annotations

import asyncio
import random

import grpc.aio
import pytest
from grpc import StatusCode

from tests.contract.conftest import Place, Varlog
from tests.contract.steps import BOUND_S, append, read, trim
from tests.varlog_lite.lite_client import refused
from varlog_client import GLSN, LLSN, Admin, Log, Trimmed
from varlog_client.channels import open_channel
from varlog_client.pb import admpb_pb2, admpb_pb2_grpc, snpb_pb2, snpb_pb2_grpc


@pytest.fixture
async def filled(log: Log, place: Place) -> Place:
    """Entries 1 to 10, each with its number as payload."""
    await append(log.appender(place.topic, place.stream), *(b"%d" % number for number in range(1, 11)))
    return place


@pytest.mark.parametrize(("begin", "end"), [(1, 11), (1, 2), (10, 11), (4, 8), (5, 5)])
async def test_a_range_gives_its_entries_and_ends(log: Log, filled: Place, begin: int, end: int) -> None:
    entries = await read(log, filled.topic, filled.stream, begin, end)
    assert [(entry.llsn, entry.glsn, entry.data) for entry in entries] == [
        (number, 0, b"%d" % number) for number in range(begin, end)
    ]


async def test_the_tail_is_followed(log: Log, filled: Place) -> None:
    appender = log.appender(filled.topic, filled.stream)
    async with log.subscribe_to(filled.topic, filled.stream, LLSN(9)) as entries, asyncio.timeout(BOUND_S):
        assert [(await anext(entries)).llsn for _ in range(2)] == [9, 10]
        for number in range(11, 21):
            await append(appender, b"%d" % number)
            assert (await anext(entries)) == (number, 0, b"%d" % number)


async def test_a_range_beyond_the_tail_waits_for_it(log: Log, filled: Place) -> None:
    appender = log.appender(filled.topic, filled.stream)
    reading = asyncio.create_task(read(log, filled.topic, filled.stream, 12, 14))
    for _ in range(2):
        await append(appender, b"x", b"y")
    assert [entry.llsn for entry in await reading] == [12, 13]


async def test_a_log_stream_without_entries_is_waited_for(log: Log, place: Place) -> None:
    reading = asyncio.create_task(read(log, place.topic, place.stream, 1, 2))
    await append(log.appender(place.topic, place.stream), b"first")
    assert [entry.data for entry in await reading] == [b"first"]


async def test_many_large_entries_are_read_whole(log: Log, place: Place) -> None:
    appender = log.appender(place.topic, place.stream)
    payloads = [bytes([number]) * (1 << 20) for number in range(24)]
    for payload in payloads:
        await append(appender, payload)
    got = []
    async with log.subscribe_to(place.topic, place.stream, LLSN(1), LLSN(25)) as entries:
        async with asyncio.timeout(BOUND_S):
            while batch := await entries.next_batch(5):
                got += [entry.data for entry in batch]
    assert got == payloads


async def test_an_entry_of_64_mib_comes_and_goes(log: Log, place: Place) -> None:
    payload = random.Random(1).randbytes(64 << 20)
    [meta] = await append(log.appender(place.topic, place.stream), payload)
    [entry] = await read(log, place.topic, place.stream, meta.llsn, meta.llsn + 1)
    assert entry.data == payload


async def test_a_sealed_log_stream_is_read_as_before(cluster: Varlog, log: Log, filled: Place) -> None:
    await cluster.seal(filled.topic, filled.stream)
    entries = await read(log, filled.topic, filled.stream, 1, 11)
    assert [entry.llsn for entry in entries] == list(range(1, 11))


async def test_what_was_trimmed_is_said_to_be(cluster: Varlog, log: Log, admin: Admin, filled: Place) -> None:
    results = await trim(admin, filled.topic, GLSN(6))
    assert [result.log_stream_id for result in results] == [filled.stream] * cluster.replication_factor
    for begin, end in [(1, 11), (6, 7), (3, 100)]:
        with pytest.raises(Trimmed) as caught:
            await read(log, filled.topic, filled.stream, begin, end)
        assert caught.value.begin == begin
    assert [entry.llsn for entry in await read(log, filled.topic, filled.stream, 7, 11)] == [7, 8, 9, 10]
    state = await log.peek(filled.topic, filled.stream)
    assert (state.first, state.last) == ((7, 7), (10, 10))


async def test_numbering_goes_on_after_everything_was_trimmed(log: Log, admin: Admin, filled: Place) -> None:
    await trim(admin, filled.topic, GLSN(10))
    state = await log.peek(filled.topic, filled.stream)
    assert (state.first, state.last) == ((0, 0), (0, 0))
    [meta] = await append(log.appender(filled.topic, filled.stream), b"next")
    assert (meta.llsn, meta.glsn) == (11, 11)
    state = await log.peek(filled.topic, filled.stream)
    assert (state.first, state.last) == ((11, 11), (11, 11))


async def test_the_details_of_an_error_are_sent_as_varlog_sends_them(
    cluster: Varlog, log: Log, admin: Admin, filled: Place
) -> None:
    await trim(admin, filled.topic, GLSN(6))
    ids = {"topic_id": filled.topic, "log_stream_id": filled.stream}
    node = log.metadata.log_streams[filled.stream].replicas[0].storage_node_id
    async with (
        open_channel(log.metadata.storage_nodes[node].address) as to_node,
        open_channel(cluster.admin) as to_admin,
    ):
        log_io, manager = snpb_pb2_grpc.LogIOStub(to_node), admpb_pb2_grpc.ClusterManagerStub(to_admin)
        trimmed = log_io.SubscribeTo(snpb_pb2.SubscribeToRequest(**ids, llsn_begin=2, llsn_end=9)).read()
        unknown = manager.Unseal(admpb_pb2.UnsealRequest(topic_id=filled.topic, log_stream_id=99_999))
        plain = log_io.LogStreamReplicaMetadata(
            snpb_pb2.LogStreamReplicaMetadataRequest(topic_id=filled.topic, log_stream_id=99_999)
        )
        details = [(await refused(call)).details for call in (trimmed, unknown, plain)]
    assert details[0] == ["log stream: logstream: trimmed", "logstream: trimmed"]
    assert details[1] == ["log stream: not exist", "not exist"]
    assert details[2] == []


@pytest.mark.parametrize(
    ("topic", "stream", "begin", "end", "code", "text"),
    [
        (None, None, 5, 5, StatusCode.INVALID_ARGUMENT, "log stream: invalid range: invalid argument"),
        (None, None, 5, 4, StatusCode.INVALID_ARGUMENT, "log stream: invalid range: invalid argument"),
        (0, None, 1, 2, StatusCode.INVALID_ARGUMENT, "invalid topic 0"),
        (None, 0, 1, 2, StatusCode.INVALID_ARGUMENT, "invalid log stream 0"),
        (None, 99_999, 1, 2, StatusCode.NOT_FOUND, "no such log stream"),
        (None, None, 0, 2, StatusCode.OUT_OF_RANGE, "log stream: logstream: trimmed"),
    ],
)
async def test_the_words_on_the_wire(
    log: Log,
    filled: Place,
    topic: int | None,
    stream: int | None,
    begin: int,
    end: int,
    code: StatusCode,
    text: str,
) -> None:
    request = snpb_pb2.SubscribeToRequest(
        topic_id=filled.topic if topic is None else topic,
        log_stream_id=filled.stream if stream is None else stream,
        llsn_begin=begin,
        llsn_end=end,
    )
    node = log.metadata.log_streams[filled.stream].replicas[0].storage_node_id
    channel = open_channel(log.metadata.storage_nodes[node].address)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await snpb_pb2_grpc.LogIOStub(channel).SubscribeTo(request).read()
    await channel.close()
    assert (caught.value.code(), caught.value.details()) == (code, text)
