"""Streams that begin late, replicas that lag, and entries that aren't ours or not of this partition."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiokafka.record.default_records import DefaultRecordBatch
from kio.schema.errors import ErrorCode

from kov import records
from kov.entries import Kind, pack
from kov.errors import KafkaError
from kov.partition import control
from kov.partition.fold import Fold
from kov.partition.identity import (
    PartitionIdentity,
    ProducerBounds,
    WriterIdentity,
    WriterStamp,
)
from kov.partition.limits import Limits
from kov.partition.partition import Partition
from kov.partition.recovery import FIRST_WINDOW, GROWTH
from kov.partition.states import State
from tests.builders import batch, idempotent
from tests.kov.partition.asking import code_of, offset_of, send, until, values_of
from tests.kov.partition.scripted import IDENTITY, LOG_STREAM_ID, ScriptedLog, partition_on
from varlog_client.types import ClusterMetadata

OTHER = PartitionIdentity(cluster_id=1, topic_uuid=IDENTITY.topic_uuid, index=3)


@pytest.fixture
def log() -> ScriptedLog:
    return ScriptedLog()


@pytest.fixture
async def late(log: ScriptedLog) -> AsyncIterator[Partition]:
    """A node that comes to the log when the test has filled it."""
    partition = partition_on(log, node_id=2)
    yield partition
    await partition.close(1)


async def written(log: ScriptedLog, count: int, limits: Limits | None = None) -> None:
    """`count` batches of one record; the first is entry 2."""
    partition = partition_on(log, limits=limits)
    for n in range(count):
        await offset_of(send(partition, batch([b"%d" % n])))
    await partition.close(1)


def fence(identity: PartitionIdentity, epoch: int) -> bytes:
    fold = Fold(identity)
    stamp = WriterStamp(attempt_id=b"x" * 16, node=WriterIdentity(node_id=8))
    return pack(Kind.FENCE, epoch, control.fence(fold, stamp, ProducerBounds(), 0).message)


# Beginnings


async def test_an_empty_stream_begins_at_offset_zero(late: Partition, log: ScriptedLog) -> None:
    assert (await late.offsets(-1)).offset == (await late.offsets(-2)).offset == 0
    assert not log.entries
    assert await offset_of(send(late, batch())) == 0


async def test_a_trimmed_stream_goes_on_from_a_snapshot(late: Partition, log: ScriptedLog) -> None:
    await written(log, 30, Limits(snapshot_entries=10))
    log.trim(20)
    assert await offset_of(send(late, batch())) == 30
    assert (await late.offsets(-2)).offset > 0
    with pytest.raises(KafkaError) as caught:
        await late.read(0, max_bytes=1)
    assert caught.value.code is ErrorCode.offset_out_of_range
    start = (await late.offsets(-2)).offset
    fetched = await late.read(start, max_bytes=1 << 20)
    assert DefaultRecordBatch(fetched.records[0]).base_offset == start


async def test_a_snapshot_that_is_left_alone_is_enough(late: Partition, log: ScriptedLog) -> None:
    """Everything up to the snapshot's own state is gone, and the snapshot still counts."""
    partition = partition_on(log)
    for n in range(5):
        await offset_of(send(partition, idempotent(n)))
    await partition.close(1)
    await offset_of(send(late, idempotent(5)))  # its fence at entry 7 knows all before it
    log.trim(6)
    last = partition_on(log, node_id=3)
    assert await offset_of(send(last, idempotent(5))) == 5
    assert await offset_of(send(last, idempotent(6))) == 6
    await last.close(1)


async def test_a_running_writer_outlives_the_trimming_of_all_it_wrote(log: ScriptedLog) -> None:
    running = partition_on(log)
    for n in range(4):
        assert await offset_of(send(running, idempotent(n))) == n
    log.trim(len(log.entries))
    assert await offset_of(send(running, idempotent(4))) == 4
    log.sealed = True
    doubtful = send(running, idempotent(5))
    await until(lambda: running.state is State.OPENING)
    log.sealed = False
    assert await offset_of(doubtful) == 5
    await running.close(1)


