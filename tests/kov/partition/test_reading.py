"""What a read hands out, byte by byte, and what the other questions to a partition are answered."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiokafka.record.default_records import DefaultRecordBatch
from kio.schema.errors import ErrorCode

from kov.errors import KafkaError
from kov.partition.limits import Limits
from kov.partition.partition import Fetched, Partition
from kov.partition.producers import Producer, Sequenced
from kov.partition.reader import Offset
from tests.builders import batch, idempotent
from tests.kov.partition.asking import offset_of, send
from tests.kov.partition.scripted import ScriptedLog, partition_on

FIRST_MS = 1_700_000_000_000
SIZE = len(batch())


@pytest.fixture
def log() -> ScriptedLog:
    return ScriptedLog()


@pytest.fixture
async def writer(log: ScriptedLog) -> AsyncIterator[Partition]:
    made = partition_on(log, limits=Limits(snapshot_entries=10, retry_s=0.001, max_retry_s=0.01))
    yield made
    log.unreachable = False
    log.release()
    await made.close(1)


@pytest.fixture
async def reader(log: ScriptedLog) -> AsyncIterator[Partition]:
    """Of another node, which has nothing in memory."""
    made = partition_on(log, node_id=2)
    yield made
    await made.close(1)


async def written(partition: Partition, count: int) -> None:
    for n in range(count):
        await offset_of(send(partition, batch(timestamp_ms=FIRST_MS + n)))


def offsets_in(fetched: Fetched) -> list[int]:
    return [DefaultRecordBatch(data).base_offset for data in fetched.records]


# How much


@pytest.mark.parametrize(
    ("max_bytes", "count"),
    [(0, 1), (1, 1), (SIZE, 1), (2 * SIZE - 1, 1), (2 * SIZE, 2), (4 * SIZE + 1, 4), (99 * SIZE, 8)],
)
@pytest.mark.parametrize("cold", [True, False])
async def test_a_read_hands_out_whole_batches_within_its_bound_and_at_least_one(
    writer: Partition, reader: Partition, max_bytes: int, count: int, *, cold: bool
) -> None:
    await written(writer, 10)
    fetched = await (reader if cold else writer).read(2, max_bytes=max_bytes)
    assert offsets_in(fetched) == list(range(2, 2 + count))
    assert (fetched.high_watermark, fetched.log_start_offset) == (10, 0)


@pytest.mark.parametrize("cold", [True, False])
async def test_where_one_needs_not_be_a_larger_batch_is_left_out(
    writer: Partition, reader: Partition, *, cold: bool
) -> None:
    await written(writer, 3)
    partition = reader if cold else writer
    assert (await partition.read(1, max_bytes=SIZE - 1, min_one=False)).records == ()
    assert offsets_in(await partition.read(1, max_bytes=SIZE, min_one=False)) == [1]


async def test_a_full_read_asks_storage_for_nothing_behind_it(
    writer: Partition, reader: Partition, log: ScriptedLog
) -> None:
    await written(writer, 8)
    await reader.read(0, max_bytes=1)
    before = log.read
    assert offsets_in(await reader.read(0, max_bytes=3 * SIZE)) == [0, 1, 2]
    assert log.read - before == 1 + 3, "the fence and the three"


async def test_out_of_range_says_which_offsets_there_are(writer: Partition, reader: Partition) -> None:
    await written(writer, 3)
    for partition in (writer, reader):
        for offset in (-1, 4):
            with pytest.raises(KafkaError) as caught:
                await partition.read(offset, max_bytes=1)
            assert caught.value.code is ErrorCode.offset_out_of_range
            assert caught.value.message == f"offset {offset} is not between 0 and 3"
        assert (await partition.read(3, max_bytes=1)).records == ()


# What isn't asked of storage


async def test_what_this_node_writes_is_answered_without_storage(writer: Partition, log: ScriptedLog) -> None:
    await offset_of(send(writer, idempotent(0)))
    log.unreachable = True
    assert offsets_in(await writer.read(0, max_bytes=SIZE)) == [0]
    assert (await writer.read(1, max_bytes=SIZE)).records == ()
    assert (await writer.offsets(-1)).offset == 1
    assert (await writer.offsets(-2)).offset == 0
    assert await writer.epoch_end(1) == (1, 1)
    assert (await writer.producers()).keys() == {7}


async def test_what_another_node_writes_is_not_answered_without_storage(
    writer: Partition, reader: Partition, log: ScriptedLog
) -> None:
    await written(writer, 1)
    log.unreachable = True
    for question in (
        reader.read(0, max_bytes=1),
        reader.offsets(-1),
        reader.epoch_end(1),
        reader.producers(),
    ):
        with pytest.raises(KafkaError, match="no replica answers") as caught:
            await question
        assert caught.value.code is ErrorCode.kafka_storage_error


async def test_each_question_of_a_reader_sees_what_was_written_meanwhile(
    writer: Partition, reader: Partition
) -> None:
    await offset_of(send(writer, idempotent(0)))
    assert (await reader.producers())[7].last_sequence == 0
    assert await reader.epoch_end(1) == (1, 1)
    await offset_of(send(writer, idempotent(1)))
    assert (await reader.producers())[7].last_sequence == 1
    await offset_of(send(writer, idempotent(2)))
    assert await reader.epoch_end(1) == (1, 3)
    await offset_of(send(writer, idempotent(3)))
    assert (await reader.offsets(-1)).offset == 4


async def test_beyond_its_end_even_the_writer_asks_storage(writer: Partition, log: ScriptedLog) -> None:
    await written(writer, 2)
    log.unreachable = True
    with pytest.raises(KafkaError, match="no replica answers") as caught:
        await writer.read(3, max_bytes=1)
    assert caught.value.code is ErrorCode.kafka_storage_error


async def test_a_deposed_writer_that_doesnt_know_it_sends_no_consumer_back(
    writer: Partition, reader: Partition
) -> None:
    await written(writer, 2)
    await written(reader, 3)  # which writes, too, from now on
    with pytest.raises(KafkaError) as caught:
        await writer.read(4, max_bytes=1)
    assert caught.value.code is ErrorCode.kafka_storage_error
    text = "offset 4 isn't known here yet, and whether it exists can't be found out now"
    assert caught.value.message == text


async def test_who_follows_reads_without_asking_storage_but_for_what_it_doesnt_know(
    writer: Partition, reader: Partition, log: ScriptedLog
) -> None:
    await written(writer, 2)
    await reader.read(0, max_bytes=1)
    reader.advanced(2)
    log.unreachable = True
    assert offsets_in(await reader.read(1, max_bytes=1)) == [1]
    assert (await reader.read(2, max_bytes=1)).records == ()
    for question in (reader.read(3, max_bytes=1), reader.offsets(-1)):
        with pytest.raises(KafkaError, match="no replica answers"):
            await question


async def test_who_doesnt_follow_looks_at_each_read(writer: Partition, reader: Partition) -> None:
    for n in range(3):
        await written(writer, 1)
        fetched = await reader.read(0, max_bytes=1 << 20)
        assert offsets_in(fetched) == list(range(n + 1))
        assert fetched.high_watermark == n + 1


async def test_a_read_at_the_end_is_empty_also_where_the_primary_is_away(
    writer: Partition, reader: Partition, log: ScriptedLog
) -> None:
    await written(writer, 2)
    log.primary_answers = False
    assert (await reader.read(2, max_bytes=1)).records == ()
    with pytest.raises(KafkaError, match="offset 3 isn't known here yet"):
        await reader.read(3, max_bytes=1)


# Trimmed by somebody


async def test_after_a_trim_everything_that_is_left_can_still_be_read(
    writer: Partition, reader: Partition, log: ScriptedLog
) -> None:
    await written(writer, 60)
    assert offsets_in(await reader.read(0, max_bytes=2 * SIZE)) == [0, 1]
    for trimmed in (15, 38):
        log.trim(trimmed)
        with pytest.raises(KafkaError) as caught:
            await reader.read(0, max_bytes=1)
        assert caught.value.code is ErrorCode.offset_out_of_range
        start = (await reader.offsets(-2)).offset
        assert 0 < start < trimmed + 10, "the next snapshot"
        for offset in range(start, 60):
            assert offsets_in(await reader.read(offset, max_bytes=2 * SIZE))[0] == offset


async def test_a_trim_that_a_reader_hasnt_noticed_is_found_out_when_it_reads(
    writer: Partition, reader: Partition, log: ScriptedLog
) -> None:
    await written(writer, 60)
    await reader.read(0, max_bytes=1)
    reader.advanced(60)  # it follows, and so doesn't look where the stream begins
    log.trim(35)
    assert offsets_in(await reader.read(45, max_bytes=2 * SIZE)) == [45, 46]
    with pytest.raises(KafkaError, match="offset 20 is not between 39 and 60") as caught:
        await reader.read(20, max_bytes=1)
    assert caught.value.code is ErrorCode.offset_out_of_range
    fetched = await reader.read(39, max_bytes=1)
    assert offsets_in(fetched) == [39]
    assert fetched.log_start_offset == 39


# Times, epochs, producers


async def test_a_record_inside_a_batch_is_found_by_its_time(writer: Partition) -> None:
    for n in range(3):
        await offset_of(send(writer, batch([b"v"] * 4, timestamp_ms=FIRST_MS + 100 * n)))
    found = await writer.offsets(FIRST_MS + 102)
    assert found == Offset(offset=6, timestamp_ms=FIRST_MS + 102, leader_epoch=1)
    assert await writer.offsets(FIRST_MS + 50) == Offset(
        offset=4, timestamp_ms=FIRST_MS + 100, leader_epoch=1
    )
    assert await writer.offsets(-3) == Offset(offset=11, timestamp_ms=FIRST_MS + 203, leader_epoch=1)


async def test_for_a_time_that_nothing_reaches_there_is_no_offset(
    writer: Partition, reader: Partition
) -> None:
    nothing = Offset(offset=-1, timestamp_ms=-1, leader_epoch=-1)
    assert await reader.offsets(-3) == nothing, "nothing is stored at all"
    await written(writer, 3)
    assert await writer.offsets(FIRST_MS + 3) == nothing
    assert await writer.offsets(FIRST_MS + 2) == Offset(offset=2, timestamp_ms=FIRST_MS + 2, leader_epoch=1)


async def test_start_and_end_come_with_the_epoch_and_without_a_time(writer: Partition) -> None:
    await written(writer, 3)
    assert await writer.offsets(-1) == Offset(offset=3, timestamp_ms=-1, leader_epoch=1)
    assert await writer.offsets(-2) == Offset(offset=0, timestamp_ms=-1, leader_epoch=1)


async def test_the_epochs_of_an_empty_partition(reader: Partition) -> None:
    assert await reader.epoch_end(3) == (-1, -1)
    assert await reader.epoch_end(0) == (0, 0)


async def test_producers_are_told_as_they_are_and_may_be_changed_by_who_asked(
    writer: Partition, reader: Partition
) -> None:
    await offset_of(send(writer, idempotent(0, 3)))
    await offset_of(send(writer, idempotent(3, producer_id=9, epoch=2)))
    for partition in (writer, reader):
        found = await partition.producers()
        times = {each: found[each].batches[0].timestamp_ms for each in found}
        assert found == {
            7: Producer(0, (Sequenced(0, 2, 0, times[7]),)),
            9: Producer(2, (Sequenced(3, 3, 3, times[9]),)),
        }
        found.clear()
        assert (await partition.producers()).keys() == {7, 9}
