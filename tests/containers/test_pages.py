"""What docs/ says of containers, where names and ports are those of this test and nothing else differs."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from tests.containers.engine import Docker
from tests.containers.project import Project
from tests.docs.blocks import ROOT, blocks
from tests.waiting import wait_for_sync

pytestmark = [pytest.mark.containers, pytest.mark.timeout(600)]  # with the making of images

_NO_CLEANER = {"TESTCONTAINERS_RYUK_DISABLED": "true"}  # an image from a registry


def command_of(page: str, begins: str) -> str:
    found = [each.text for block in blocks(ROOT / "docs" / page) for each in block.commands()]
    (command,) = (each for each in found if each.startswith(begins))
    return command


def test_kov_runs_as_the_page_says(docker: Docker, kov_image: str) -> None:
    name = f"kov-{uuid4().hex[:8]}"
    command = command_of("containers.md", "docker run")
    for written, here in (
        ("-p 9092:9092", f"-d --name {name} -p 127.0.0.1::9092"),
        ("-v kov-data:", f"-v {name}:"),
        ("/var/lib/kov kov", f"/var/lib/kov {kov_image}"),
    ):
        assert written in command
        command = command.replace(written, here)
    try:
        docker(*shlex.split(command)[1:])
        wait_for_sync(lambda: "bootstrap.servers=kafka.example:9092" in docker("logs", name), timeout_s=60)
    finally:
        docker("rm", "--force", "-v", name)
        docker("volume", "rm", "--force", name)


def test_compose_builds_the_image_from_a_clone(
    docker: Docker, kov_image: str, base_image: str, context: Path
) -> None:
    command = command_of("containers.md", "docker compose")
    (file,) = re.findall(r"-f (\S+) up --build$", command)
    variables = {"KOV_BASE": base_image, "KOV_WHEELS": "wheels", "KOV_IMAGE": f"{kov_image}-compose"}
    Project(docker, context / file, variables).compose("build")
    docker("rmi", f"{kov_image}-compose")


def test_the_container_of_the_testing_page_starts(docker: Docker, kov_image: str, tmp_path: Path) -> None:
    (program,) = (each.text for each in blocks(ROOT / "docs" / "testing.md") if "KovContainer" in each.text)
    assert '"kov"' in program
    (tmp_path / "program.py").write_text(program.replace('"kov"', f'"{kov_image}"'))
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        env={**os.environ, **docker.environment, **_NO_CLEANER, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"\S+:\d+\n", done.stdout)
