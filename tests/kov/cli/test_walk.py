"""What `kov inspect` says of every kind of entry, valid and void, also where the beginning was trimmed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import pytest

from kov.catalog.messages import abandoned
from kov.entries import ControlEntry, pack
from kov.partition import control
from kov.partition.fold import Fold, Position
from kov.partition.identity import NOBODY, PartitionIdentity, ProducerBounds, WriterIdentity, WriterStamp
from kov.partition.stream import Stream
from kov.records import stamp
from kov.tools.inspect import report
from kov.tools.inspect.facts import entry_facts, state_facts
from kov.tools.inspect.walk import Seen, anchor, walk
from tests.builders import batch, idempotent
from tests.kov.server.conftest import Cluster
from varlog_client import GLSN, Log, LogStreamId, TopicId

OURS = PartitionIdentity(cluster_id=1, topic_uuid=UUID(int=5), index=0)
THEIRS = PartitionIdentity(cluster_id=1, topic_uuid=UUID(int=6), index=0)
NODE = WriterStamp(attempt_id=b"a", node=WriterIdentity(node_id=3, addresses={"main": "kov:9092"}))
NOW_MS = 1_700_000_000_000


def packed(entry: ControlEntry) -> bytes:
    return pack(entry.kind, entry.epoch, entry.message)


def state(llsn: int = 0, epoch: int = 0, next_offset: int = 0, *, of: PartitionIdentity = OURS) -> Fold:
    return Fold(of, Position(llsn, epoch, next_offset))


def fence(fold: Fold) -> bytes:
    """Of the epoch behind the fold's."""
    return packed(control.fence(fold, NODE, ProducerBounds(), NOW_MS))


@dataclass
class Place:
    log: Log
    cluster: Cluster

    @property
    def stream(self) -> Stream:
        return Stream(self.log, TopicId(1), LogStreamId(1))

    async def write(self, *payloads: bytes) -> None:
        await self.log.append_to(TopicId(1), LogStreamId(1), payloads)

    async def trim(self, last: int) -> None:
        await self.cluster.admin.trim(TopicId(1), GLSN(last))

    async def seen(self, wanted: int = 1) -> tuple[list[Seen], Fold]:
        extent = await self.stream.peek()
        last = extent.last.llsn
        fold = await anchor(self.stream, OURS, extent.first.llsn, max(wanted, extent.first.llsn), last)
        return [each async for each in walk(self.stream, fold, wanted, last)], fold


@pytest.fixture
async def place(cluster: Cluster) -> AsyncIterator[Place]:
    async with await Log.open(1, [cluster.server.address]) as log:
        yield Place(log, cluster)


def told(entries: list[Seen]) -> list[tuple[int, str, str]]:
    return [(each.llsn, report.what(each), each.why) for each in entries]


async def test_every_void_entry_says_why(place: Place) -> None:
    await place.write(
        stamp(batch(), 0, 1),
        fence(state()),
        stamp(idempotent(0, 2), 0, 1),
        stamp(batch(), 9, 1),
        stamp(batch(), 2, 7),
        fence(state()),
        b"something else",
        packed(control.snapshot(state(7, 1, 2), NODE, NOW_MS)),
        packed(control.claim(state(8, 4, 2), NODE, NOW_MS)),
        abandoned(uuid=UUID(int=1), name="x", against_version=0, time_ms=1),
    )
    entries, fold = await place.seen()
    assert told(entries) == [
        (1, "void", "of epoch 1, in force was none"),
        (2, "fence", ""),
        (3, "batch", ""),
        (4, "void", "begins at offset 9, next was 2"),
        (5, "void", "of epoch 7, in force was 1"),
        (6, "void", "epoch 1 was not above epoch 1"),
        (7, "void", "another program's, or damaged"),
        (8, "snapshot", ""),
        (9, "void", "of epoch 4, in force was 1"),
        (10, "void", "an entry of a catalog"),
    ]
    assert report.row(entries[2])[:5] == ["3", "batch", "0-1", str(entries[2].size), "1"]
    assert report.row(entries[2])[5].endswith("producer 7 epoch 0 sequence 0-1")
    assert report.row(entries[1])[5] == (
        "by node 3 (main kov:9092), 2023-11-14 22:13:20.000Z, state as of 0: epoch 0, next offset 0, "
        "0 producers; entry before: none"
    )
    assert entry_facts(entries[7])["as_of_llsn"] == 7
    assert state_facts(fold, with_producers=True)["producers"] == [
        {"producer_id": 7, "epoch": 0, "last_sequence": 1, "last_base_offset": 0, "last_seen_ms": NOW_MS}
    ]
    assert dict(report.state("t/0", "s", fold))["epoch"] == "1, of node 3"


