"""Partitions whose log stream was trimmed too far: refused, looked at, repaired, agreed upon by all."""

from __future__ import annotations

import asyncio
import time

import pytest
from aiokafka.record.default_records import DefaultRecordBatch
from kio.schema.errors import ErrorCode

from kov import records
from kov.entries import ControlEntry, Kind, pack, unpack
from kov.errors import KafkaError
from kov.partition import control, recovery, repair
from kov.partition.fold import Fold, ForeignPartition
from kov.partition.identity import NOBODY, PartitionIdentity, ProducerBounds, WriterStamp
from kov.partition.limits import Limits
from kov.partition.partition import Partition
from kov.partition.repair import NothingWrong, Overtaken, Repaired
from kov.partition.salvage import Salvage
from kov.partition.states import State
from kov.partition.tail import TailBudget
from kov.partition.view import View
from tests.builders import batch, idempotent
from tests.kov.partition.asking import code_of, offset_of, send, until
from tests.kov.partition.scripted import IDENTITY, ScriptedLog, partition_on, stream_on
from varlog_client.errors import Unavailable

NOW_MS = time.time_ns() // 1_000_000
EPOCH = NOW_MS // 60_000


async def examine(log: ScriptedLog) -> Salvage:
    return await repair.examine(stream_on(log), IDENTITY)


async def repaired(
    log: ScriptedLog, seen: Salvage, next_offset: int | None = None, now_ms: int = NOW_MS
) -> Repaired:
    return await repair.repair(
        stream_on(log),
        IDENTITY,
        seen=seen,
        next_offset=next_offset,
        bounds=ProducerBounds(),
        now_ms=now_ms,
    )


async def folded(log: ScriptedLog) -> Fold:
    """As a process folds that comes new to the log."""
    stream, view = stream_on(log), View(TailBudget(0))
    await recovery.load(stream, IDENTITY, view, await stream.peek())
    return view.fold


async def values_read(log: ScriptedLog, offset: int) -> list[bytes | None]:
    reader = partition_on(log, node_id=9)
    fetched = await reader.read(offset, max_bytes=1 << 20)
    await reader.close(1)
    return [record.value for data in fetched.records for record in DefaultRecordBatch(data)]


async def written(log: ScriptedLog, count: int = 10, *, node_id: int = 1, first: int = 0) -> None:
    """Batches of two records, the first at LLSN 2."""
    writer = partition_on(log, node_id=node_id, limits=Limits(snapshot_entries=10_000))
    for n in range(count):
        await offset_of(send(writer, batch([b"%d" % (first + n), b"-"])))
    await writer.close(1)


async def trimmed(log: ScriptedLog) -> Salvage:
    """Ten batches, of which the fence and the first four are gone."""
    await written(log)
    log.trim(5)
    return await examine(log)


@pytest.fixture
def log() -> ScriptedLog:
    return ScriptedLog()


# Refusing to open


async def test_a_stream_trimmed_too_far_is_not_opened_and_names_the_command(log: ScriptedLog) -> None:
    await trimmed(log)
    entries = len(log.entries)
    partition = partition_on(log)
    with pytest.raises(KafkaError) as caught:
        await send(partition, batch())
    assert caught.value.code is ErrorCode.kafka_storage_error
    assert caught.value.message.endswith("run: kov repair m.yaml orders/0")
    assert "trimmed up to 5" in caught.value.message
    with pytest.raises(KafkaError, match=r"run: kov repair m\.yaml orders/0"):
        await partition.read(0, max_bytes=1)
    assert partition.state is State.FAILED
    assert len(log.entries) == entries
    await partition.close(1)


async def test_a_fully_trimmed_stream_is_not_mistaken_for_an_empty_one(log: ScriptedLog) -> None:
    await written(log)
    log.trim(len(log.entries))
    partition = partition_on(log)
    with pytest.raises(KafkaError, match="run: kov repair"):
        await send(partition, batch())
    assert [unpack(each).__class__ for each in log.entries[11:]] == [ControlEntry], "one fence, void to all"
    await partition.close(1)


# Looking


