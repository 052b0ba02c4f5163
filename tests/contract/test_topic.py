"""A topic as a whole: append anywhere, read in global order, trim."""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.contract.conftest import Place, Varlog
from tests.contract.steps import BOUND_S
from varlog_client import (
    END_GLSN,
    GLSN,
    LLSN,
    Admin,
    AppenderManager,
    Closed,
    Log,
    LogStreamId,
    NotFound,
    Sealed,
    TopicEntry,
    TopicId,
    Trimmed,
    Unavailable,
)


@pytest.fixture
async def second(cluster: Varlog, log: Log, place: Place) -> LogStreamId:
    """Another log stream in the topic of `place`."""
    stream = await cluster.add_log_stream(place.topic)
    await cluster.keep_running(place.topic, place.stream)
    await log.refresh()
    return stream


async def merged(log: Log, topic: TopicId, begin: int, end: int) -> list[TopicEntry]:
    async with asyncio.timeout(BOUND_S), log.subscribe(topic, GLSN(begin), GLSN(end)) as entries:
        return [entry async for entry in entries]


async def fill(log: Log, topic: TopicId, *streams: LogStreamId) -> None:
    """Ten batches, of one to three entries, here and there; the payload names the GLSN."""
    shuffled = random.Random(4)
    glsn = 1
    for _ in range(10):
        payloads = [b"%d" % (glsn + each) for each in range(shuffled.randint(1, 3))]
        metas = await log.append_to(topic, shuffled.choice(streams), payloads)
        assert [meta.glsn for meta in metas] == list(range(glsn, glsn + len(payloads)))
        glsn += len(payloads)


# append, append_to, appendable_log_streams


async def test_append_goes_to_some_log_stream_of_the_topic(
    log: Log, place: Place, second: LogStreamId
) -> None:
    metas = [await log.append(place.topic, [b"x", b"y"]) for _ in range(30)]
    assert {meta.log_stream_id for batch in metas for meta in batch} == {place.stream, second}
    assert [batch[0].glsn for batch in metas] == list(range(1, 61, 2))


async def test_append_keeps_to_the_log_streams_it_is_told(
    log: Log, place: Place, second: LogStreamId
) -> None:
    for _ in range(5):
        [meta] = await log.append(place.topic, [b"x"], log_streams=[second])
        assert meta.log_stream_id == second
    with pytest.raises(NotFound):
        await log.append(place.topic, [b"x"], log_streams=[LogStreamId(99_999)])


async def test_append_to_goes_there(log: Log, place: Place, second: LogStreamId) -> None:
    for stream in (second, place.stream):
        [meta] = await log.append_to(place.topic, stream, [b"x"])
        assert meta.log_stream_id == stream
    with pytest.raises(NotFound):
        await log.append_to(place.topic, LogStreamId(99_999), [b"x"])


async def test_append_goes_elsewhere_when_a_log_stream_is_sealed(
    cluster: Varlog, log: Log, place: Place, second: LogStreamId
) -> None:
    await log.append_to(place.topic, place.stream, [b"an open stream"])
    await cluster.seal(place.topic, place.stream)
    for _ in range(10):
        [meta] = await log.append(place.topic, [b"x"])
        assert meta.log_stream_id == second
    with pytest.raises(Sealed):
        await log.append_to(place.topic, place.stream, [b"x"], retries=1)
    assert log.appendable_log_streams(place.topic) == {second}


async def test_a_log_stream_is_appendable_again_when_an_append_succeeded(
    cluster: Varlog, log: Log, place: Place
) -> None:
    await cluster.seal(place.topic, place.stream)
    with pytest.raises(Sealed):
        await log.append(place.topic, [b"x"], retries=1)
    assert log.appendable_log_streams(place.topic) == frozenset()
    await cluster.unseal(place.topic, place.stream)
    await log.append(place.topic, [b"x"])
    assert log.appendable_log_streams(place.topic) == {place.stream}


async def test_what_cannot_be_appended_is_said(log: Log, place: Place) -> None:
    with pytest.raises(ValueError, match="at least one entry"):
        await log.append(place.topic, [])
    with pytest.raises(NotFound):
        await log.append(TopicId(99_999), [b"x"])
    assert log.appendable_log_streams(TopicId(99_999)) == frozenset()


# subscribe


async def test_a_topic_is_read_in_global_order(log: Log, place: Place, second: LogStreamId) -> None:
    await fill(log, place.topic, place.stream, second)
    last = (await log.append(place.topic, [b"last"]))[0].glsn
    entries = await merged(log, place.topic, 1, last)
    assert [entry.glsn for entry in entries] == list(range(1, last))
    assert [entry.data for entry in entries] == [b"%d" % glsn for glsn in range(1, last)]
    assert {entry.log_stream_id for entry in entries} == {place.stream, second}
    for stream in (place.stream, second):
        llsns = [entry.llsn for entry in entries if entry.log_stream_id == stream]
        assert llsns == list(range(1, len(llsns) + 1))


