"""Scenarios of producers that meet no trouble, and of assigned consumers that read back."""

from __future__ import annotations

from collections.abc import Iterator

from tests.clients.producers import DRIVERS
from tests.clients.records import records, sized
from tests.clients.round_trips import LARGEST_VALUE
from tests.clients.scenario import CODECS, Codec, Scenario
from tests.interop.bench import Bench, all_records, created_topic, used_topic
from tests.interop.case import Case, Play

_RECORDS = 60
_SMALL_RECORDS = 3000
_FEWEST_PER_BATCH = 10
_PARTITIONS = 32
_ALL_ACKS = {-1: "all", 1: "1", 0: "0"}
_EVERYDAY = {(-1, "none"), (-1, "lz4"), (1, "gzip"), (0, "zstd"), (0, "none")}


def _round_trip(codec: str, acks: int, *, idempotent: bool) -> Play:
    async def play(bench: Bench) -> None:
        topic = await used_topic(bench.stage)
        settings = bench.settings(codec=codec, acks=acks, idempotent=idempotent)
        sent = bench.records(_RECORDS)
        told = await bench.driver.produce(bench.bootstrap, topic, sent, settings)
        await bench.check(topic, sent, told, settings)

    return play


def _round_trips() -> Iterator[Case]:
    for codec in CODECS:
        yield Case(
            row="idempotent, each codec",
            name=codec,
            play=_round_trip(codec, -1, idempotent=True),
            needs=frozenset({"idempotence", codec}),
        )
    for acks, text in _ALL_ACKS.items():
        for codec in CODECS:
            yield Case(
                row=f"acks={text}, not idempotent, each codec",
                name=codec,
                play=_round_trip(codec, acks, idempotent=False),
                needs=frozenset({codec, f"acks={text}"}),
                everyday=(acks, codec) in _EVERYDAY,
            )


async def _headers(bench: Bench) -> None:
    topic = await used_topic(bench.stage)
    sent = [each for each in bench.records(_RECORDS, partitions=1) if each.contents.headers]
    told = await bench.driver.produce(bench.bootstrap, topic, sent, bench.settings())
    await bench.check(topic, sent, told, bench.settings())


async def _nulls(bench: Bench) -> None:
    topic = await used_topic(bench.stage)
    sent = [each for each in bench.records(_RECORDS, partitions=1) if not each.contents.value]
    told = await bench.driver.produce(bench.bootstrap, topic, sent, bench.settings())
    await bench.check(topic, sent, told, bench.settings())


async def _large(bench: Bench) -> None:
    topic = await used_topic(bench.stage)
    sent = sized("p", [LARGEST_VALUE, 10, LARGEST_VALUE])
    await bench.driver.open(bench.bootstrap, bench.settings())
    told = [each for record in sent for each in await bench.driver.send(topic, [record])]
    await bench.driver.close()
    await bench.check(topic, sent, told, bench.settings())


async def _batching(bench: Bench) -> None:
    topic = await used_topic(bench.stage)
    settings = bench.settings(linger_ms=100)
    sent = bench.records(_SMALL_RECORDS, partitions=4)
    told = await bench.driver.produce(bench.bootstrap, topic, sent, settings)
    partitions = await bench.check(topic, sent, told, settings)
    batches = sum(each.batches for each in partitions)
    assert batches * _FEWEST_PER_BATCH <= len(sent), f"{len(sent)} records came in {batches} batches"


async def _many_partitions(bench: Bench) -> None:
    topic = await created_topic(bench.stage, _PARTITIONS)
    sent = bench.records(10 * _PARTITIONS, partitions=_PARTITIONS)
    told = await bench.driver.produce(bench.bootstrap, topic, sent, bench.settings())
    partitions = await bench.check(topic, sent, told, bench.settings())
    assert [len(each.records) for each in partitions] == [10] * _PARTITIONS


async def _made_by_use(bench: Bench) -> None:
    topic = bench.stage.topic()
    sent = bench.records(_RECORDS, partitions=1)
    told = await bench.driver.produce(bench.bootstrap, topic, sent, bench.settings())
    await bench.check(topic, sent, told, bench.settings())


def _read_back(codec: Codec) -> Play:
    async def play(bench: Bench) -> None:
        topic = await used_topic(bench.stage)
        sent = [bench.simplified(each) for each in records("p", 300, partitions=2)]
        await DRIVERS["confluent"](bench.bootstrap, topic, sent, Scenario(library="confluent", codec=codec))
        stored = all_records(await bench.stored(topic))
        since, ends = {0: 0, 1: 37}, {0: 150, 1: 150}
        found = await bench.driver.read(bench.bootstrap, topic, since, ends)
        expected = [bench.read(each) for each in stored if each.offset >= since[each.partition]]
        assert [bench.read(each) for each in found] == expected

    return play


def _readings() -> Iterator[Case]:
    for codec in CODECS:
        yield Case(
            row="read by an assigned consumer",
            name=codec,
            play=_read_back(codec),
            needs=frozenset({"assigned reading", codec}),
            everyday=codec in {"none", "lz4"},
        )


PRODUCING: tuple[Case, ...] = (
    *_round_trips(),
    Case(row="headers", play=_headers, needs=frozenset({"headers"})),
    Case(row="null and empty keys and values", play=_nulls, needs=frozenset({"null value"})),
    Case(row="records of 1 MiB", play=_large),
    Case(row="batching", play=_batching, needs=frozenset({"batching"})),
    Case(row="32 partitions", play=_many_partitions),
    Case(row="a topic made by use", play=_made_by_use, needs=frozenset({"making by use"})),
    *_readings(),
)