async def test_the_first_batch_that_is_left_tells_offset_and_epoch(log: ScriptedLog) -> None:
    found = await trimmed(log)
    assert (found.first_llsn, found.last_llsn) == (6, 11)
    assert found.kept is not None
    assert (found.kept.llsn, found.kept.epoch, found.kept.next_offset) == (5, 1, 8)
    assert (found.kept_batches, found.kept_records, found.void_batches) == (6, 12, 0)
    assert (found.least_offset, found.lowest_choice, found.highest_epoch) == (20, 20, 1)


async def test_late_batches_of_a_deposed_writer_are_not_taken_for_valid(log: ScriptedLog) -> None:
    await written(log, 3)
    old = records.stamp(batch([b"late"] * 50), 6, 1)
    await written(log, 3, node_id=2, first=3)
    fence = next(n for n, each in enumerate(log.entries, 1) if n > 1 and each[0] == 0xFF)
    log.entries.insert(fence, old)  # right behind the second node's fence
    log.trim(fence)
    found = await examine(log)
    assert found.kept is not None
    assert (found.kept.epoch, found.kept.next_offset) == (2, 6)
    assert (found.kept_batches, found.void_batches) == (3, 1)
    assert found.lowest_choice == 12
    assert found.least_offset == 56, "an offset that the void batch carries is left alone"


async def test_a_fence_that_is_left_behind_lost_entries_tells_its_epochs_offset(log: ScriptedLog) -> None:
    """Its own state can't be used: entries between that state and it are gone."""
    await written(log, 2)
    fold = Fold(IDENTITY)
    fold.position.epoch = 1
    fold.position.llsn = fold.position.next_offset = 1
    fence = control.fence(fold, WriterStamp(attempt_id=b"x" * 16, node=NOBODY), ProducerBounds(), 0)
    log.store([b"\xff lost", pack(fence.kind, fence.epoch, fence.message)])
    log.store([records.stamp(batch([b"a", b"b"]), 4, 2)])
    log.trim(4)
    found = await examine(log)
    assert found.kept is not None
    assert (found.kept.llsn, found.kept.epoch, found.kept.next_offset) == (4, 1, 4)
    assert (found.kept_batches, found.least_offset) == (1, 6)


async def test_where_nothing_is_wrong_nothing_is_repaired(log: ScriptedLog) -> None:
    with pytest.raises(NothingWrong, match="go on at offset 0"):
        await examine(log)
    await written(log)
    with pytest.raises(NothingWrong, match="go on at offset 20"):
        await examine(log)
    await written(log, 1, first=10)  # its fence knows everything before it
    log.trim(11)
    with pytest.raises(NothingWrong, match="go on at offset 22"):
        await examine(log)


async def test_without_the_primary_nothing_is_said(log: ScriptedLog) -> None:
    await trimmed(log)
    log.primary_answers = False
    with pytest.raises(Unavailable, match="its primary storage node must answer"):
        await examine(log)


async def test_another_partitions_stream_is_not_repaired(log: ScriptedLog) -> None:
    await trimmed(log)
    await written(log, 0)
    other = PartitionIdentity(cluster_id=1, topic_uuid=IDENTITY.topic_uuid, index=1)
    stamp = WriterStamp(attempt_id=b"x" * 16, node=NOBODY)
    fold = Fold(other)
    fold.position.epoch = 5
    fence = control.fence(fold, stamp, ProducerBounds(), 0)
    log.store([pack(fence.kind, fence.epoch, fence.message)])
    with pytest.raises(ForeignPartition):
        await examine(log)


# Repairing


async def test_after_a_repair_the_partition_goes_on_where_it_was(log: ScriptedLog) -> None:
    seen = await trimmed(log)
    done = await repaired(log, seen)
    assert (done.next_offset, done.epoch, done.fence_llsn, done.repair_llsn) == (20, EPOCH, 12, 13)
    assert (await folded(log)).position.next_offset == 20
    partition = partition_on(log)
    assert await offset_of(send(partition, batch([b"next"]))) == 20
    assert partition.epoch == EPOCH + 1
    await partition.close(1)
    assert (await values_read(log, 18)) == [b"9", b"-", b"next"]


async def test_what_is_left_can_still_be_read(log: ScriptedLog) -> None:
    await repaired(log, await trimmed(log))
    reader = partition_on(log)
    assert (await reader.offsets(-2)).offset == 8
    fetched = await reader.read(8, max_bytes=1 << 20)
    assert [DefaultRecordBatch(each).base_offset for each in fetched.records] == [8, 10, 12, 14, 16, 18]
    with pytest.raises(KafkaError) as caught:
        await reader.read(7, max_bytes=1)
    assert caught.value.code is ErrorCode.offset_out_of_range
    await reader.close(1)


