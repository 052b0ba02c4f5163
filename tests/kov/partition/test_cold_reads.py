"""A consumer that reads on does so through one subscription, which is closed when nobody needs it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from kio.schema.errors import ErrorCode

from kov import records
from kov.errors import KafkaError
from kov.partition.cold_reads import ColdReads
from kov.partition.history import History
from kov.partition.reader import Offset
from tests.builders import batch
from tests.kov.partition.asking import offset_of, send, until
from tests.kov.partition.conftest import Reads
from tests.kov.partition.scripted import ScriptedLog, partition_on
from tests.kov.partition.test_history_steps import history_on, written
from varlog_client.errors import Trimmed

COUNT = 9
SIZE = len(batch([b"0"]))


@pytest.fixture
async def log() -> ScriptedLog:
    """`COUNT` batches of one record, four of them behind a first fence and five behind a second."""
    log = ScriptedLog()
    await written(log, 4, COUNT - 4)
    return log


@pytest.fixture
async def history(log: ScriptedLog, reads: Reads) -> History:
    """That knows where the stream's first entry lies, so that a read of an offset is one subscription."""
    history = history_on(log)
    await history.look()
    async for _ in history.batches(0):
        pass
    reads.begun = log.read = 0
    return history


@pytest.fixture
async def cold(history: History) -> AsyncIterator[ColdReads]:
    made = ColdReads(2)
    yield made
    await made.forget(history)


async def read(cold: ColdReads, history: History, offset: int, count: int = 1) -> list[int]:
    """The offsets in what a read for so many batches gave."""
    found = await cold.read(history, offset, count * SIZE)
    return [records.read_header(each).base_offset for each in found]


async def test_who_reads_on_reads_each_entry_once(
    cold: ColdReads, history: History, log: ScriptedLog, reads: Reads
) -> None:
    found = [await read(cold, history, offset, 2) for offset in range(0, COUNT, 2)]
    assert found == [[0, 1], [2, 3], [4, 5], [6, 7], [8]]
    assert (reads.begun, log.read) == (1, 2 + COUNT)


async def test_the_end_of_what_there_was_closes_the_subscription(
    cold: ColdReads, history: History, reads: Reads
) -> None:
    assert await read(cold, history, COUNT - 1) == [COUNT - 1]
    assert cold.parked == 0
    await until(lambda: reads.open == 0)


async def test_what_was_appended_meanwhile_is_read_through_another_one(
    cold: ColdReads, history: History, log: ScriptedLog, reads: Reads
) -> None:
    assert await read(cold, history, 0) == [0]
    await written(log, 2)
    await history.look()
    reads.begun = 0
    assert await read(cold, history, 1, 20) == list(range(1, COUNT))
    assert await read(cold, history, COUNT, 20) == [COUNT, COUNT + 1]
    assert reads.begun == 1


async def test_the_batch_that_had_no_room_comes_first_the_next_time(
    cold: ColdReads, history: History, log: ScriptedLog
) -> None:
    assert len(await cold.read(history, 0, 2 * SIZE + 1)) == 2
    assert await read(cold, history, 2, 2) == [2, 3]
    assert log.read == 1 + 4, "the fence and the four, once each"


@pytest.mark.parametrize("offset", [0, 2, 5])
async def test_any_other_offset_is_read_through_a_subscription_of_its_own(
    cold: ColdReads, history: History, reads: Reads, offset: int
) -> None:
    await read(cold, history, 0)
    assert await read(cold, history, offset, 2) == [offset, offset + 1]
    assert reads.begun == 2
    assert await read(cold, history, 1) == [1]
    assert reads.begun == 2, "the first one still waited"


async def test_two_that_read_the_same_have_one_each_while_they_read(
    cold: ColdReads, history: History, reads: Reads
) -> None:
    for offset in (0, 1):
        found = await asyncio.gather(read(cold, history, offset), read(cold, history, offset))
        assert list(found) == [[offset], [offset]]
        assert cold.parked == 1
        await until(lambda: reads.open == 1)
    assert (reads.begun, reads.most) == (3, 2)
    await asyncio.gather(read(cold, history, 3), read(cold, history, 6))
    assert cold.parked == 2, "both places are there"


async def test_one_that_nobody_asks_again_is_closed(history: History, reads: Reads) -> None:
    cold = ColdReads(3, idle_s=0.2)
    clock = asyncio.get_running_loop().time
    defects: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: defects.append(context))
    began = clock()
    await read(cold, history, 0)
    await asyncio.sleep(0.1)
    await read(cold, history, 4)
    await until(lambda: cold.parked == 1)
    assert 0.2 <= clock() - began < 0.3, "the second one is younger"
    await until(lambda: reads.open == 0)
    assert clock() - began >= 0.3
    await until(lambda: not cold._closing)
    assert (cold.parked, cold._timer, defects) == (0, None, [])


