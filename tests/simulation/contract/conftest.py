"""The client's contract suite, the very same functions, against the simulated Varlog on the simulated loop.

Faults are off: whatever the simulated Varlog then does the real one does, too, so that with faults it lies
only where the real one may. `NOT_SERVED` names what isn't run, and why.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

import grpc.aio
import pytest

from tests.contract import conftest, test_append, test_cluster, test_failures, test_read, test_topic
from tests.leaks import no_client_task_is_left
from tests.simulation.loop import SimulatedLoop
from tests.simulation.network import Faults, Network
from tests.simulation.varlog import SimulatedVarlog
from varlog_client import admin_connection, channels

__all__ = ["admin", "log", "no_client_task_is_left", "place"]

admin, log, place = conftest.admin, conftest.log, conftest.place


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"simulated": SimulatedLoop}


ADMIN = "an admin call: the cluster is changed directly here"
GLSN = "reads by GLSN: a partition reads by LLSN only"
NOT_SERVED: Mapping[str, str] = {
    "test_admin_lists_what_there_is": ADMIN,
    "test_topics_get_ids_of_their_own": ADMIN,
    "test_seal_and_unseal_say_what_became_of_it": ADMIN,
    "test_a_sealed_log_stream_can_be_removed": ADMIN,
    "test_a_topic_can_be_removed": ADMIN,
    "test_registering_a_node_again_changes_nothing": ADMIN,
    "test_what_admin_refuses": ADMIN,
    "test_the_details_of_an_error_are_sent_as_varlog_sends_them": "error details: nobody reads them",
    "test_a_topic_is_read_in_global_order": GLSN,
    "test_every_part_of_a_topic_ends_where_it_should": GLSN,
    "test_the_tail_of_a_topic_is_followed_into_new_log_streams": GLSN,
    "test_a_trimmed_part_of_a_topic_is_said_to_be": GLSN,
    "test_a_removed_log_stream_leaves_a_hole_that_is_said": GLSN,
}

SUITE = (test_append, test_cluster, test_failures, test_read, test_topic)
assert all(any(hasattr(module, name) for module in SUITE) for name in NOT_SERVED), (
    "it names a test that is gone"
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what isn't served; all of that runs against two servers in `tests/contract`."""
    here = Path(__file__).parent
    ours = [item for item in items if item.path.is_relative_to(here)]
    unfit = {item for item in ours if item.originalname in NOT_SERVED}  # type: ignore[attr-defined]
    items[:] = [item for item in items if item not in unfit]
    config.hook.pytest_deselected(items=list(unfit))


def reachable(varlog: SimulatedVarlog, monkeypatch: pytest.MonkeyPatch) -> SimulatedVarlog:
    """Every channel that is opened leads to it."""

    def open_channel(address: str) -> grpc.aio.Channel:
        return cast("grpc.aio.Channel", varlog.channel(address))

    for module in (channels, admin_connection, test_append, test_read):
        monkeypatch.setattr(module, "open_channel", open_channel)
    return varlog


def make(storage_nodes: int) -> SimulatedVarlog:
    return SimulatedVarlog(Network(random.Random(1), Faults()), storage_nodes)


@pytest.fixture(params=[1, 2])
async def cluster(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> SimulatedVarlog:
    return reachable(make(request.param), monkeypatch)


@pytest.fixture
async def own(monkeypatch: pytest.MonkeyPatch) -> SimulatedVarlog:
    return reachable(make(1), monkeypatch)


@pytest.fixture(params=[1, 2])
async def real_nodes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> SimulatedVarlog:
    return reachable(make(request.param), monkeypatch)


@pytest.fixture
async def two_nodes(monkeypatch: pytest.MonkeyPatch) -> SimulatedVarlog:
    return reachable(make(2), monkeypatch)
