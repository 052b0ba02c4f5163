"""Something dies in the middle of a load and comes back: what must then be in the log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.clients.checking import check_deliveries, check_exactly_once, check_order, read_all_ways
from tests.clients.records import Identity, Stored
from tests.clients.stage import Stage
from tests.crash.load import Load

IDEMPOTENT: Mapping[str, object] = {"enable.idempotence": True}
# What is not settled within the request's time is tried again by the producer, and then may be there twice.
PLAIN: Mapping[str, object] = {
    "enable.idempotence": False,
    "acks": "all",
    "retries": 1000,
    "request.timeout.ms": 55_000,
}
_ONE_AT_A_TIME: Mapping[str, object] = {"max.in.flight.requests.per.connection": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Accident:
    strike: Callable[[], Awaitable[None]]
    mend: Callable[[], Awaitable[None]]
    kov_dies: bool


async def play_accident(stage: Stage, accident: Accident, *, acknowledged_before: int) -> None:
    """An idempotent producer and a plain one, both with retries, live through `accident`.

    Every record is there once and in order; only if kov dies, what the plain producer had on its way may be
    there more than once.
    """
    # A plain producer with several requests in flight reorders when it has to try again, as with Kafka;
    # while kov lives, it alone tries again.
    plain_settings = {**PLAIN, **_ONE_AT_A_TIME} if accident.kov_dies else PLAIN
    topics = stage.topic(), stage.topic()
    since = [await stage.ends(topic) for topic in topics]
    with (
        Load("idempotent", stage.bootstrap, topics[0], IDEMPOTENT) as idempotent,
        Load("plain", stage.bootstrap, topics[1], plain_settings) as plain,
    ):
        for load in (idempotent, plain):
            await load.progress(acknowledged_before)
        await accident.strike()
        on_their_way = plain.unanswered()
        await accident.mend()
        for load in (idempotent, plain):
            await load.progress(150)
        for load in (idempotent, plain):
            await load.stop()
            assert not load.failures
    await check_load(stage, idempotent, since[0])
    await check_load(stage, plain, since[1], may_be_twice=on_their_way if accident.kov_dies else None)


async def check_load(
    stage: Stage, load: Load, since: Mapping[int, int], *, may_be_twice: set[Identity] | None = None
) -> None:
    """Everything sent is there in order, where the producer was told, and once but for `may_be_twice`."""
    stored = (await read_all_ways(stage, load.topic, since)).stored
    if may_be_twice is not None:
        check_told(stored, load)
        stored = first_of_each(stored, may_be_twice)
    check_exactly_once(stored, load.sent)
    check_order(stored)
    if may_be_twice is None:
        check_deliveries(stored, load.sent, [load.told[each.contents.identity] for each in load.sent])


def check_told(stored: Sequence[Stored], load: Load) -> None:
    places = {(each.contents.identity, each.partition, each.offset) for each in stored}
    assert {(identity, *told) for identity, told in load.told.items()} <= places


def first_of_each(stored: Sequence[Stored], may_be_twice: set[Identity]) -> list[Stored]:
    times = Counter(each.contents.identity for each in stored)
    assert {identity for identity, n in times.items() if n > 1} <= may_be_twice, "duplicates"
    first: dict[Identity, Stored] = {}
    for each in stored:
        first.setdefault(each.contents.identity, each)
    return list(first.values())
