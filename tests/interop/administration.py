"""Scenarios of admin clients."""

from __future__ import annotations

from uuid import uuid4

from tests.clients.producers import DRIVERS
from tests.clients.records import records
from tests.clients.scenario import Scenario
from tests.interop.bench import Bench, all_records, used_topic
from tests.interop.case import Case
from tests.interop.driver import DriverError
from tests.interop.trouble import check_refused

_LIMIT = "max.message.bytes"
_ALREADY_EXISTS = 36


def _name() -> str:
    return f"interop-{uuid4().hex[:12]}"


async def _create(bench: Bench) -> None:
    """Created, described and written to at once; a second time it exists already."""
    topic, ask = _name(), bench.driver.ask
    create = {"bootstrap": bench.bootstrap, "topic": topic, "partitions": 3, "configs": {}}
    await ask("create", **create)
    assert await ask("describe", bootstrap=bench.bootstrap, topic=topic) == {"partitions": 3}
    assert topic in (await ask("topics", bootstrap=bench.bootstrap))["names"]
    sent = bench.records(30, partitions=3)
    told = await bench.driver.produce(bench.bootstrap, topic, sent, bench.settings())
    await bench.check(topic, sent, told, bench.settings())
    try:
        await ask("create", **create)
    except DriverError as refused:
        check_refused(refused, bench, _ALREADY_EXISTS)
    else:
        raise AssertionError("it was made twice")


async def _delete(bench: Bench) -> None:
    topic = await used_topic(bench.stage)
    await bench.driver.ask("delete", bootstrap=bench.bootstrap, topic=topic)
    assert topic not in (await bench.driver.ask("topics", bootstrap=bench.bootstrap))["names"]


async def _grow(bench: Bench) -> None:
    topic = await used_topic(bench.stage)
    await bench.driver.ask("grow", bootstrap=bench.bootstrap, topic=topic, partitions=6)
    assert await bench.driver.ask("describe", bootstrap=bench.bootstrap, topic=topic) == {"partitions": 6}


async def _configs(bench: Bench) -> None:
    topic, ask = await used_topic(bench.stage), bench.driver.ask
    configs = (await ask("configs", bootstrap=bench.bootstrap, topic=topic))["configs"]
    assert configs[_LIMIT] == "1048588"
    assert configs["compression.type"] == "producer"
    assert configs["retention.ms"] == "-1"


async def _alter(bench: Bench) -> None:
    topic, ask = await used_topic(bench.stage), bench.driver.ask
    await ask("alter", bootstrap=bench.bootstrap, topic=topic, configs={_LIMIT: "2000000"})
    configs = (await ask("configs", bootstrap=bench.bootstrap, topic=topic))["configs"]
    assert configs[_LIMIT] == "2000000"


async def _offsets(bench: Bench) -> None:
    topic = await used_topic(bench.stage)
    written = records("p", 40, partitions=2)
    await DRIVERS["confluent"](bench.bootstrap, topic, written, Scenario(library="confluent"))
    asked = {"bootstrap": bench.bootstrap, "topic": topic, "partitions": 4}
    earliest = (await bench.driver.ask("offsets", **asked, at=-2))["offsets"]
    assert earliest == {"0": 0, "1": 0, "2": 0, "3": 0}
    latest = (await bench.driver.ask("offsets", **asked, at=-1))["offsets"]
    assert latest == {"0": 20, "1": 20, "2": 0, "3": 0}


async def _offsets_by_time(bench: Bench) -> None:
    topic = await used_topic(bench.stage)
    written = records("p", 40, partitions=2)
    await DRIVERS["confluent"](bench.bootstrap, topic, written, Scenario(library="confluent"))
    first = all_records(await bench.stored(topic))[0].contents.timestamp_ms
    asked = {"bootstrap": bench.bootstrap, "topic": topic, "partitions": 2}
    found = (await bench.driver.ask("offsets", **asked, at=first))["offsets"]
    assert (found["0"], found["1"]) == (0, 0)


async def _cluster(bench: Bench) -> None:
    told = await bench.driver.ask("cluster", bootstrap=bench.bootstrap)
    assert told["nodes"] == 1
    assert told["cluster_id"] is None or len(told["cluster_id"]) == 22, "it isn't a uuid as Kafka writes it"


ADMINISTRATION: tuple[Case, ...] = (
    Case(row="create a topic and write to it", play=_create, needs=frozenset({"create"})),
    Case(row="delete a topic", play=_delete, needs=frozenset({"delete"})),
    Case(row="add partitions", play=_grow, needs=frozenset({"grow"})),
    Case(row="configuration", name="read", play=_configs, needs=frozenset({"configs"})),
    Case(row="configuration", name="changed", play=_alter, needs=frozenset({"configs", "alter"})),
    Case(row="list offsets", name="ends", play=_offsets, needs=frozenset({"offsets"})),
    Case(
        row="list offsets",
        name="by time",
        play=_offsets_by_time,
        needs=frozenset({"offsets", "offsets by time"}),
    ),
    Case(row="describe the cluster", play=_cluster, needs=frozenset({"cluster"})),
)
