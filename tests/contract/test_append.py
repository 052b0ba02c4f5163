from __future__ import annotations

import asyncio
from collections.abc import Sequence

import grpc.aio
import pytest
from grpc import StatusCode

from tests.contract.conftest import Place, Varlog
from tests.contract.steps import BOUND_S, append, appender_at, read
from tests.varlog_client.answers import Answers
from varlog_client import (
    AppendError,
    AppendNotSent,
    AppendRefused,
    EntryMeta,
    Log,
    LogStreamId,
    NoSuchLogStream,
    Sealed,
    StorageNodeId,
    TopicId,
)
from varlog_client.channels import open_channel
from varlog_client.errors import status_text
from varlog_client.pb import snpb_pb2, snpb_pb2_grpc


async def test_the_first_entry_has_llsn_and_glsn_one(log: Log, place: Place) -> None:
    appender = log.appender(place.topic, place.stream)
    assert await append(appender, b"first") == [EntryMeta(place.topic, place.stream, 1, 1)]  # type: ignore[arg-type]


async def test_entries_of_a_batch_are_consecutive_and_so_are_batches(log: Log, place: Place) -> None:
    appender = log.appender(place.topic, place.stream)
    batches = [await append(appender, *([b"x"] * size)) for size in (1, 5, 3)]
    assert [[meta.llsn for meta in batch] for batch in batches] == [[1], [2, 3, 4, 5, 6], [7, 8, 9]]
    assert [[meta.glsn for meta in batch] for batch in batches] == [[1], [2, 3, 4, 5, 6], [7, 8, 9]]


async def test_what_was_appended_is_read_back(log: Log, place: Place) -> None:
    payloads = [b"", b"a", bytes(range(256)) * 100, b"", b"\xff" * (6 << 20)]
    await append(log.appender(place.topic, place.stream), *payloads)
    entries = await read(log, place.topic, place.stream, 1, len(payloads) + 1)
    assert [entry.data for entry in entries] == payloads


async def test_glsns_are_dense_over_the_log_streams_of_a_topic(
    cluster: Varlog, log: Log, place: Place
) -> None:
    other = await cluster.add_log_stream(place.topic)
    await log.refresh()
    one, two = log.appender(place.topic, place.stream), log.appender(place.topic, other)
    found: list[EntryMeta] = []
    for _ in range(5):
        found += await append(one, b"x")
        found += await append(two, b"x", b"x")
    assert [meta.glsn for meta in found] == list(range(1, 16))
    assert [meta.llsn for meta in found if meta.log_stream_id == other] == list(range(1, 11))


@pytest.mark.parametrize("pipeline", [1, 2, 8])
async def test_many_batches_keep_their_order(log: Log, place: Place, pipeline: int) -> None:
    appender, answers = log.appender(place.topic, place.stream, pipeline=pipeline), Answers()
    names = [f"{number}" for number in range(200)]
    for name in names:
        await appender.append_batch([name.encode(), b"second"], answers.callback(name))
    await answers.wait(*names)
    assert answers.order == names
    assert [answers.llsns(name) for name in names] == [[2 * n + 1, 2 * n + 2] for n in range(200)]
    entries = await read(log, place.topic, place.stream, 1, 401)
    assert [entry.data.decode() for entry in entries[::2]] == names


async def test_two_appenders_interleave_by_batch(log: Log, place: Place) -> None:
    appenders = [log.appender(place.topic, place.stream, pipeline=4) for _ in range(2)]

    async def load(number: int) -> list[Sequence[EntryMeta]]:
        return [await append(appenders[number], b"%d" % number, b"%d" % number) for _ in range(50)]

    batches = [batch for load in await asyncio.gather(load(0), load(1)) for batch in load]
    assert all(batch[1].llsn == batch[0].llsn + 1 for batch in batches)
    assert sorted(meta.llsn for batch in batches for meta in batch) == list(range(1, 201))


async def test_an_idle_stream_learns_of_a_seal_with_its_next_batch(
    cluster: Varlog, log: Log, place: Place
) -> None:
    appender = log.appender(place.topic, place.stream)
    await append(appender, b"before")
    await cluster.seal(place.topic, place.stream)
    assert appender.broken is None
    with pytest.raises(Sealed):
        await append(appender, b"sealed")
    with pytest.raises(AppendNotSent):
        await append(appender, b"later")
    await cluster.unseal(place.topic, place.stream)
    with pytest.raises(AppendNotSent):
        await append(appender, b"still")
    [meta] = await append(log.appender(place.topic, place.stream), b"after")
    assert meta.llsn == 2


