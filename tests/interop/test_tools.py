"""Kafka's own command-line tools, run unchanged: they end with status 0 and say what they ought to."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.clients.producers import DRIVERS
from tests.clients.records import records
from tests.clients.scenario import Scenario
from tests.clients.stage import EmbeddedStage
from tests.interop.bench import used_topic
from tests.interop.building import BUILD_S
from tests.interop.report import TOOL
from tests.interop.tools import TOOLS, Place, Tool
from tests.kov_process import KovProcess

pytestmark = [pytest.mark.interop, pytest.mark.timeout(BUILD_S + 120)]

_RUN_S = 60.0


def _parameters() -> list[object]:
    return [
        pytest.param(tool, id=tool.name, marks=[] if tool.everyday else [pytest.mark.slow]) for tool in TOOLS
    ]


@pytest.mark.parametrize("tool", _parameters())
async def test_tool(
    request: pytest.FixtureRequest, tool: Tool, kafka_tools: Path, shared_kov: KovProcess
) -> None:
    request.node.user_properties.append(("cell", (TOOL, tool.name)))
    stage = EmbeddedStage(shared_kov)
    topic = await used_topic(stage)
    await DRIVERS["confluent"](stage.bootstrap, topic, records("p", 10), Scenario(library="confluent"))
    place = Place(bootstrap=stage.bootstrap, topic=topic, new_topic=stage.topic())
    command = ("java", "-XX:TieredStopAtLevel=1", "-cp", f"{kafka_tools}/target/lib/*", tool.main)
    said = await asyncio.to_thread(_run, [*command, *tool.arguments(place)], tool.given)
    for words in tool.says:
        assert words.replace("{topic}", topic) in said


def _run(command: Sequence[str], given: str) -> str:
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=_RUN_S)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said