# Reading back


@pytest.mark.parametrize("behind", [0, FIRST_WINDOW - 2, FIRST_WINDOW * 3, FIRST_WINDOW * 9])
async def test_recovery_reads_back_in_growing_steps_and_not_the_whole_log(
    late: Partition, log: ScriptedLog, behind: int
) -> None:
    """`behind`: how many batches lie behind the newest fence; without any, a snapshot is the newest start."""
    limits = Limits(snapshot_entries=FIRST_WINDOW * 10)
    await written(log, FIRST_WINDOW * 40, limits)
    if behind:
        await written(log, behind, limits)
    newest = max(llsn for llsn, payload in enumerate(log.entries, 1) if payload[0] == 0xFF)
    distance = len(log.entries) - newest
    log.read = 0
    assert (await late.offsets(-1)).offset == FIRST_WINDOW * 40 + behind
    assert distance <= log.read <= FIRST_WINDOW + (GROWTH + 1) * distance
    assert log.read < len(log.entries) / 2


# Replicas


async def test_a_lagging_backup_alone_is_not_believed_about_the_end(
    late: Partition, log: ScriptedLog
) -> None:
    await written(log, 10)
    log.lag, log.primary_answers = 4, False
    with pytest.raises(KafkaError) as caught:
        await late.read(9, max_bytes=1)
    assert caught.value.code is ErrorCode.kafka_storage_error, "and not: out of range"
    log.primary_answers = True
    assert len((await late.read(9, max_bytes=100)).records) == 1


async def test_a_primary_that_is_sealing_is_not_believed_about_the_end(
    late: Partition, log: ScriptedLog
) -> None:
    await written(log, 10)
    log.lag, log.primary_is_sealing = 4, True
    with pytest.raises(KafkaError) as caught:
        await late.read(9, max_bytes=1)
    assert caught.value.code is ErrorCode.kafka_storage_error, "and not: out of range"
    log.primary_is_sealing = False
    assert len((await late.read(9, max_bytes=100)).records) == 1


@pytest.mark.parametrize("knows", [False, True], ids=["a stranger", "it was read before"])
async def test_a_backup_that_was_the_primary_once_is_not_believed_about_the_end(
    late: Partition, log: ScriptedLog, monkeypatch: pytest.MonkeyPatch, *, knows: bool
) -> None:
    """The reader's view of the cluster is older than the primary's move to a node that is away now."""
    await written(log, 10)
    if knows:
        assert len((await late.read(0, max_bytes=1)).records) == 1
        await written(log, 10)
    moved_unseen(log, monkeypatch)
    with pytest.raises(KafkaError) as caught:
        await late.read(19 if knows else 9, max_bytes=1)
    assert caught.value.code is ErrorCode.kafka_storage_error, "and not: out of range"


