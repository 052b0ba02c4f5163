"""Every scenario of the list, played by every client library that can."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients.stage import EmbeddedStage
from tests.interop.bench import Bench
from tests.interop.building import BUILD_S
from tests.interop.case import Case
from tests.interop.clients import Client
from tests.interop.driver import Driver
from tests.interop.matrix import played
from tests.interop.report import REPORT
from tests.kov_process import KovProcess

pytestmark = [pytest.mark.interop, pytest.mark.timeout(BUILD_S + 120)]  # the first one waits for its driver


def _parameters() -> list[object]:
    return [
        pytest.param(client, case, id=f"{client}-{case}", marks=[] if case.everyday else [pytest.mark.slow])
        for client, case in played()
    ]


@pytest.mark.parametrize(("client", "case"), _parameters())
async def test_scenario(
    request: pytest.FixtureRequest,
    client: Client,
    case: Case,
    driver_of: Callable[[Client], Driver],
    shared_kov: KovProcess,
    tmp_path: Path,
) -> None:
    request.node.user_properties.append(("cell", (client.name, case.row)))
    driver = driver_of(client)
    if client.name not in REPORT.about:
        REPORT.about[client.name] = await driver.about()
    bench = Bench(client=client, driver=driver, stage=EmbeddedStage(shared_kov), directory=tmp_path)
    try:
        await case.play(bench)
    except BaseException:
        driver.stop()
        raise
