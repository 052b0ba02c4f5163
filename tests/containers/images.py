"""The images that the tests run. There may be no registry: the base is made of Debian's packages.

What takes long is kept in a cache directory: that base, and the wheels of what kov needs.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shlex
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.containers.engine import Docker, NoEngine
from tests.docs.blocks import blocks
from tests.kov_process import ROOT
from tests.packaging.sources import copy_sources, pip, run

_SUITE, _PYTHON = "bookworm", "3.11"
_BASE_VERSION = "1"
_IN_CONTEXT = ("compose", ".dockerignore")
_PAGE = ROOT / "docs" / "containers.md"


def import_base(docker: Docker, name: str) -> None:
    """Debian with Python, as `name`. Raises NoEngine where the program to make it with is missing."""
    docker("import", "-", name, stdin=_kept(f"base-{_SUITE}-{_BASE_VERSION}.tar", _make_base))


@contextmanager
def kov_context() -> Iterator[Path]:
    """A copy of the project, with the wheels of kov and of what it needs in `wheels`."""
    with tempfile.TemporaryDirectory(prefix="kov-context-") as directory:
        context = copy_sources(Path(directory), *_IN_CONTEXT)
        shutil.copytree(_kept(f"wheels-{_hash_of_needs()}", _download_wheels), context / "wheels")
        sources = copy_sources(context / "sources")
        pip(sys.executable, "wheel", "--no-deps", "-w", context / "wheels", sources)
        shutil.rmtree(sources)
        yield context


def build_kov(docker: Docker, name: str, base: str, context: Path) -> None:
    """On `base`, without a package index, by the command that docs/containers.md has for that."""
    commands = [each.text for block in blocks(_PAGE) for each in block.commands()]
    (command,) = (each for each in commands if each.startswith("docker build") and "WHEELS=wheels" in each)
    for written, here in (("BASE=registry.example/python:3.11", f"BASE={base}"), ("-t kov ", f"-t {name} ")):
        assert written in command
        command = command.replace(written, here)
    docker(*shlex.split(command)[1:], cwd=context)


def build_program(docker: Docker, name: str, base: str, program: Path) -> None:
    """An image of one of this machine's programs."""
    with tempfile.TemporaryDirectory(prefix="kov-context-") as directory:
        shutil.copy(program, directory)
        steps = (f"FROM {base}", f"COPY {program.name} /usr/local/bin/", f'ENTRYPOINT ["{program.name}"]')
        Path(directory, "Dockerfile").write_text("\n".join(steps))
        docker("build", "-q", "-t", name, directory)


def _make_base(target: Path) -> None:
    if shutil.which("debootstrap") is None or os.geteuid() != 0:
        raise NoEngine("the base image is made by root with debootstrap")
    with tempfile.TemporaryDirectory(prefix="kov-base-") as directory:
        root = Path(directory) / "root"
        run("debootstrap", "--variant=minbase", "--include=python3,python3-venv", _SUITE, root)
        for needless in ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale"):
            shutil.rmtree(root / needless)
        run("tar", "-C", root, "--one-file-system", "-cf", target, ".")


def _download_wheels(target: Path) -> None:
    target.mkdir()
    needs = target / "needs.txt"
    needs.write_text("\n".join(_needs()))
    chosen = ("--only-binary", ":all:", "--python-version", _PYTHON)
    pip(sys.executable, "download", "-d", target, *chosen, "-c", ROOT / "constraints.txt", "-r", needs)


def _needs() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [str(each) for each in project["dependencies"]]


def _hash_of_needs() -> str:
    constraints = (ROOT / "constraints.txt").read_text()
    return hashlib.sha256("\n".join([constraints, _PYTHON, *_needs()]).encode()).hexdigest()[:12]


def _kept(name: str, make: Callable[[Path], None]) -> Path:
    """The file or directory that `make` made, now or once."""
    given = os.environ.get("KOV_CONTAINERS_CACHE")
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    kept = (Path(given) if given else cache / "kov-containers") / name
    kept.parent.mkdir(parents=True, exist_ok=True)
    with _locked(kept.with_name(f"{name}.lock")):
        if not kept.exists():
            with tempfile.TemporaryDirectory(dir=kept.parent) as directory:
                made = Path(directory) / name
                make(made)
                made.rename(kept)
    return kept


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