async def test_it_is_believed_about_what_it_holds(
    late: Partition, log: ScriptedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    await written(log, 10)
    moved_unseen(log, monkeypatch, lag_then=0)
    assert (await late.read(10, max_bytes=1)).records == ()


def moved_unseen(log: ScriptedLog, monkeypatch: pytest.MonkeyPatch, *, lag_then: int = 4) -> None:
    """The metadata that are known name the backup as the primary, until they are read anew."""
    (known,) = log.metadata.log_streams.values()
    now = log.metadata
    log.metadata = replace(now, log_streams={LOG_STREAM_ID: replace(known, replicas=known.replicas[::-1])})
    log.lag, log.primary_answers = 4, False

    async def refresh() -> ClusterMetadata:
        log.metadata, log.lag = now, lag_then
        return now

    monkeypatch.setattr(log, "refresh", refresh)


async def test_opening_by_what_a_lagging_backup_says_still_finds_every_batch(
    late: Partition, log: ScriptedLog
) -> None:
    """The fence's LLSN tells how far the log really went."""
    await written(log, 10)
    log.lag, log.primary_answers = 4, False
    assert await offset_of(send(late, batch([b"next"]))) == 10
    assert len(values_of(log)) == 11


@pytest.mark.parametrize("sealing", [False, True])
async def test_a_lagging_backup_alone_is_not_believed_that_too_much_was_trimmed(
    late: Partition, log: ScriptedLog, caplog: pytest.LogCaptureFixture, *, sealing: bool
) -> None:
    """It hasn't heard of the fence that holds the state of what was trimmed."""
    await written(log, 3)
    await written(log, 2)
    log.trim(3)
    log.lag = 3
    log.primary_answers, log.primary_is_sealing = sealing, sealing
    asked = send(late, batch([b"next"]))
    await until(lambda: "its primary storage node doesn't answer" in caplog.text)
    assert late.state is State.OPENING
    log.primary_answers, log.primary_is_sealing = True, False
    assert await offset_of(asked) == 5


# Entries that aren't ours


@pytest.mark.parametrize(
    "entry",
    [b"", b"\xff", b"\xffkov", b"hello", b"\x00" * 200, b"\xff\xff" * 50, records.stamp(batch(), 3, 0)],
    ids=["empty", "one byte", "half an envelope", "text", "zeros", "noise", "a batch that nobody stamped"],
)
async def test_entries_of_another_program_are_stepped_over(
    late: Partition, log: ScriptedLog, entry: bytes
) -> None:
    log.store([entry])
    await written(log, 3)
    log.store([entry] * 3)
    assert await offset_of(send(late, batch([b"last"]))) == 3
    log.store([entry])
    assert await offset_of(send(late, batch([b"behind"]))) == 4
    assert values_of(log) == [b"0", b"1", b"2", b"last", b"behind"]


async def test_a_stream_of_foreign_entries_alone_is_a_new_partition(
    late: Partition, log: ScriptedLog
) -> None:
    log.store([b"not ours"] * (FIRST_WINDOW * 2))
    assert await offset_of(send(late, batch())) == 0


async def test_the_stream_of_another_partition_is_refused(late: Partition, log: ScriptedLog) -> None:
    log.store([fence(OTHER, 1)])
    with pytest.raises(KafkaError) as caught:
        await send(late, batch())
    assert caught.value.code is ErrorCode.kafka_storage_error
    text = caught.value.message
    assert f"entry 1 says that this log stream belongs to {OTHER}, not to {IDENTITY}" in text
    assert "correct the mapping file" in text
    assert len(log.entries) == 1
    with pytest.raises(KafkaError, match="belongs to"):
        await late.read(0, max_bytes=1)


async def test_a_void_fence_of_another_partition_is_stepped_over(late: Partition, log: ScriptedLog) -> None:
    await written(log, 2)
    log.store([fence(OTHER, 1)])
    assert await offset_of(send(late, batch())) == 2


@pytest.mark.parametrize(("at", "value"), [(4, 2), (5, 9)], ids=["newer envelope", "unknown kind"])
async def test_behind_an_entry_of_a_newer_kov_nothing_is_written(
    late: Partition, log: ScriptedLog, at: int, value: int
) -> None:
    await written(log, 2)
    newer = bytearray(fence(IDENTITY, 7))
    newer[at] = value
    log.store([bytes(newer)])
    entries = len(log.entries)
    assert await code_of(send(late, batch())) is ErrorCode.kafka_storage_error
    assert len(log.entries) == entries
    with pytest.raises(KafkaError, match="run the newer one"):
        await late.read(0, max_bytes=1)


async def test_a_newer_kov_that_takes_over_stops_a_running_writer(log: ScriptedLog) -> None:
    running = partition_on(log)
    await offset_of(send(running, batch()))
    newer = bytearray(fence(IDENTITY, 7))
    newer[5] = 9
    log.store([bytes(newer)])
    assert await code_of(send(running, batch())) is ErrorCode.request_timed_out, "it was sent: in doubt"
    assert running.state is State.FAILED
    await running.close(1)
