"""Idempotence over a real socket: the script, retries in flight, the same answers from any later writer."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from kio.schema.errors import ErrorCode

from tests.builders import batch
from tests.kov.kafka_table.reading import ends, parts
from tests.kov.kafka_table.rows import produce
from tests.kov.kafka_table.sequences import ASKED_AGAIN, SCRIPT, Step
from tests.kov.kafka_table.side import Side, TopicSpec, decoded
from tests.kov.kafka_table.site import a_site
from tests.kov.wire.requests import frame, sized

pytestmark = pytest.mark.asyncio(loop_scope="module")

PLACE = ("plain", 3)
VERSION = 12


async def check(kov: Side, step: Step) -> None:
    before = await ends(kov, [PLACE])
    answer = parts(kov, await kov.ask(step.request(kov, VERSION, *PLACE)))[PLACE]
    assert (answer.error_code, answer.base_offset) == (step.code, step.offset), step.id
    is_new = step.code is ErrorCode.none and [step.offset] == before
    assert await ends(kov, [PLACE]) == [before[0] + (step.count if is_new else 0)], step.id
    assert bool(answer.error_message) == (step.code is not ErrorCode.none), step.id


async def test_the_script(kov: Side) -> None:
    for step in SCRIPT:
        await check(kov, step)
    for step in ASKED_AGAIN:
        await check(kov, step)


async def test_a_retry_of_a_batch_in_flight_shares_its_outcome(kov: Side) -> None:
    requests = []
    for n in (0, 1, 2, 3, 4, 3, 0, 1, 4, 2):
        data = batch([b"%d" % n], producer_id=77, epoch=0, sequence=n)
        requests.append(frame(produce(kov, 12, {"plain": [{"index": 4, "records": data}]}), correlation_id=n))
    reader, writer = await asyncio.open_connection(kov.host, kov.port)
    writer.write(b"".join(map(sized, requests)))
    offsets: dict[int, set[int]] = {}
    for _ in requests:
        size = int.from_bytes(await reader.readexactly(4), "big")
        answer = await reader.readexactly(size)
        part = parts(kov, decoded(0, 12, answer))["plain", 4]
        assert part.error_code is ErrorCode.none
        offsets.setdefault(int.from_bytes(answer[:4], "big"), set()).add(part.base_offset)
    writer.close()
    assert offsets == {n: {n} for n in range(5)}
    assert await ends(kov, [("plain", 4)]) == [5]


async def asked(side: Side, topic: str = "plain", index: int = 0) -> list[bytes | None]:
    return [
        (await side.exchange(frame(step.request(side, VERSION, topic, index)))).data for step in ASKED_AGAIN
    ]


async def test_answers_are_the_same_after_restarts_and_from_whoever_takes_over(tmp_path: Path) -> None:
    async with a_site(tmp_path, [TopicSpec("plain", 1, {})]) as site:
        async with site.kov("the first") as first:
            for step in SCRIPT:
                await first.exchange(frame(step.request(first, VERSION, "plain", 0)))
            expected = await asked(first)
            for step, answer in zip(ASKED_AGAIN, expected, strict=True):
                assert answer is not None
                part = parts(first, decoded(0, VERSION, answer))["plain", 0]
                assert (part.error_code, part.base_offset) == (step.code, step.offset), step.id
        async with site.kov("restarted") as second:
            assert await asked(second) == expected
            async with site.kov("taking over") as third:
                assert await asked(third) == expected
                assert await ends(third, [("plain", 0)]) == [23]