async def test_a_part_is_judged_as_the_whole(place: Place) -> None:
    await place.write(fence(state()), *(stamp(batch(), offset, 1) for offset in range(100)))
    await place.write(packed(control.snapshot(state(101, 1, 100), NODE, NOW_MS)))
    await place.write(*(stamp(batch(), offset, 1) for offset in (100, 200, 101)))
    whole, _ = await place.seen()
    for wanted in (2, 70, 102, 103, 104, 105):
        part, fold = await place.seen(wanted)
        assert part == whole[wanted - 1 :]
        assert fold.position.next_offset == 102


async def test_where_the_beginning_is_trimmed_it_is_said_what_cannot_be_told(place: Place) -> None:
    await place.write(fence(state()), *(stamp(batch(), offset, 1) for offset in range(5)))
    await place.write(packed(control.snapshot(state(4, 1, 3), NODE, NOW_MS)))
    await place.write(stamp(batch(), 5, 1))
    await place.trim(3)
    entries, _ = await place.seen(4)
    assert [(llsn, what) for llsn, what, _ in told(entries)] == [
        *((4, "?"), (5, "batch"), (6, "batch"), (7, "snapshot"), (8, "batch"))
    ]
    assert entries[0].why == "not to be judged: what was trimmed decided it"

    await place.trim(7)
    entries, _ = await place.seen(8)
    assert [(llsn, what) for llsn, what, _ in told(entries)] == [(8, "?")]


async def test_a_repair_in_force_tells_what_it_kept(place: Place) -> None:
    await place.write(fence(state()), stamp(batch(), 0, 1), stamp(batch(), 1, 1))
    nobody = WriterStamp(attempt_id=b"r", node=NOBODY)
    declared = control.fence(state(), nobody, ProducerBounds(), NOW_MS)
    await place.write(pack(declared.kind, 900, declared.message))
    repair = control.repair(state(4, 900, 2), nobody, Position(2, 1, 1), NOW_MS)
    await place.write(packed(repair))
    await place.trim(2)
    entries, fold = await place.seen(3)
    assert [(llsn, what) for llsn, what, _ in told(entries)] == [(3, "batch"), (4, "fence"), (5, "repair")]
    assert fold.position.next_offset == 2

    higher = control.fence(state(), NODE, ProducerBounds(), NOW_MS)
    await place.write(pack(higher.kind, 901, higher.message))
    await place.write(packed(repair))
    entries, _ = await place.seen(7)
    assert told(entries) == [(7, "void", "of epoch 900, in force was 901")]


async def test_the_fence_of_another_partition_ends_the_fold(place: Place) -> None:
    await place.write(fence(state()), fence(state(1, 1, 0, of=THEIRS)), stamp(batch(), 0, 2))
    entries, fold = await place.seen()
    assert [(llsn, what) for llsn, what, _ in told(entries)] == [(1, "fence"), (2, "?")]
    assert entries[1].why.startswith("the fold stops here: entry 2 says that this log stream belongs to")
    assert fold.position.llsn == 1