async def test_a_seal_in_the_middle_of_a_load_refuses_exactly_what_it_drops(
    cluster: Varlog, log: Log, place: Place
) -> None:
    appender, answers = log.appender(place.topic, place.stream, pipeline=8), Answers()
    names: list[str] = []
    # A real node leaves requests hanging whose log stream is sealed before its very first commit.
    await append(appender, b"first")
    sealing = asyncio.create_task(cluster.seal(place.topic, place.stream))
    async with asyncio.timeout(BOUND_S):
        while appender.broken is None:
            names.append(f"{len(names)}")
            await appender.append_batch([names[-1].encode()], answers.callback(names[-1]))
        await sealing
    await answers.wait(*names)
    acknowledged = [name for name in names if not isinstance(answers.outcome(name), AppendError)]
    refused = [name for name in names if name not in acknowledged]
    assert acknowledged == names[: len(acknowledged)]
    assert set(answers.errors(*refused)) <= {Sealed, AppendNotSent}
    last = (await log.peek(place.topic, place.stream)).last.llsn
    entries = await read(log, place.topic, place.stream, 1, last + 1)
    assert [entry.data.decode() for entry in entries] == ["first", *acknowledged]


async def test_a_log_stream_the_node_does_not_have_is_refused(log: Log, place: Place) -> None:
    appender = appender_at(log, node_of(log, place), place.topic, LogStreamId(99_999))
    with pytest.raises(NoSuchLogStream, match="no such log stream"):
        await append(appender, b"x")
    await appender.close()


async def test_a_log_stream_of_another_topic_is_refused(cluster: Varlog, log: Log, place: Place) -> None:
    appender = appender_at(log, node_of(log, place), await cluster.add_topic(), place.stream)
    with pytest.raises(NoSuchLogStream):
        await append(appender, b"x")
    await appender.close()


async def test_ids_that_are_none_are_refused(log: Log, place: Place) -> None:
    for topic, stream, said in [(0, 1, "invalid topic 0"), (1, 0, "invalid log stream 0")]:
        appender = appender_at(log, node_of(log, place), TopicId(topic), LogStreamId(stream))
        with pytest.raises(AppendRefused, match=said):
            await append(appender, b"x")
        await appender.close()


@pytest.mark.parametrize(
    ("requests", "code", "text"),
    [
        (["empty"], StatusCode.INVALID_ARGUMENT, "rpc error: code = InvalidArgument desc = no payload"),
        (
            ["good", "other"],
            StatusCode.INVALID_ARGUMENT,
            "rpc error: code = InvalidArgument desc = unmatched topic or logstream",
        ),
        (
            ["other"],
            StatusCode.NOT_FOUND,
            "rpc error: code = NotFound desc = no such log stream",
        ),
    ],
)
async def test_the_words_on_the_wire(
    log: Log, place: Place, requests: list[str], code: StatusCode, text: str
) -> None:
    good = snpb_pb2.AppendRequest(topic_id=place.topic, log_stream_id=place.stream, payload=[b"x"])
    other = snpb_pb2.AppendRequest(topic_id=place.topic, log_stream_id=99_999, payload=[b"x"])
    empty = snpb_pb2.AppendRequest(topic_id=place.topic, log_stream_id=place.stream)
    known = {"good": good, "other": other, "empty": empty}
    answers, error = await raw_append(log, place, [known[name] for name in requests])
    assert answers == requests.count("good")
    assert (error.code(), error.details()) == (code, text)
    assert status_text(error) in text


def node_of(log: Log, place: Place) -> StorageNodeId:
    return log.metadata.log_streams[place.stream].replicas[0].storage_node_id


async def raw_append(
    log: Log, place: Place, requests: Sequence[snpb_pb2.AppendRequest]
) -> tuple[int, grpc.aio.AioRpcError]:
    """How many answers came, and the end."""
    channel = open_channel(log.metadata.storage_nodes[node_of(log, place)].address)
    answers = 0
    try:
        call = snpb_pb2_grpc.LogIOStub(channel).Append(iter(requests))
        async with asyncio.timeout(BOUND_S):
            async for _ in call:
                answers += 1
    except grpc.aio.AioRpcError as error:
        return answers, error
    finally:
        await channel.close()
    raise AssertionError("the stream ended without an error")
