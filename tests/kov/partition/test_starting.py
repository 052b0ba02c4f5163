"""Where a fold begins: at the newest control entry that can be used, and reading no more than that takes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kov import records
from kov.entries import pack, unpack
from kov.partition import control, recovery
from kov.partition.fold import Fold
from kov.partition.identity import NOBODY, PartitionIdentity, ProducerBounds, WriterStamp
from kov.partition.recovery import FIRST_WINDOW, GROWTH, NoStart
from kov.partition.tail import TailBudget
from kov.partition.view import View
from tests.builders import batch
from tests.kov.partition.scripted import IDENTITY, Entries, ScriptedLog, stream_on
from varlog_client.errors import Unavailable
from varlog_client.types import ClusterMetadata, LogStreamId, TopicId

STAMP = WriterStamp(attempt_id=b"s" * 16, node=NOBODY)
OTHER = PartitionIdentity(cluster_id=1, topic_uuid=IDENTITY.topic_uuid, index=3)


class Written:
    """A log under construction, and the state behind its last entry."""

    def __init__(self) -> None:
        self.log = ScriptedLog()
        self.fold = Fold(IDENTITY)
        self.fence()

    @property
    def last(self) -> int:
        return self.fold.position.llsn

    def store(self, payload: bytes) -> int:
        llsn = self.log.store([payload])
        self.fold.apply(llsn, unpack(payload))
        return llsn

    def batches(self, count: int) -> None:
        for _ in range(count):
            position = self.fold.position
            self.store(records.stamp(batch(), position.next_offset, position.epoch))

    def fence(self) -> int:
        entry = control.fence(self.fold, STAMP, ProducerBounds(), 0)
        return self.store(pack(entry.kind, entry.epoch, entry.message))

    def snapshot(self, of: Fold | None = None) -> int:
        """Of the state before the last entry, as a writer's is that sends both at once."""
        entry = control.snapshot(of or self.state_before_last(), STAMP, 0)
        return self.store(pack(entry.kind, entry.epoch, entry.message))

    def state_before_last(self) -> Fold:
        fold = Fold(IDENTITY)
        for llsn, payload in enumerate(self.log.entries[:-1], 1):
            fold.apply(llsn, unpack(payload))
        return fold

    def repair(self, epoch: int) -> int:
        """Of `epoch`, which declares the state as it is."""
        entry = control.repair(self.fold, STAMP, None, 0)
        return self.store(pack(entry.kind, epoch, entry.message))

    async def loaded(self) -> Fold:
        stream, view = stream_on(self.log), View(TailBudget(0))
        self.log.read = 0
        await recovery.load(stream, IDENTITY, view, await stream.peek())
        assert view.fold.position == self.fold.position
        assert view.fold.producers == self.fold.producers
        return view.fold


async def test_a_state_right_before_what_was_read_is_fetched_and_nothing_more() -> None:
    written = Written()
    written.batches(1000)
    written.snapshot()
    written.batches(FIRST_WINDOW - 1)
    await written.loaded()
    assert written.log.read == FIRST_WINDOW + 1


async def test_a_state_further_back_is_fetched_in_one_step() -> None:
    written = Written()
    written.batches(1000)
    old = written.state_before_last()
    written.batches(2 * GROWTH * FIRST_WINDOW)
    written.snapshot(old)
    written.batches(5)
    await written.loaded()
    assert written.log.read == written.last - old.position.llsn


async def test_the_newest_of_several_states_is_taken() -> None:
    written = Written()
    for _ in range(4):
        written.batches(10)
        written.snapshot()
    written.batches(3)
    assert (await written.loaded()).last_control_llsn == written.fold.last_control_llsn
    assert written.log.read <= FIRST_WINDOW


@pytest.mark.parametrize("behind", [FIRST_WINDOW - 3, FIRST_WINDOW - 2, FIRST_WINDOW - 1, FIRST_WINDOW])
async def test_a_void_repair_is_not_begun_with(behind: int) -> None:
    """Its fence was overtaken before it was written; `behind`: how many entries follow on its state."""
    written = Written()
    written.batches(100)
    entry = control.repair(written.fold, STAMP, None, 0)
    entry.message.state.next_offset = 7777  # type: ignore[attr-defined]
    written.fence()
    written.fence()
    written.store(pack(entry.kind, 2, entry.message))
    written.batches(behind - 3)
    await written.loaded()


