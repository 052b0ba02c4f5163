"""The scenarios that every Varlog behind kov must pass: a class to inherit, with a `stage` fixture."""

from __future__ import annotations

import asyncio

import pytest

from tests.clients.checking import (
    check_batches,
    check_deliveries,
    check_exactly_once,
    check_order,
    read_all_ways,
    wait_until_stored,
)
from tests.clients.producers import DRIVERS
from tests.clients.records import Record, records, sized
from tests.clients.scenario import PYTHON_LIBRARIES, Library, Produce, Scenario, everyday, remaining
from tests.clients.stage import PARTITIONS, Stage

_RECORDS = 100
_USED = 2

# max.message.bytes is 1,048,588 unless a topic says otherwise; a batch and its only record need some of that.
LARGEST_VALUE = 1_048_588 - 100
TOO_LARGE_VALUE = 1_048_588 + 1


async def play(stage: Stage, scenario: Scenario, produce: Produce, sent: list[Record]) -> None:
    topic = stage.topic()
    since = await stage.ends(topic)
    deliveries = await produce(stage.bootstrap, topic, sent, scenario)
    if scenario.acks == "0":
        await wait_until_stored(stage, topic, since, len(sent))
    readings = await read_all_ways(stage, topic, since)
    check_exactly_once(readings.stored, sent)
    check_order(readings.stored)
    check_deliveries(readings.stored, sent, deliveries)
    if not any(since.values()):
        check_batches([each for each in readings.partitions if each.records], scenario)


def _scenarios(choice: list[list[Scenario]]) -> list[Scenario]:
    return [scenario for each in choice for scenario in each]


class RoundTrips:
    @pytest.mark.parametrize("scenario", _scenarios([everyday(each) for each in PYTHON_LIBRARIES]), ids=str)
    async def test_records_come_back_as_they_were_sent(self, stage: Stage, scenario: Scenario) -> None:
        sent = records("p", _RECORDS, partitions=_USED, nulls=scenario.nulls)
        await play(stage, scenario, DRIVERS[scenario.library], sent)

    @pytest.mark.slow
    @pytest.mark.parametrize("scenario", _scenarios([remaining(each) for each in PYTHON_LIBRARIES]), ids=str)
    async def test_records_come_back_from_the_rest_of_the_product(
        self, stage: Stage, scenario: Scenario
    ) -> None:
        sent = records("p", _RECORDS, partitions=_USED, nulls=scenario.nulls)
        await play(stage, scenario, DRIVERS[scenario.library], sent)

    @pytest.mark.parametrize("library", PYTHON_LIBRARIES)
    async def test_records_of_almost_max_message_bytes_come_back(
        self, stage: Stage, library: Library
    ) -> None:
        sent = sized("large", [LARGEST_VALUE, 10, LARGEST_VALUE, LARGEST_VALUE, 1])
        await play(stage, Scenario(library=library), DRIVERS[library], sent)

    async def test_fifty_producers_at_once_keep_their_own_order(self, stage: Stage) -> None:
        topic = stage.topic()
        since = await stage.ends(topic)
        shares = {f"producer-{n}": Scenario(library=PYTHON_LIBRARIES[n % 3]) for n in range(50)}
        sent = {name: records(name, 40, partitions=None) for name in shares}
        deliveries = await asyncio.gather(
            *(DRIVERS[s.library](stage.bootstrap, topic, sent[name], s) for name, s in shares.items())
        )
        readings = await read_all_ways(stage, topic, since)
        everything = [record for each in sent.values() for record in each]
        check_exactly_once(readings.stored, everything)
        check_order(readings.stored)
        check_deliveries(readings.stored, everything, [told for each in deliveries for told in each])
        assert {each.partition for each in readings.stored} == set(range(PARTITIONS))
