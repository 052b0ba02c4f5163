"""Idempotence, asked of both in the same order."""

from __future__ import annotations

import pytest

from tests.apache_kafka.oracle import Oracle
from tests.apache_kafka.server import BUILD_S
from tests.kov.kafka_table.sequences import ASKED_AGAIN, SCRIPT

pytestmark = [
    pytest.mark.java,
    pytest.mark.timeout(BUILD_S + 120),
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest.mark.parametrize("version", [3, 8, 12, 13])
async def test_the_script(oracle: Oracle, version: int) -> None:
    found = {}
    for step in (*SCRIPT, *ASKED_AGAIN):
        index = (3, 8, 12, 13).index(version)
        found[step.id] = await oracle.compare(lambda side: step.request(side, version, "plain", index))  # noqa: B023
    assert {name: each for name, each in found.items() if each} == {}
