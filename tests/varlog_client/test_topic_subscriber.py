"""Reading a topic in global order, against servers that say what they are told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from grpc import StatusCode

from tests.varlog_client.answers import BOUND_S
from tests.varlog_client.scripted import NODE, STREAM, TOPIC, ScriptedTopicSubscription, ScriptedVarlog
from varlog_client import (
    END_GLSN,
    GLSN,
    Closed,
    Corrupt,
    InvalidArgument,
    Log,
    LogStreamId,
    NotFound,
    StorageNodeId,
    TopicEntry,
    TopicId,
    TopicSubscriber,
    Trimmed,
    Unavailable,
)

OTHER = LogStreamId(8)


@pytest.fixture
async def two(server: ScriptedVarlog) -> AsyncIterator[Log]:
    """A log that knows STREAM and OTHER."""
    server.log_streams = [STREAM, OTHER]
    async with await Log.open(1, [server.address]) as log:
        yield log


async def both(server: ScriptedVarlog) -> tuple[ScriptedTopicSubscription, ScriptedTopicSubscription]:
    calls = [await server.topic_subscription(), await server.topic_subscription()]
    first, second = sorted(calls, key=lambda call: call.log_stream_id)
    return first, second


async def take(entries: TopicSubscriber, count: int) -> list[int]:
    async with asyncio.timeout(BOUND_S):
        return [(await anext(entries)).glsn for _ in range(count)]


async def rest(entries: TopicSubscriber) -> list[int]:
    async with asyncio.timeout(BOUND_S):
        return [entry.glsn async for entry in entries]


async def test_entries_come_by_glsn_whoever_was_quicker(server: ScriptedVarlog, two: Log) -> None:
    entries = two.subscribe(TOPIC, GLSN(1), GLSN(6))
    one, other = await both(server)
    for llsn, glsn in ((1, 2), (2, 3), (3, 5)):
        await other.entry(llsn, glsn)
    for llsn, glsn in ((1, 1), (2, 4)):
        await one.entry(llsn, glsn)
    async with asyncio.timeout(BOUND_S):
        found = [entry async for entry in entries]
    assert [entry.glsn for entry in found] == [1, 2, 3, 4, 5]
    assert found[1] == TopicEntry(OTHER, 1, 2, b"2")  # type: ignore[arg-type]
    assert (one.end_glsn, other.end_glsn) == (END_GLSN, END_GLSN)
    for call in (one, other):  # the range is over: nobody goes on sending
        await asyncio.wait_for(call.cancelled.wait(), BOUND_S)


async def test_next_batch_gives_what_is_there_up_to_its_limit(server: ScriptedVarlog, two: Log) -> None:
    entries = two.subscribe(TOPIC, GLSN(1), GLSN(6))
    one, other = await both(server)
    for llsn, glsn in ((1, 2), (2, 3), (3, 5)):
        await other.entry(llsn, glsn)
    for llsn, glsn in ((1, 1), (2, 4)):
        await one.entry(llsn, glsn)
    got: list[list[int]] = []
    async with asyncio.timeout(BOUND_S):
        while batch := await entries.next_batch(2):
            got.append([entry.glsn for entry in batch])
    assert [glsn for batch in got for glsn in batch] == [1, 2, 3, 4, 5]
    assert max(len(batch) for batch in got) <= 2


async def test_reading_stops_at_an_entry_beyond_the_end(server: ScriptedVarlog, two: Log) -> None:
    entries = two.subscribe(TOPIC, GLSN(3), GLSN(4))
    one, other = await both(server)
    assert (one.begin, other.begin) == (3, 3)
    await other.entry(9, 40)
    await asyncio.wait_for(other.cancelled.wait(), BOUND_S)
    await one.entry(7, 3)
    assert await rest(entries) == [3]


async def test_an_empty_range_asks_nobody(server: ScriptedVarlog, log: Log) -> None:
    assert await rest(log.subscribe(TOPIC, GLSN(5), GLSN(5))) == []
    assert log._subscribers == set()


@pytest.mark.parametrize(("begin", "end"), [(0, 5), (5, 4), (1, 2**64)])
async def test_what_is_no_range_is_refused(log: Log, begin: int, end: int) -> None:
    with pytest.raises(ValueError, match="no range of GLSNs"):
        log.subscribe(TOPIC, GLSN(begin), GLSN(end))


async def test_an_unknown_topic_is_not_found(log: Log) -> None:
    with pytest.raises(NotFound):
        log.subscribe(TopicId(99), GLSN(1))


@pytest.mark.parametrize("code", [StatusCode.UNAVAILABLE, StatusCode.INTERNAL, StatusCode.OK])
async def test_another_replica_goes_on_where_the_first_failed(code: StatusCode) -> None:
    async with ScriptedVarlog() as primary, ScriptedVarlog(StorageNodeId(2)) as backup:
        primary.nodes[backup.node_id] = backup.address
        async with await Log.open(1, [primary.address]) as log, log.subscribe(TOPIC, GLSN(1)) as entries:
            first = await primary.topic_subscription()
            await first.entry(1, 1)
            await first.entry(2, 2)
            assert await take(entries, 2) == [1, 2]
            await first.end(code, "gone")
            second = await backup.topic_subscription()
            assert second.begin == 3
            await second.entry(3, 3)
            assert await take(entries, 1) == [3]


async def test_a_replica_silent_about_an_entry_that_another_holds_is_left() -> None:
    async with ScriptedVarlog() as primary, ScriptedVarlog(StorageNodeId(2)) as backup:
        primary.nodes[backup.node_id] = backup.address
        backup.watermarks = (1, 1)
        async with (
            await Log.open(1, [primary.address]) as log,
            log.subscribe(TOPIC, GLSN(1), GLSN(2), silence_s=0.1) as entries,
        ):
            silent = await primary.topic_subscription()
            await (await backup.topic_subscription()).entry(1, 1)
            assert await rest(entries) == [1]
            await asyncio.wait_for(silent.cancelled.wait(), BOUND_S)


async def test_waiting_at_the_tail_is_no_trouble(server: ScriptedVarlog, log: Log) -> None:
    server.watermarks, server.global_watermark = (1, 4), 4
    async with log.subscribe(TOPIC, GLSN(5), silence_s=0.02) as entries:
        call = await server.topic_subscription()
        waiting = asyncio.ensure_future(anext(entries))
        before = server.metadata_calls
        async with asyncio.timeout(BOUND_S):
            while server.metadata_calls < before + 3:  # it has looked around three times
                await asyncio.sleep(0.01)
        await call.entry(5, 5)
        assert (await asyncio.wait_for(waiting, BOUND_S)).glsn == 5


async def test_a_log_stream_added_meanwhile_is_read_too(server: ScriptedVarlog, log: Log) -> None:
    async with log.subscribe(TOPIC, GLSN(1), GLSN(3), silence_s=0.05) as entries:
        await (await server.topic_subscription()).entry(1, 1)
        assert await take(entries, 1) == [1]
        server.log_streams = [STREAM, OTHER]
        waiting = asyncio.ensure_future(rest(entries))
        added = await server.topic_subscription()
        assert (added.log_stream_id, added.begin) == (OTHER, 2)
        await added.entry(1, 2)
        assert await waiting == [2]


async def test_out_of_range_means_trimmed_after_what_was_read(server: ScriptedVarlog, log: Log) -> None:
    async with log.subscribe(TOPIC, GLSN(1)) as entries:
        call = await server.topic_subscription()
        await call.entry(1, 1)
        await call.end(StatusCode.UNAVAILABLE, "gone")
        call = await server.topic_subscription()
        await call.end(StatusCode.OUT_OF_RANGE, "log stream: logstream: trimmed")
        assert await take(entries, 1) == [1]
        for _ in range(2):
            with pytest.raises(Trimmed):
                await take(entries, 1)


async def test_what_was_trimmed_after_others_gave_it_is_no_loss(server: ScriptedVarlog, two: Log) -> None:
    async with two.subscribe(TOPIC, GLSN(1)) as entries:
        one, other = await both(server)
        await one.entry(1, 1)
        await other.end(StatusCode.OUT_OF_RANGE, "log stream: logstream: trimmed")
        assert await take(entries, 1) == [1]
        waiting = asyncio.ensure_future(take(entries, 1))
        again = await server.topic_subscription()
        assert (again.log_stream_id, again.begin) == (OTHER, 2)
        await again.entry(4, 2)
        assert await waiting == [2]


async def test_a_glsn_that_all_have_passed_is_trimmed_without_waiting(
    server: ScriptedVarlog, two: Log
) -> None:
    """A node that was restarted since has forgotten the trim: it just begins later."""
    async with two.subscribe(TOPIC, GLSN(1), silence_s=1000) as entries:
        one, other = await both(server)
        await one.entry(4, 9)
        await other.entry(6, 10)
        with pytest.raises(Trimmed, match="topic 1: 1 was trimmed") as caught:
            await take(entries, 1)
    assert (caught.value.begin, caught.value.log_stream_id) == (1, None)


async def test_a_glsn_that_nobody_holds_though_it_was_committed_is_trimmed(
    server: ScriptedVarlog, log: Log
) -> None:
    server.watermarks, server.global_watermark = (0, 0), 3
    async with log.subscribe(TOPIC, GLSN(2), silence_s=0.02) as entries:
        with pytest.raises(Trimmed):
            await take(entries, 1)


async def test_what_a_node_cannot_read_because_it_was_trimmed_is_trimmed(
    server: ScriptedVarlog, log: Log
) -> None:
    """Restarted after a trim, a node stumbles over what is left of the trimmed entries."""
    server.watermarks, server.global_watermark = (5, 8), 8
    async with log.subscribe(TOPIC, GLSN(2), silence_s=0.1) as entries:
        waiting = asyncio.ensure_future(take(entries, 1))
        while not waiting.done():
            call = asyncio.ensure_future(server.topic_subscription())
            await asyncio.wait([waiting, call], return_when=asyncio.FIRST_COMPLETED)
            if call.done():
                await call.result().end(StatusCode.UNKNOWN, "storage: inconsistent write and commit")
            call.cancel()
        with pytest.raises(Trimmed):
            await waiting


@pytest.mark.parametrize("wrong", [(3, 2), (1, 2), (2, 1)])
async def test_an_entry_left_out_or_sent_twice_is_corrupt(
    server: ScriptedVarlog, log: Log, wrong: tuple[int, int]
) -> None:
    async with log.subscribe(TOPIC, GLSN(1)) as entries:
        call = await server.topic_subscription()
        await call.entry(1, 1)
        await call.entry(*wrong)
        assert await take(entries, 1) == [1]
        with pytest.raises(Corrupt):
            await take(entries, 1)


async def test_a_refused_request_is_not_asked_elsewhere(server: ScriptedVarlog, log: Log) -> None:
    async with log.subscribe(TOPIC, GLSN(1)) as entries:
        await (await server.topic_subscription()).end(StatusCode.INVALID_ARGUMENT, "invalid topic 0")
        with pytest.raises(InvalidArgument):
            await take(entries, 1)


async def test_reading_gives_up_when_no_replica_serves(server: ScriptedVarlog, log: Log) -> None:
    server.nodes = {NODE: "127.0.0.1:1"}
    await log.refresh()
    async with log.subscribe(TOPIC, GLSN(1), patience_s=0.3) as entries:
        with pytest.raises(Unavailable, match=r"log stream 7: no replica gave entry 1 for 0\.3 s"):
            await take(entries, 1)


async def test_a_cancelled_wait_loses_nothing(server: ScriptedVarlog, log: Log) -> None:
    async with log.subscribe(TOPIC, GLSN(1)) as entries:
        waiting = asyncio.ensure_future(anext(entries))
        call = await server.topic_subscription()
        waiting.cancel()
        await asyncio.wait([waiting])
        await call.entry(1, 1)
        assert await take(entries, 1) == [1]


async def test_closing_ends_the_calls_and_whoever_waits(server: ScriptedVarlog, two: Log) -> None:
    entries = two.subscribe(TOPIC, GLSN(1))
    calls = await both(server)
    waiting = asyncio.ensure_future(anext(entries))
    await asyncio.sleep(0)
    await entries.aclose()
    with pytest.raises(Closed):
        await waiting
    for call in calls:
        await asyncio.wait_for(call.cancelled.wait(), BOUND_S)
    await entries.aclose()
    with pytest.raises(Closed):
        await anext(entries)


async def test_closing_the_log_closes_it(server: ScriptedVarlog, log: Log) -> None:
    entries = log.subscribe(TOPIC, GLSN(1))
    await server.topic_subscription()
    await log.close()
    with pytest.raises(Closed):
        await anext(entries)
    with pytest.raises(Closed):
        log.subscribe(TOPIC, GLSN(1))


async def test_repr_shows_the_state(server: ScriptedVarlog, log: Log) -> None:
    entries = log.subscribe(TOPIC, GLSN(1), GLSN(9))
    assert repr(entries) == "<TopicSubscriber 1 next=1 end=9 reading>"
    await entries.aclose()
    assert repr(entries) == "<TopicSubscriber 1 next=1 end=9 closed>"


# Trim


async def test_trim_asks_every_node_and_names_those_that_answered(server: ScriptedVarlog) -> None:
    async with ScriptedVarlog(StorageNodeId(2)) as second:
        server.nodes = {NODE: server.address, second.node_id: second.address, StorageNodeId(3): "127.0.0.1:1"}
        async with await Log.open(1, [server.address]) as log:
            assert await log.trim(TOPIC, GLSN(7)) == {1, 2}
        for node in (server, second):
            assert [(each.topic_id, each.glsn) for each in node.trims] == [(TOPIC, 7)]


async def test_trim_is_unavailable_when_no_node_answered(server: ScriptedVarlog, log: Log) -> None:
    server.nodes = {NODE: "127.0.0.1:1"}
    await log.refresh()
    with pytest.raises(Unavailable, match="no storage node of topic 1 trimmed; node 1: "):
        await log.trim(TOPIC, GLSN(7))
