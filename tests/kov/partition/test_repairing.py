"""What the two entries of a repair say, and why a repair isn't made."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from kov import records
from kov.entries import ControlEntry, pack, unpack
from kov.partition import control, recovery, repair
from kov.partition.fold import Fold
from kov.partition.identity import NOBODY, ProducerBounds, WriterStamp
from kov.partition.limits import Limits
from kov.partition.repair import NothingWrong, Overtaken, Repaired
from kov.partition.salvage import Salvage
from kov.partition.tail import TailBudget
from kov.partition.view import View
from kov.pb.control_pb2 import Fence, Repair
from tests.builders import batch
from tests.kov.partition.asking import offset_of, send
from tests.kov.partition.scripted import IDENTITY, ScriptedLog, partition_on, stream_on
from varlog_client.types import LogStreamId, LogStreamState, TopicId

NOW_MS = 1_700_000_000_000
BOUNDS = ProducerBounds(max_producers=11, expiration_ms=12_000)
END = 10  # the next offset of what is written below


@pytest.fixture
async def log() -> ScriptedLog:
    """Ten batches at LLSN 2 and on, of which the fence and the first four are gone."""
    made = ScriptedLog()
    writer = partition_on(made, limits=Limits(snapshot_entries=10_000))
    for _ in range(END):
        await offset_of(send(writer, batch()))
    await writer.close(1)
    made.trim(5)
    return made


async def examine(log: ScriptedLog) -> Salvage:
    return await repair.examine(stream_on(log), IDENTITY)


async def repaired(
    log: ScriptedLog, seen: Salvage, next_offset: int | None = None, now_ms: int = NOW_MS
) -> Repaired:
    return await repair.repair(
        stream_on(log), IDENTITY, seen=seen, next_offset=next_offset, bounds=BOUNDS, now_ms=now_ms
    )


def entries_of(log: ScriptedLog, done: Repaired) -> tuple[ControlEntry, ControlEntry]:
    fence, declared = (unpack(log.entries[llsn - 1]) for llsn in (done.fence_llsn, done.repair_llsn))
    assert isinstance(fence, ControlEntry)
    assert isinstance(declared, ControlEntry)
    return fence, declared


async def folded(log: ScriptedLog) -> Fold:
    stream, view = stream_on(log), View(TailBudget(0))
    await recovery.load(stream, IDENTITY, view, await stream.peek())
    return view.fold


async def test_both_entries_say_when_and_that_nobody_writes_on(log: ScriptedLog) -> None:
    done = await repaired(log, await examine(log))
    fence, declared = (entry.message for entry in entries_of(log, done))
    assert isinstance(fence, Fence)
    assert isinstance(declared, Repair)
    assert fence.time_ms == declared.time_ms == NOW_MS
    assert fence.writer.node_id == declared.writer.node_id == NOBODY.node_id
    assert ProducerBounds.parse(fence.bounds) == BOUNDS
    assert (await folded(log)).clock_ms == NOW_MS
    assert (await folded(log)).bounds == BOUNDS


async def test_every_repair_has_an_id_of_its_own(log: ScriptedLog) -> None:
    ids = set()
    for minute in range(2):
        seen = await examine(log)
        done = await repaired(log, seen, now_ms=NOW_MS + 60_000 * minute)
        fence = entries_of(log, done)[0].message
        assert isinstance(fence, Fence)
        assert len(fence.writer.attempt_id) == 16
        ids.add(fence.writer.attempt_id)
        log.trim(done.repair_llsn)
        await late_batch(log, done.epoch)
    assert len(ids) == 2


async def late_batch(log: ScriptedLog, epoch: int) -> None:
    """Something that is left, and tells an offset, of whoever owned `epoch`."""
    log.store([records.stamp(batch(), 100, epoch)])


async def test_a_repair_tells_what_it_kept(log: ScriptedLog) -> None:
    seen = await examine(log)
    done = await repaired(log, seen)
    assert done.salvage.kept == seen.kept
    assert (done.salvage.kept_batches, done.salvage.last_llsn) == (6, done.fence_llsn)


async def test_the_epoch_is_above_all_that_was_seen_also_where_clocks_are_slow(log: ScriptedLog) -> None:
    done = await repaired(log, await examine(log), now_ms=60_000)
    assert done.epoch == 2
    done = await repaired_again(log, done, now_ms=60_000 * 1000)
    assert done.epoch == 1000


async def repaired_again(log: ScriptedLog, done: Repaired, now_ms: int) -> Repaired:
    log.trim(done.repair_llsn)
    await late_batch(log, done.epoch)
    return await repaired(log, await examine(log), now_ms=now_ms)


async def test_its_appends_are_watched(log: ScriptedLog) -> None:
    await repaired(log, await examine(log))
    assert log.watches_s[-1] == 10.0


async def test_exactly_the_offset_behind_the_last_record_may_be_chosen(log: ScriptedLog) -> None:
    seen = await examine(log)
    assert seen.lowest_choice == END
    assert (await repaired(log, seen, END)).next_offset == END


async def test_where_nothing_is_wrong_the_end_is_told(log: ScriptedLog) -> None:
    await repaired(log, await examine(log), 77)
    with pytest.raises(NothingWrong) as caught:
        await examine(log)
    assert caught.value.next_offset == 77
    text = "log stream 1 of Varlog topic 1 can be used as it is: its records go on at offset 77"
    assert str(caught.value) == text


async def test_a_stream_that_gets_its_first_entry_just_now_was_not_trimmed() -> None:
    log = ScriptedLog()
    looking = asyncio.create_task(examine(log))
    for _ in range(5):
        await asyncio.sleep(0)
    log.store([b"the first"])
    with pytest.raises(NothingWrong, match="go on at offset 0"):
        await looking


async def test_where_nothing_is_left_it_is_still_known_of_which_partition(log: ScriptedLog) -> None:
    log.trim(len(log.entries))
    assert (await examine(log)).fold.partition == IDENTITY


# Why not


async def test_a_batch_that_lands_behind_the_fence_of_the_repair_doesnt_count(
    log: ScriptedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = await examine(log)
    peek = log.peek

    async def landing_first(topic_id: TopicId, log_stream_id: LogStreamId) -> LogStreamState:
        log.store([records.stamp(batch([b"late"] * 50), END, 1)])
        return await peek(topic_id, log_stream_id)

    monkeypatch.setattr(log, "peek", landing_first)
    done = await repaired(log, seen)
    assert done.next_offset == END
    assert done.salvage.last_llsn == done.fence_llsn == done.repair_llsn - 2


async def test_where_somebody_wrote_the_missing_state_nothing_is_declared(log: ScriptedLog) -> None:
    log.trim(0)
    knowing = partition_on(log, node_id=3)
    await knowing.offsets(-1)
    log.trim(5)
    seen = await examine(log)
    assert await offset_of(send(knowing, batch())) == END
    with pytest.raises(Overtaken, match=r"somebody else wrote what was missing: .* go on at offset 11"):
        await repaired(log, seen)
    assert not any(isinstance(entry.message, Repair) for entry in controls_of(log))
    await knowing.close(1)


def controls_of(log: ScriptedLog) -> list[ControlEntry]:
    return [entry for entry in map(unpack, log.entries) if isinstance(entry, ControlEntry)]


async def test_of_two_repairs_in_a_minute_the_second_gives_way(
    log: ScriptedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = await examine(log)
    with monkeypatch.context() as patch:
        patch.setattr(control, "repair", lambda *_: 1 / 0)  # the first ends behind its fence
        with pytest.raises(ZeroDivisionError):
            await repaired(log, seen)
    text = "somebody else repairs or opens log stream 1 of Varlog topic 1: a newer fence lies before ours"
    with pytest.raises(Overtaken, match=text):
        await repaired(log, seen)


async def test_where_all_was_trimmed_meanwhile_no_offset_is_made_up(log: ScriptedLog) -> None:
    seen = await examine(log)
    log.trim(len(log.entries))
    with pytest.raises(Overtaken, match=r"^what told the next offset was trimmed meanwhile$"):
        await repaired(log, seen)


async def test_a_fence_between_the_two_is_named(log: ScriptedLog, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = await examine(log)
    store = log.store

    def fenced_first(payloads: Sequence[bytes]) -> int:
        entry = unpack(payloads[0])
        if isinstance(entry, ControlEntry) and isinstance(entry.message, Repair):
            fold = Fold(IDENTITY)
            fold.position.epoch = entry.epoch
            fence = control.fence(fold, WriterStamp(attempt_id=b"", node=NOBODY), BOUNDS, 0)
            store([pack(fence.kind, fence.epoch, fence.message)])
        return store(payloads)

    monkeypatch.setattr(log, "store", fenced_first)
    with pytest.raises(Overtaken) as caught:
        await repaired(log, seen)
    assert str(caught.value) == "entry 13, somebody else's fence, came before entry 14"
