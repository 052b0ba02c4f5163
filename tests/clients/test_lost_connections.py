"""Connections lost before, in and after a write: idempotent producers try again, and nothing is twice."""

from __future__ import annotations

from collections.abc import Iterator

import psutil
import pytest

from tests.clients.checking import check_deliveries, check_exactly_once, check_order, read_all_ways
from tests.clients.producers import DRIVERS
from tests.clients.records import records
from tests.clients.scenario import PYTHON_LIBRARIES, Library, Scenario
from tests.clients.stage import EmbeddedStage, listening_address
from tests.kov_process import KovProcess
from tests.proxy import Fault, free_port, start_proxy


@pytest.fixture(scope="module")
def proxied_kov(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KovProcess]:
    """Its `address`, the one that it tells its clients, is where a proxy should listen."""
    directory = tmp_path_factory.mktemp("proxied")
    advertised = f"127.0.0.1:{free_port()}"
    with KovProcess(directory, "--data", str(directory / "data"), "--advertise", advertised) as kov:
        yield kov


@pytest.mark.parametrize("library", PYTHON_LIBRARIES)
async def test_retries_after_lost_connections_store_every_record_once(
    proxied_kov: KovProcess, library: Library
) -> None:
    stage = EmbeddedStage(proxied_kov)
    topic, sent = stage.topic(), records("p", 600, partitions=2)
    target = listening_address(psutil.Process(proxied_kov.process.pid))
    async with start_proxy(target, int(proxied_kov.address.rpartition(":")[2])) as proxy:
        proxy.faults = [Fault.DROP_ANSWER, Fault.CUT_REQUEST, Fault.DROP_REQUEST, Fault.DROP_ANSWER]
        deliveries = await DRIVERS[library](proxy.address, topic, sent, Scenario(library=library))
        assert not proxy.faults, f"only these faults happened: {proxy.done}"
        readings = await read_all_ways(stage, topic, await stage.ends(topic))
    check_exactly_once(readings.stored, sent)
    check_order(readings.stored)
    check_deliveries(readings.stored, sent, deliveries)