async def test_asking_again_keeps_it(history: History, reads: Reads) -> None:
    cold = ColdReads(1, idle_s=0.2)
    for offset in range(5):
        assert await read(cold, history, offset) == [offset]
        await asyncio.sleep(0.1)
    assert reads.begun == 1
    await cold.forget(history)
    assert reads.open == 0


async def test_another_read_takes_the_place_of_the_one_that_waits_longest(
    cold: ColdReads, history: History, reads: Reads
) -> None:
    for offset in (0, 3, 6):
        await read(cold, history, offset)
    assert (reads.most, cold.parked) == (2, 2)
    await read(cold, history, 4)
    await read(cold, history, 7)
    assert reads.begun == 3, "the first one went"
    await read(cold, history, 1)
    assert reads.begun == 4


async def test_none_waits_for_its_consumer_while_another_waits_for_a_place(
    history: History, reads: Reads
) -> None:
    cold = ColdReads(1)
    found = await asyncio.gather(*(read(cold, history, offset) for offset in (0, 3, 6)))
    assert list(found) == [[0], [3], [6]]
    assert (reads.begun, reads.most, cold.parked) == (3, 1, 1)
    await read(cold, history, 7)
    assert reads.begun == 3
    await cold.forget(history)


async def test_a_read_that_is_given_up_ends_its_subscription_and_frees_its_place(
    history: History, reads: Reads
) -> None:
    cold = ColdReads(1)
    for offset in (0, 3):
        reading = asyncio.create_task(read(cold, history, offset, 2))
        waiting = asyncio.create_task(read(cold, history, 1))
        await until(lambda: reads.open == 1)
        waiting.cancel()
        reading.cancel()
        await asyncio.wait([reading, waiting])
        await until(lambda: reads.open == 0)
        assert cold.parked == 0
    assert await read(cold, history, 0, 2) == [0, 1]
    await cold.forget(history)


async def test_one_that_fails_is_closed_and_the_next_read_begins_anew(
    cold: ColdReads, history: History, log: ScriptedLog, reads: Reads
) -> None:
    assert await read(cold, history, 0) == [0]
    log.trim(5)
    with pytest.raises(Trimmed):
        await read(cold, history, 1)
    assert cold.parked == 0
    await until(lambda: reads.open == 0)
    await history.find_start()
    reads.begun = 0
    assert await read(cold, history, 4) == [4]
    assert reads.begun == 1


async def test_what_was_trimmed_is_not_handed_out_although_a_subscription_waits_there(
    log: ScriptedLog, reads: Reads
) -> None:
    reader = partition_on(log, node_id=2)
    assert len((await reader.read(0, max_bytes=1)).records) == 1
    log.trim(5)
    assert await reader.offsets(-2) == Offset(offset=4, timestamp_ms=-1, leader_epoch=2)
    with pytest.raises(KafkaError) as caught:
        await reader.read(1, max_bytes=1)
    assert caught.value.code is ErrorCode.offset_out_of_range
    await reader.close(1)
    assert reads.open == 0


async def test_closing_a_partition_closes_its_own(log: ScriptedLog, cold: ColdReads, reads: Reads) -> None:
    theirs = history_on(log)
    await theirs.look()
    history = history_on(log)
    await history.look()
    await read(cold, theirs, 0)
    await read(cold, history, 0)
    await cold.forget(theirs)
    assert (cold.parked, reads.open) == (1, 1)
    reads.begun = 0
    await read(cold, history, 1)
    assert reads.begun == 0
    await cold.forget(history)
    assert reads.open == 0


async def test_a_writer_that_reads_on_comes_from_the_log_into_its_memory(reads: Reads) -> None:
    writer = partition_on(ScriptedLog())
    for n in range(COUNT):
        await offset_of(send(writer, batch([b"%d" % n])))
    tail = writer._view.tail
    tail.clear()
    for n in range(COUNT, COUNT + 2):
        await offset_of(send(writer, batch([b"%d" % n])))
    reads.begun = 0
    found: list[int] = []
    while len(found) < COUNT + 2:
        fetched = await writer.read(len(found), max_bytes=1)
        found += [records.read_header(each).base_offset for each in fetched.records]
    assert found == list(range(COUNT + 2))
    assert (reads.begun, writer.counts.cold_reads, writer.counts.tail_reads) == (1, COUNT, 2)
    await writer.close(1)
    assert reads.open == 0