async def test_producers_of_what_is_left_are_known_and_others_forgotten(log: ScriptedLog) -> None:
    writer = partition_on(log)
    for n in range(3):
        await offset_of(send(writer, idempotent(n, producer_id=1)))
    for n in range(3):
        await offset_of(send(writer, idempotent(n, producer_id=2)))
    await writer.close(1)
    log.trim(4)
    seen = await examine(log)
    assert seen.fold.producers.keys() == {2}
    await repaired(log, seen)
    partition = partition_on(log)
    assert await offset_of(send(partition, idempotent(2, producer_id=2))) == 5, "a retry of a kept batch"
    assert await offset_of(send(partition, idempotent(7, producer_id=1))) == 6, "taken as a new producer"
    await partition.close(1)


async def test_where_nothing_is_left_the_operator_says_the_next_offset(log: ScriptedLog) -> None:
    await written(log)
    log.trim(len(log.entries))
    seen = await examine(log)
    assert (seen.first_llsn, seen.kept, seen.least_offset) == (0, None, 0)
    with pytest.raises(Overtaken):
        await repaired(log, seen)
    seen = await examine(log)
    assert seen.first_llsn == 12, "the fence of the attempt"
    done = await repaired(log, seen, 1000, now_ms=NOW_MS + 60_000)
    assert done.next_offset == 1000
    partition = partition_on(log)
    assert await offset_of(send(partition, batch([b"x"]))) == 1000
    assert (await partition.offsets(-2)).offset == 1000
    await partition.close(1)


async def test_an_offset_that_a_record_has_is_not_taken_again(log: ScriptedLog) -> None:
    seen = await trimmed(log)
    with pytest.raises(Overtaken, match="the next offset is 20 at least"):
        await repaired(log, seen, 19)
    assert (await repaired(log, await examine(log), 50, now_ms=NOW_MS + 60_000)).next_offset == 50
    assert (await folded(log)).position.next_offset == 50
    partition = partition_on(log)
    assert await offset_of(send(partition, batch([b"x"]))) == 50
    assert (await values_read(log, 18)) == [b"9", b"-", b"x"], "a reader steps over the gap"
    await partition.close(1)


async def test_a_second_repair_finds_nothing_wrong(log: ScriptedLog) -> None:
    await repaired(log, await trimmed(log))
    with pytest.raises(NothingWrong, match="go on at offset 20"):
        await examine(log)


async def test_snapshots_behind_a_repair_make_it_needless(log: ScriptedLog) -> None:
    done = await repaired(log, await trimmed(log))
    await written(log, 3, first=10)
    log.trim(done.repair_llsn)
    assert (await folded(log)).position.next_offset == 26
    assert await values_read(log, 20) == [b"10", b"-", b"11", b"-", b"12", b"-"]


# Somebody else at the same time


def is_kind(payload: bytes, kind: Kind) -> bool:
    entry = unpack(payload)
    return isinstance(entry, ControlEntry) and entry.kind is kind


def hold(log: ScriptedLog, kind: Kind) -> None:
    log.hold(lambda payload: is_kind(payload, kind))


async def until_held(log: ScriptedLog, kind: Kind, count: int = 1) -> None:
    await until(lambda: sum(is_kind(sent.payloads[0], kind) for sent in log.sent) == count)
    await asyncio.sleep(0)  # it arrives, and is held


async def test_a_writer_that_runs_on_agrees_with_who_comes_new(log: ScriptedLog) -> None:
    """It knows all, also what was trimmed, and still takes what was declared."""
    running = partition_on(log)
    for n in range(4):
        await offset_of(send(running, batch([b"%d" % n])))
    log.trim(len(log.entries))
    done = await repaired(log, await examine(log), 1000)
    assert await code_of(send(running, batch([b"x"]))) is ErrorCode.not_leader_or_follower
    assert running.leader is None
    await until(lambda: running.state is State.IDLE or _asked(running))
    assert await offset_of(send(running, batch([b"y"]))) == 1000
    assert (await folded(log)).position.next_offset == 1001
    assert running.epoch == done.epoch + 1
    assert await values_read(log, 1000) == [b"y"]
    await running.close(1)


