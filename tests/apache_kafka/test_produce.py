"""The rows of the facts' table, asked of both."""

from __future__ import annotations

import pytest

from tests.apache_kafka.allowed import ALLOWED, SPARED
from tests.apache_kafka.comparing import Plain
from tests.apache_kafka.oracle import Oracle
from tests.apache_kafka.server import BUILD_S
from tests.kov.kafka_table.reading import ends
from tests.kov.kafka_table.rows import ROWS, Row
from tests.kov.kafka_table.side import Side

pytestmark = [
    pytest.mark.java,
    pytest.mark.timeout(BUILD_S + 120),  # the first test waits until Maven has fetched the jars
    pytest.mark.asyncio(loop_scope="module"),
]

CASES = [pytest.param(row, version, id=f"{row.id}, v{version}") for row in ROWS for version in row.only]


@pytest.mark.parametrize(("row", "version"), CASES)
async def test_row(oracle: Oracle, row: Row, version: int) -> None:
    places = [("plain", 0), ("plain", 1), (row.topic, row.index)]
    before = {side: dict(zip(places, await ends(side, places), strict=True)) for side in oracle.sides}

    def relative(side: Side, answer: Plain) -> Plain:
        """Offsets from the end before: the two logs differ where Kafka refused good neighbours."""
        assert isinstance(answer, dict)
        for topic, answered in answer["responses"].items():
            name = topic.removeprefix("<id of ").removesuffix(">")
            for index, part in answered["partition_responses"].items():
                if part["base_offset"] >= 0:
                    part["base_offset"] -= before[side][name, int(index)]
                part["log_append_time"] = part["log_append_time"] is not None
        return answer

    spared = row.whole and row.spares_others
    allowed = (*ALLOWED, SPARED) if spared else ALLOWED
    assert await oracle.compare(lambda side: row.request(side, version), allowed=allowed, seen=relative) == []
    grown = [
        [end - before[side][place] for place, end in zip(places, await ends(side, places), strict=True)]
        for side in oracle.sides
    ]
    assert grown[0][2] == grown[1][2]
    assert spared or grown[0] == grown[1]