async def test_every_part_of_a_topic_ends_where_it_should(
    log: Log, place: Place, second: LogStreamId
) -> None:
    """A log stream that doesn't hold the last GLSN would never end the range by itself."""
    for stream in (place.stream, second, place.stream, second):
        await log.append_to(place.topic, stream, [b"x"])
    for begin in range(1, 5):
        for end in range(begin, 6):
            entries = await merged(log, place.topic, begin, end)
            assert [entry.glsn for entry in entries] == list(range(begin, end))


async def test_the_tail_of_a_topic_is_followed_into_new_log_streams(
    cluster: Varlog, log: Log, place: Place
) -> None:
    async with log.subscribe(place.topic, GLSN(1), END_GLSN, silence_s=0.2) as entries:
        next_entry = asyncio.ensure_future(anext(entries))
        [first] = await log.append_to(place.topic, place.stream, [b"old"])
        assert (await asyncio.wait_for(next_entry, BOUND_S)).glsn == first.glsn
        new = await cluster.add_log_stream(place.topic)
        await log.append_to(place.topic, new, [b"new"])
        entry = await asyncio.wait_for(anext(entries), BOUND_S)
        assert entry == TopicEntry(new, LLSN(1), GLSN(2), b"new")


async def test_a_trimmed_part_of_a_topic_is_said_to_be(log: Log, place: Place, second: LogStreamId) -> None:
    for stream in (place.stream, second, place.stream, second):
        await log.append_to(place.topic, stream, [b"x"])
    assert await log.trim(place.topic, GLSN(2)) == set(log.metadata.storage_nodes)
    with pytest.raises(Trimmed):
        await merged(log, place.topic, 2, 4)
    assert [entry.glsn for entry in await merged(log, place.topic, 3, 5)] == [3, 4]
    assert (await log.peek(place.topic, second)).first.glsn == 4


async def test_a_removed_log_stream_leaves_a_hole_that_is_said(
    cluster: Varlog, admin: Admin, log: Log, place: Place, second: LogStreamId
) -> None:
    for stream in (place.stream, second, place.stream):
        await log.append_to(place.topic, stream, [b"x"])
    await cluster.seal(place.topic, second)
    await admin.unregister_log_stream(place.topic, second)
    await log.refresh()
    async with asyncio.timeout(BOUND_S), log.subscribe(place.topic, GLSN(1), GLSN(4)) as entries:
        assert (await anext(entries)).glsn == 1
        with pytest.raises(Trimmed, match=f"topic {place.topic}: 2 was trimmed"):
            await anext(entries)


async def test_subscribing_to_no_topic_is_not_found(log: Log) -> None:
    with pytest.raises(NotFound):
        log.subscribe(TopicId(99_999), GLSN(1))


# trim


async def test_trimming_beyond_the_end_changes_nothing(log: Log, place: Place) -> None:
    await log.append(place.topic, [b"x"])
    await log.trim(place.topic, GLSN(1000))
    assert (await log.peek(place.topic, place.stream)).first.llsn == 1
    with pytest.raises(NotFound):
        await log.trim(TopicId(99_999), GLSN(1))


# AppenderManager


async def test_all_who_ask_get_the_same_appender_until_it_breaks(
    cluster: Varlog, log: Log, place: Place
) -> None:
    manager = AppenderManager(log)
    first = manager.get(place.topic, place.stream)
    assert manager.get(place.topic, place.stream) is first
    await first.append([b"x"])
    await cluster.seal(place.topic, place.stream)
    with pytest.raises(Sealed):
        await first.append([b"y"])
    await cluster.unseal(place.topic, place.stream)
    second = manager.get(place.topic, place.stream)
    assert second is not first
    assert [meta.llsn for meta in await second.append([b"z"])] == [2]
    await manager.clear()
    with pytest.raises(Closed):
        await second.append([b"closed"])
    await manager.get(place.topic, place.stream).append([b"usable again"])


async def test_any_takes_an_appendable_log_stream_of_those_allowed(
    cluster: Varlog, log: Log, place: Place, second: LogStreamId
) -> None:
    manager = AppenderManager(log)
    asked = {manager.any(place.topic).log_stream_id for _ in range(40)}
    assert asked == {place.stream, second}
    assert manager.any(place.topic, [second]).log_stream_id == second
    await cluster.seal(place.topic, second)
    await log.refresh()
    assert {manager.any(place.topic).log_stream_id for _ in range(10)} == {place.stream}
    with pytest.raises(Unavailable, match="no appendable log stream"):
        manager.any(place.topic, [second])
    with pytest.raises(NotFound):
        manager.get(place.topic, LogStreamId(99_999))
    await manager.clear()
