"""A Docker engine and the images, once for all tests here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from tests.containers.engine import Docker, NoEngine, docker_engine
from tests.containers.images import build_kov, import_base, kov_context

_REQUIRED = ("CI", "KOV_REQUIRE_TOOLCHAINS")


def cannot_run(missing: str) -> NoReturn:
    """A failure where everything must be there, a skip elsewhere."""
    if any(os.environ.get(name) for name in _REQUIRED):
        pytest.fail(missing)
    pytest.skip(missing)


@pytest.fixture(scope="session")
def docker() -> Iterator[Docker]:
    try:
        with docker_engine() as docker:
            yield docker
    except NoEngine as missing:
        cannot_run(str(missing))


@pytest.fixture(scope="session")
def base_image(docker: Docker) -> Iterator[str]:
    """Debian with Python."""
    name = "kov-tests-base"
    try:
        import_base(docker, name)
    except NoEngine as missing:
        cannot_run(str(missing))
    yield name
    docker.remove_image(name)


@pytest.fixture(scope="session")
def context() -> Iterator[Path]:
    """What the image is made from."""
    with kov_context() as directory:
        yield directory


@pytest.fixture(scope="session")
def kov_image(docker: Docker, base_image: str, context: Path) -> Iterator[str]:
    """As the Dockerfile makes it."""
    name = "kov-tests"
    build_kov(docker, name, base_image, context)
    yield name
    docker.remove_image(name)
