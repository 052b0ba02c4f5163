"""The files in compose/, started for real; of varlog.yml what the machine's programs allow."""

from __future__ import annotations

import json
import shutil
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.containers.conftest import cannot_run
from tests.containers.engine import Docker
from tests.containers.images import build_program
from tests.containers.project import composed
from tests.containers.records import consumed, produced
from tests.waiting import wait_for_sync

pytestmark = [pytest.mark.containers, pytest.mark.timeout(600)]  # with the making of images

_VARLOG = {"MR": "varlogmr", "ADM": "varlogadm", "SN": "varlogsn", "CTL": "varlogctl"}


@pytest.mark.parametrize("file", ["kov.yml", "varlog.yml", "monitoring.yml"])
def test_file_is_well_formed(docker: Docker, file: str) -> None:
    with composed(docker, file, {}) as project:
        assert project.compose("config", "--services").split()


async def test_records_outlive_the_containers_of_kov_yml(docker: Docker, kov_image: str) -> None:
    with composed(docker, "kov.yml", {"KOV_IMAGE": kov_image}) as project:
        project.up()
        assert await produced(project.bootstrap_servers, "kept", [b"one", b"two"]) == [0, 1]
        project.down()
        project.up()
        assert await consumed(project.bootstrap_servers, "kept", 2) == [b"one", b"two"]


@pytest.fixture(scope="module")
def prometheus_image(docker: Docker, base_image: str) -> Iterator[str]:
    program = shutil.which("prometheus")
    if program is None:
        cannot_run("needs Debian's package prometheus")
    name = "kov-tests-prometheus"
    build_program(docker, name, base_image, Path(program))
    yield name
    docker.remove_image(name)


async def test_prometheus_of_monitoring_yml_has_seen_kov(
    docker: Docker, kov_image: str, prometheus_image: str
) -> None:
    images = {"KOV_IMAGE": kov_image, "PROMETHEUS_IMAGE": prometheus_image}
    with composed(docker, "monitoring.yml", images) as project:
        project.up("kov", "prometheus")
        await produced(project.bootstrap_servers, "seen", [b"one"])
        wait_for_sync(
            lambda: _asked(project.prometheus, 'up{job="kov"} == 1'), timeout_s=60, what="kov is scraped"
        )
        rules = _get(f"{project.prometheus}/api/v1/rules")
        assert rules["data"]["groups"], "rules.yml is read"


def _asked(prometheus: str, query: str) -> list[Any]:
    try:
        answer = _get(f"{prometheus}/api/v1/query?query={urllib.parse.quote(query)}")
    except OSError:  # it is still starting
        return []
    found: list[Any] = answer["data"]["result"]
    return found


def _get(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


@pytest.fixture
def varlog_images(docker: Docker, base_image: str) -> Iterator[dict[str, str]]:
    """By the variable that names each."""
    missing = [program for program in _VARLOG.values() if shutil.which(program) is None]
    if missing:
        pytest.skip(f"needs the real Varlog programs on PATH; missing: {', '.join(missing)}")
    images = {}
    with ExitStack() as built:
        for short, program in _VARLOG.items():
            name = images[f"VARLOG_{short}_IMAGE"] = f"kov-tests-{program}"
            build_program(docker, name, base_image, Path(str(shutil.which(program))))
            built.callback(docker.remove_image, name)
        yield images


@pytest.mark.real
async def test_records_outlive_the_cluster_of_varlog_yml(
    docker: Docker, kov_image: str, varlog_images: dict[str, str]
) -> None:
    variables = {"KOV_IMAGE": kov_image, "VARLOG_TOPICS": "orders=1", **varlog_images}
    with composed(docker, "varlog.yml", variables) as project:
        project.up()
        assert await produced(project.bootstrap_servers, "orders", [b"one", b"two"]) == [0, 1]
        nodes = json.loads(project.compose("run", "--rm", "varlogctl", "sn", "get", "--admin=adm:9090"))
        assert [node["storageNodeId"] for node in nodes] == [1, 2, 3]
        project.down()
        project.up()
        assert await produced(project.bootstrap_servers, "orders", [b"three"]) == [2]
        assert await consumed(project.bootstrap_servers, "orders", 3) == [b"one", b"two", b"three"]
