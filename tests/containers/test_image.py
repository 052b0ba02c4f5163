"""The image as compose/Dockerfile makes it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.containers.engine import Docker
from tests.waiting import wait_for_sync

pytestmark = [pytest.mark.containers, pytest.mark.timeout(600)]  # with the making of images

# What the image adds to the one that it stands on: kov, what it needs, and nothing to build with.
_MOST_MIB = 120


@pytest.fixture
def container(docker: Docker, kov_image: str) -> Iterator[str]:
    """Nothing but the image's own command, on a root directory that can't be written to."""
    name = docker("run", "-d", "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", kov_image).strip()
    yield name
    docker("rm", "--force", "-v", name)


def test_container_is_healthy_once_it_serves_and_ends_well(docker: Docker, container: str) -> None:
    def health() -> str:
        (seen,) = json.loads(docker("inspect", container))
        assert seen["State"]["Running"], docker("logs", container)
        return str(seen["State"]["Health"]["Status"])

    wait_for_sync(lambda: health() == "healthy", timeout_s=60)
    assert "kov is ready: " in docker("logs", container)
    assert docker("exec", container, "id", "-u").strip() == "10001"
    docker("stop", "-t", "30", container)
    (ended,) = json.loads(docker("inspect", container))
    assert ended["State"]["ExitCode"] == 0


def test_image_is_small_and_holds_nothing_to_build_with(
    docker: Docker, kov_image: str, base_image: str
) -> None:
    added = _size(docker, kov_image) - _size(docker, base_image)
    assert added < _MOST_MIB * 2**20, f"{added / 2**20:.0f} MiB"
    there = docker("run", "--rm", "--entrypoint=ls", kov_image, "/", "/opt/kov/bin").split()
    assert "kov" in there
    assert "src" not in there
    assert "pip" not in there


def _size(docker: Docker, image: str) -> int:
    (seen,) = json.loads(docker("inspect", image))
    return int(seen["Size"])