def _asked(partition: Partition) -> bool:
    """Producers go on asking: that is what makes a deposed node look again."""
    if partition.state is State.DEPOSED:
        with pytest.raises(KafkaError):
            send(partition, batch())
    return False


async def test_what_a_running_writer_stored_meanwhile_is_kept(log: ScriptedLog) -> None:
    """It knows the state, so that its next control entry would have been as good as a repair."""
    running = partition_on(log, limits=Limits(snapshot_entries=10_000))
    for n in range(6):
        await offset_of(send(running, batch([b"%d" % n])))
    log.trim(3)
    seen = await examine(log)
    assert await offset_of(send(running, batch([b"6"]))) == 6
    assert (await repaired(log, seen)).next_offset == 7
    assert await values_read(log, 5) == [b"5", b"6"]
    await running.close(1)


@pytest.mark.parametrize("now_ms", [NOW_MS, NOW_MS + 60_000, NOW_MS - 60_000])
@pytest.mark.parametrize("first_ends_first", [True, False])
async def test_of_two_repairs_at_once_all_readers_take_the_same(
    log: ScriptedLog, now_ms: int, first_ends_first: bool
) -> None:
    await written(log)
    log.trim(len(log.entries))
    seen = await examine(log)
    hold(log, Kind.REPAIR)
    one = asyncio.create_task(repaired(log, seen, 1000))
    await until_held(log, Kind.REPAIR)
    other = asyncio.create_task(repaired(log, seen, 2000, now_ms=now_ms))
    await until(lambda: other.done() or sum(is_kind(each.payloads[0], Kind.REPAIR) for each in log.sent) == 2)
    await asyncio.sleep(0)
    if not first_ends_first and len(log.sent) == 2:
        log.sent.rotate(1)
    log.release()
    results = await asyncio.gather(one, other, return_exceptions=True)
    won = [each for each in results if isinstance(each, Repaired)]
    assert all(isinstance(each, Repaired | Overtaken) for each in results)
    assert len(won) == 1
    assert (await folded(log)).position.next_offset == won[0].next_offset
    late = partition_on(log)
    assert await offset_of(send(late, batch([b"x"]))) == won[0].next_offset
    await late.close(1)


@pytest.mark.parametrize("kind", [Kind.FENCE, Kind.REPAIR])
@pytest.mark.parametrize("stored", [0, 1])
async def test_a_repair_in_doubt_is_told_by_looking_again(log: ScriptedLog, kind: Kind, stored: int) -> None:
    seen = await trimmed(log)
    hold(log, kind)
    doubtful = asyncio.create_task(repaired(log, seen))
    await until_held(log, kind)
    log.strand(stored=stored)
    log.release()
    with pytest.raises(Exception, match="cut by the test"):
        await doubtful
    if kind is Kind.REPAIR and stored:
        with pytest.raises(NothingWrong):
            await examine(log)
    else:
        assert (await repaired(log, await examine(log), now_ms=NOW_MS + 60_000)).next_offset == 20
    assert (await folded(log)).position.next_offset == 20


async def test_a_repair_behind_somebody_elses_fence_is_void_for_all(log: ScriptedLog) -> None:
    await written(log)
    knowing = partition_on(log, node_id=3)
    await knowing.offsets(-1)
    log.trim(len(log.entries))
    hold(log, Kind.REPAIR)
    late = asyncio.create_task(repaired(log, await examine(log), 1000))
    await until_held(log, Kind.REPAIR)
    log.holding = None
    assert await offset_of(send(knowing, batch([b"x"]))) == 20
    log.release()
    with pytest.raises(Overtaken):
        await late
    assert (await folded(log)).position.next_offset == 21
    await knowing.close(1)


def test_a_repair_of_another_partition_stops_the_fold() -> None:
    other = Fold(PartitionIdentity(cluster_id=2, topic_uuid=IDENTITY.topic_uuid, index=0))
    entry = control.repair(other, WriterStamp(attempt_id=b"", node=NOBODY), None, 0)
    with pytest.raises(ForeignPartition):
        Fold(IDENTITY).apply(1, entry)
