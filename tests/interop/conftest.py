"""Drivers, built when the first test needs them, and the page that a whole run writes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn, TypeGuard

import pytest

from tests.interop.building import TOOLS, MissingPrograms
from tests.interop.clients import CLIENTS, Client
from tests.interop.driver import Driver
from tests.interop.report import REPORT

_REQUIRED = ("CI", "KOV_REQUIRE_TOOLCHAINS")


def missing_toolchain(client: str, missing: MissingPrograms) -> NoReturn:
    """A failure where every toolchain must be there, a skip elsewhere."""
    said = f"{client}: {missing}"
    if any(os.environ.get(name) for name in _REQUIRED):
        pytest.fail(said)
    pytest.skip(said)


@pytest.fixture(scope="session")
def kafka_tools() -> Path:
    """The directory with Kafka's command-line tools."""
    try:
        return TOOLS.directory()
    except MissingPrograms as missing:
        missing_toolchain("Kafka's tools", missing)


def _directory(client: Client) -> Path:
    missing = [program for program in client.programs if shutil.which(program) is None]
    if missing:
        raise MissingPrograms(f"not on PATH: {', '.join(missing)}")
    return client.build.directory() if client.build else Path()


@pytest.fixture(scope="session")
def building_ahead(request: pytest.FixtureRequest) -> Iterator[None]:
    """While scenarios are played, the drivers of later ones are built, the slowest first."""
    items = filter(_has_parameters, request.session.items)
    chosen = {str(item.callspec.params.get("client")) for item in items}
    builds = {client.build for client in CLIENTS if client.name in chosen and client.build is not None}
    with ThreadPoolExecutor(1) as executor:
        for build in sorted(builds, key=lambda build: not build.slow):
            executor.submit(build.directory)  # who needs it asks again, and hears why it failed
        yield
        executor.shutdown(cancel_futures=True)


def _has_parameters(item: pytest.Item) -> TypeGuard[pytest.Function]:
    return isinstance(item, pytest.Function) and hasattr(item, "callspec")


@pytest.fixture(scope="session")
def driver_of(
    tmp_path_factory: pytest.TempPathFactory, building_ahead: None
) -> Iterator[Callable[[Client], Driver]]:
    """The driver of a client, the same one in all tests. Skips or fails where a toolchain is missing."""
    logs = tmp_path_factory.mktemp("drivers")
    drivers: dict[str, Driver] = {}

    def driver_of(client: Client) -> Driver:
        if client.name not in drivers:
            try:
                command = client.command(_directory(client))
            except MissingPrograms as missing:
                missing_toolchain(client.name, missing)
            drivers[client.name] = Driver(command, logs / client.name.replace("/", "-"))
        return drivers[client.name]

    yield driver_of
    for driver in drivers.values():
        driver.stop()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    outcome = yield
    REPORT.take(item, outcome.get_result())  # type: ignore[attr-defined]


def pytest_sessionfinish(session: pytest.Session) -> None:
    if os.environ.get("KOV_WRITE_CLIENTS_PAGE"):
        REPORT.write()
