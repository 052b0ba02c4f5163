"""Builds the driver programs, each once: kept in a cache directory under a hash of their sources."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

DRIVERS = Path(__file__).with_name("drivers")
BUILD_S = 900.0


class MissingPrograms(Exception):
    """Some of a toolchain is not on PATH."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """Turns the sources in `drivers/<name>` into something that can be run.

    `make` works in a directory of its own that holds a copy of the sources, and stays.
    """

    name: str
    programs: Sequence[str]
    make: Callable[[Path], None]
    slow: bool = False
    """Takes minutes."""

    def directory(self) -> Path:
        """Where the built program lies; builds it if need be. Raises MissingPrograms."""
        missing = [program for program in self.programs if shutil.which(program) is None]
        if missing:
            raise MissingPrograms(f"not on PATH: {', '.join(missing)}")
        sources = DRIVERS / self.name
        built = cache_directory() / f"{self.name}-{_hash(sources)}"
        with _locked(built.with_suffix(".lock")):
            if not (built / ".built").exists():
                shutil.rmtree(built, ignore_errors=True)
                shutil.copytree(sources, built)
                self.make(built)
                (built / ".built").touch()
        return built


def cache_directory() -> Path:
    """Outside of the checkout, so that a fresh clone doesn't build everything again."""
    given = os.environ.get("KOV_INTEROP_CACHE")
    base = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    directory = Path(given) if given else base / "kov-interop"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _hash(sources: Path) -> str:
    digest = hashlib.sha256(sys.version.encode())
    for file in sorted(each for each in sources.rglob("*") if each.is_file()):
        if "__pycache__" not in file.parts:
            digest.update(f"{file.relative_to(sources)}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:12]


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(directory: Path, *command: str, **environment: str) -> None:
    done = subprocess.run(
        command,
        cwd=directory,
        env={**os.environ, **environment},
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=BUILD_S,
    )
    assert done.returncode == 0, f"{' '.join(command)} failed:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"


def _make_go(directory: Path) -> None:
    (directory / "bin").mkdir()
    _run(directory, "go", "build", "-o", "bin/", "./...")


def _make_rust(directory: Path) -> None:
    # Shared, so that a changed driver doesn't compile all libraries again.
    target = cache_directory() / "cargo-target"
    _run(directory, "cargo", "build", "--quiet", CARGO_TARGET_DIR=str(target))
    shutil.copy(target / "debug" / "driver", directory)


def _make_java(directory: Path) -> None:
    for version in JAVA_VERSIONS:
        versions = (f"-Dkafka.version={version}", f"-Dout={directory}/{version}")
        _run(directory, "mvn", "--batch-mode", "--quiet", *versions, "process-classes")


def _make_tools(directory: Path) -> None:
    _run(directory, "mvn", "--batch-mode", "--quiet", "process-classes")


def _make_javascript(directory: Path) -> None:
    _run(directory, "npm", "install", "--ignore-scripts", "--no-package-lock", "--no-fund", "--no-audit")


def _make_confluent_javascript(directory: Path) -> None:
    """Built from source against this machine's libraries: its own script would fetch zlib and the like from
    their sites, and node-gyp the headers of Node.js, which are there already."""
    _make_javascript(directory)
    environment = {"CKJS_LINKING": "dynamic", "JOBS": "1"}
    node = shutil.which("node")
    assert node is not None
    home = Path(node).resolve().parent.parent
    if (home / "include" / "node" / "node.h").exists():
        environment["npm_config_nodedir"] = str(home)
    _run(directory, "npm", "rebuild", "--build-from-source", "@confluentinc/kafka-javascript", **environment)


def _make_old_python(directory: Path) -> None:
    _run(directory, sys.executable, "-m", "venv", "venv")
    pip = (str(directory / "venv/bin/python"), "-m", "pip", "install", "--quiet")
    _run(directory, *pip, "--disable-pip-version-check", "-r", "requirements.txt")


JAVA_VERSIONS = ("4.4.0", "2.8.2")

GO = Build(name="go", programs=("go",), make=_make_go)
RUST = Build(name="rust", programs=("cargo",), make=_make_rust, slow=True)
JAVA = Build(name="java", programs=("java", "mvn"), make=_make_java)
TOOLS = Build(name="kafka-tools", programs=("java", "mvn"), make=_make_tools)
JAVASCRIPT = Build(name="javascript-libraries", programs=("node", "npm"), make=_make_javascript)
CONFLUENT_JAVASCRIPT = Build(
    name="javascript-confluent",
    programs=("node", "npm", "make", "g++"),
    make=_make_confluent_javascript,
    slow=True,
)
OLD_PYTHON = Build(name="python-old", programs=(), make=_make_old_python)