async def test_a_repair_in_force_is_begun_with() -> None:
    written = Written()
    written.batches(1000)
    written.fence()
    written.repair(written.fold.position.epoch)
    written.batches(10)
    await written.loaded()
    assert written.log.read == FIRST_WINDOW


async def test_claims_and_states_of_another_partition_are_not_begun_with() -> None:
    written = Written()
    written.batches(200)
    foreign = replace(written.fold, partition=OTHER)
    for entry in (control.claim(written.fold, STAMP, 0), control.snapshot(foreign, STAMP, 0)):
        written.store(pack(entry.kind, entry.epoch, entry.message))
    written.batches(FIRST_WINDOW // 2)
    await written.loaded()
    assert written.log.read == written.last


async def test_each_step_back_is_longer_than_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    written = Written()
    written.batches(2000)
    sizes: list[int] = []
    subscribe_to = written.log.subscribe_to

    def counted(topic_id: TopicId, log_stream_id: LogStreamId, begin: int, end: int) -> Entries:
        sizes.append(end - begin)
        return subscribe_to(topic_id, log_stream_id, begin, end)

    monkeypatch.setattr(written.log, "subscribe_to", counted)
    await written.loaded()
    assert sizes[:3] == [FIRST_WINDOW, FIRST_WINDOW * GROWTH, FIRST_WINDOW * GROWTH**2]
    assert sum(sizes) == written.log.read == written.last


async def test_whatever_is_left_of_a_trimmed_stream_it_begins_there_or_says_that_it_cant() -> None:
    written = Written()
    written.batches(10)
    snapshot = written.snapshot()
    written.batches(10)
    for last_trimmed in range(written.last):
        written.log.trim(last_trimmed)
        if last_trimmed <= snapshot - 2:
            await written.loaded()
            continue
        stream, view = stream_on(written.log), View(TailBudget(0))
        with pytest.raises(NoStart) as caught:
            await recovery.load(stream, IDENTITY, view, await stream.peek())
        assert f"log stream 1 of Varlog topic 1 was trimmed up to {last_trimmed}, and" in str(caught.value)
        assert str(caught.value).endswith("run: kov repair m.yaml orders/0")
        assert not view.loaded, "it is unchanged"


async def test_what_a_lagging_backup_says_is_left_is_no_reason_to_give_up() -> None:
    written = Written()
    written.batches(10)
    snapshot = written.snapshot()
    written.log.trim(snapshot - 2)
    written.log.lag, written.log.primary_answers = 1, False
    stream, view = stream_on(written.log), View(TailBudget(0))
    with pytest.raises(Unavailable) as caught:
        await recovery.load(stream, IDENTITY, view, await stream.peek())
    assert str(caught.value) == (
        "log stream 1 of Varlog topic 1: its primary storage node doesn't answer or is SEALING, and the "
        f"entries that a backup knows of, from {snapshot - 1} on, are no beginning"
    )
    assert not view.loaded, "it is unchanged"
    written.log.primary_answers = True
    await written.loaded()


async def test_where_the_primary_has_moved_its_word_is_enough_to_give_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written = Written()
    written.batches(3)
    log = written.log
    log.trim(1)
    log.primary_answers = False
    (known,) = log.metadata.log_streams.values()
    moved = replace(known, replicas=known.replicas[::-1])

    async def refresh() -> ClusterMetadata:
        log.metadata = replace(log.metadata, log_streams={known.log_stream_id: moved})
        return log.metadata

    monkeypatch.setattr(log, "refresh", refresh)
    stream, view = stream_on(log), View(TailBudget(0))
    with pytest.raises(NoStart):
        await recovery.load(stream, IDENTITY, view, await stream.peek())


async def test_an_empty_stream_begins_with_nothing() -> None:
    stream, view = stream_on(ScriptedLog()), View(TailBudget(0))
    await recovery.load(stream, IDENTITY, view, await stream.peek())
    assert (view.fold.partition, view.fold.position) == (IDENTITY, Fold(IDENTITY).position)


async def test_an_empty_range_asks_storage_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    log = ScriptedLog()
    monkeypatch.setattr(log, "subscribe_to", None)
    assert [entry async for entry in stream_on(log).read(5, 5)] == []


async def test_without_the_very_first_entry_nothing_is_made_up() -> None:
    written = Written()
    written.batches(3)
    written.log.trim(1)
    stream, view = stream_on(written.log), View(TailBudget(0))
    with pytest.raises(NoStart, match="was trimmed up to 1, and nothing behind that tells"):
        await recovery.load(stream, IDENTITY, view, await stream.peek())
