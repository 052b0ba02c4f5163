"""Whether what was sent is what is stored: read three ways, compared record by record."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tests.clients import consumers
from tests.clients.raw import Partition, read_raw
from tests.clients.records import Delivery, Identity, Record, Stored
from tests.clients.scenario import CODECS, Scenario
from tests.clients.stage import Stage, open_log

_UNTOLD_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """One topic's records from where the test began, and its log streams as they are."""

    stored: Sequence[Stored]
    partitions: Sequence[Partition]


async def read_all_ways(stage: Stage, topic: str, since: Mapping[int, int]) -> Readings:
    """Through aiokafka, confluent-kafka and varlog_client: all say the same, dense from `since`."""
    by_aiokafka, by_confluent, partitions = await asyncio.gather(
        consumers.read_with_aiokafka(stage.bootstrap, topic, since),
        consumers.read_with_confluent(stage.bootstrap, topic, since),
        read_log(stage, topic),
    )
    raw = [each for partition in partitions for each in partition.records]
    stored = [each for each in raw if each.offset >= since[each.partition]]
    assert sorted_by_place(by_aiokafka) == stored, "aiokafka reads other records than the log streams hold"
    assert sorted_by_place(by_confluent) == stored, "confluent-kafka reads other records than aiokafka"
    check_dense(stored, since)
    return Readings(stored=stored, partitions=partitions)


async def wait_until_stored(stage: Stage, topic: str, since: Mapping[int, int], count: int) -> None:
    """For producers that were told nothing: returns when `count` records were added to the topic."""
    async with asyncio.timeout(_UNTOLD_TIMEOUT_S):
        while (
            sum((await consumers.ends(stage.bootstrap, topic, since)).values()) < sum(since.values()) + count
        ):
            pass


async def read_log(stage: Stage, topic: str) -> list[Partition]:
    """What the log streams hold, read without Kafka."""
    async with await open_log(stage) as log:
        place = await stage.place(log, topic)
        return await read_raw(log, place.topic_id, place.log_streams)


def sorted_by_place(stored: Iterable[Stored]) -> list[Stored]:
    return sorted(stored, key=lambda each: (each.partition, each.offset))


def check_dense(stored: Sequence[Stored], since: Mapping[int, int]) -> None:
    """Offsets count from `since` without a gap; `stored` is sorted."""
    found: dict[int, list[int]] = defaultdict(list)
    for each in stored:
        found[each.partition].append(each.offset)
    for partition, offsets in found.items():
        begin = since[partition]
        assert offsets == list(range(begin, begin + len(offsets))), f"partition {partition} has gaps"


def check_order(stored: Sequence[Stored]) -> None:
    """Within a partition every producer's records lie in the order of sending; `stored` is sorted."""
    last: dict[tuple[int, str], Identity] = {}
    for each in stored:
        identity = each.contents.identity
        before = last.get((each.partition, identity.producer))
        assert before is None or before.number < identity.number, f"{identity} lies behind {before}"
        last[each.partition, identity.producer] = identity


def check_exactly_once(stored: Sequence[Stored], sent: Sequence[Record]) -> None:
    """Everything sent is there once, with its contents, in the partition that was asked for."""
    times = Counter(each.contents.identity for each in stored)
    assert not [identity for identity, n in times.items() if n > 1], "duplicates"
    expected = {each.contents.identity: each for each in sent}
    assert set(times) == set(expected), "not the records that were sent"
    for each in stored:
        record = expected[each.contents.identity]
        assert each.contents == record.contents
        assert record.partition in {None, each.partition}


def check_deliveries(
    stored: Sequence[Stored], sent: Sequence[Record], deliveries: Sequence[Delivery | None]
) -> None:
    """Every record lies where its producer was told that it lies."""
    places = {each.contents.identity: Delivery(each.partition, each.offset) for each in stored}
    for record, delivery in zip(sent, deliveries, strict=True):
        identity = record.contents.identity
        assert delivery in {None, places[identity]}, f"{identity} is not where its producer believes"


def check_batches(partitions: Sequence[Partition], scenario: Scenario) -> None:
    """The batches are what the scenario is about: its codec, idempotent or not. For topics of its own."""
    codecs = set().union(*(each.codecs for each in partitions))
    codec = CODECS.index(scenario.codec)
    # librdkafka leaves a batch as it is where compression doesn't make it smaller.
    assert codec in codecs <= {0, codec}
    anonymous = {-1} & set().union(*(each.producer_ids for each in partitions))
    assert bool(anonymous) != scenario.idempotent
