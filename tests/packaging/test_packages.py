"""The wheel and the source distribution: what is in them, and that kov runs from the wheel alone."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.containers.records import consumed, produced
from tests.docs.blocks import blocks
from tests.kov_process import ROOT
from tests.packaging.sources import copy_sources, pip, run, shell, shipped_files

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]  # everything is downloaded and installed once

_VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
_TYPED = """
from kov.testing import Broker, run_broker
from varlog_client import Log, LogStreamAppender
with run_broker() as broker:
    reveal_type(broker.bootstrap_servers)
reveal_type(Log.open)
"""


@dataclass(frozen=True)
class Built:
    """`sources` is where it was built, `dist` has the wheel and the source distribution."""

    sources: Path
    dist: Path
    python: Path
    """With what the source distribution is built with."""


def _said_by_the_quick_start() -> tuple[str, str]:
    """How it tells to make the wheel, and to install it."""
    (block,) = (each for each in blocks(ROOT / "docs" / "index.md") if "pip wheel" in each.text)
    make, install = (each.text for each in block.commands())
    return make, install


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    directory = tmp_path_factory.mktemp("build")
    python = _environment(directory / "tools")
    pip(python, "install", "setuptools>=77")
    sources = copy_sources(directory / "sources")
    shell(_said_by_the_quick_start()[0], sources, python.parent)
    dist = sources / "dist"
    run(python, "-c", f"import setuptools.build_meta as b; b.build_sdist({str(dist)!r})", cwd=sources)
    return Built(sources, dist, python)


@pytest.fixture(scope="session")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment's directory of programs, with the wheel in it and what that asks for."""
    programs = _environment(tmp_path_factory.mktemp("clean") / "venv").parent
    shell(_said_by_the_quick_start()[1], built.sources, programs)
    return programs


def _environment(directory: Path) -> Path:
    venv.create(directory, with_pip=True, symlinks=True)
    return directory / "bin" / "python"


def test_wheel_has_every_file_of_the_packages(built: Built) -> None:
    (wheel,) = built.dist.glob("*.whl")
    assert wheel.name == f"kov-{_VERSION}-py3-none-any.whl"
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert inside == shipped_files()
    assert {f"{package}/py.typed" for package in ("kov", "varlog_client", "varlog_lite")} <= inside


def test_source_distribution_makes_the_same_wheel(built: Built, tmp_path: Path) -> None:
    (archive,) = built.dist.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(tmp_path, filter="data")
    (sources,) = tmp_path.iterdir()
    assert shipped_files(sources) == shipped_files()
    build = f"import setuptools.build_meta as b; b.build_wheel({str(tmp_path)!r})"
    run(built.python, "-c", build, cwd=sources)
    (again,), (first,) = tmp_path.glob("*.whl"), built.dist.glob("*.whl")
    assert _checksums(again) == _checksums(first)


def _checksums(wheel: Path) -> dict[str, int]:
    return {each.filename: each.CRC for each in zipfile.ZipFile(wheel).infolist()}


def test_version_is_told_from_one_place(installed: Path) -> None:
    assert run(installed / "kov", "--version").strip() == f"kov {_VERSION}"
    assert run(installed / "kov", "version").strip() == f"kov {_VERSION}"


async def test_kov_serves_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    command = (installed / "kov", "serve", "--listen", "127.0.0.1:0")
    log = tmp_path / "kov.log"
    with log.open("wb") as said:
        kov = subprocess.Popen(  # noqa: ASYNC220
            command, cwd=tmp_path, env=_bare_environment(), stdout=subprocess.PIPE, stderr=said, text=True
        )
    try:
        assert kov.stdout is not None
        ready = await asyncio.to_thread(kov.stdout.readline)
        assert ready.startswith("kov is ready: "), log.read_text()
        assert (tmp_path / "kov-data").is_dir()
        address = ready.partition("bootstrap.servers=")[2].split()[0]
        assert await produced(address, "orders", [b"one", b"two"]) == [0, 1]
        assert await consumed(address, "orders", 2) == [b"one", b"two"]
        shell(f"echo three | kov produce letters -b {address}", tmp_path, installed)
        assert shell(f"kov cat letters -b {address}", tmp_path, installed) == "three\n"
    finally:
        kov.terminate()
        kov.communicate(timeout=60)
    assert kov.returncode == 0, log.read_text()


def _bare_environment() -> dict[str, str]:
    """Nothing in it leads back to this checkout."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def test_types_of_the_installed_packages_are_seen(installed: Path, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(_TYPED)
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache")]
    command += ["--python-executable", str(installed / "python"), str(program)]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=_bare_environment(),
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'Revealed type is "str"' in done.stdout.replace("builtins.", "")
    assert "varlog_client.log.Log]" in done.stdout
