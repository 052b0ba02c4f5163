"""A Docker engine: the one that runs here, or one that is started for the tests and ended with them."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.waiting import wait_for_sync

_START_S = 60.0
_COMMAND_S = 240.0
_ROOM_BYTES = 8 << 30


class NoEngine(Exception):
    """There is none and none can be started; the text says what is missing."""


class Docker:
    """The `docker` program, for the engine at `host`; None is the one that it finds by itself."""

    def __init__(self, host: str | None = None) -> None:
        self.environment = {"DOCKER_HOST": host} if host else {}

    def __call__(self, *arguments: str | Path, stdin: Path | None = None, cwd: Path | None = None) -> str:
        """What it prints. AssertionError, with what it said, where it fails."""
        return self._run(("docker", *map(str, arguments)), {}, stdin=stdin, cwd=cwd)

    def remove_image(self, name: str) -> None:
        """An engine that ends with the tests takes its images with it."""
        if not self.environment:
            self("rmi", "--force", name)

    def compose(self, file: Path, project: str, *arguments: str, more: Mapping[str, str]) -> str:
        command = (*_compose(), "-p", project, "-f", str(file), *arguments)
        return self._run(command, more)

    def answers(self) -> bool:
        command = ("docker", "version", "--format", "{{.Server.Version}}")
        done = subprocess.run(
            command, env=self._environment({}), check=False, capture_output=True, timeout=30
        )
        return done.returncode == 0

    def _run(
        self,
        command: Sequence[str],
        more: Mapping[str, str],
        *,
        stdin: Path | None = None,
        cwd: Path | None = None,
    ) -> str:
        with (stdin or Path(os.devnull)).open("rb") as given:
            done = subprocess.run(
                command,
                cwd=cwd,
                env=self._environment(more),
                stdin=given,
                check=False,
                capture_output=True,
                timeout=_COMMAND_S,
            )
        said = (done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
        assert done.returncode == 0, f"{' '.join(command)} failed:\n{said[0][-4000:]}\n{said[1][-4000:]}"
        return said[0]

    def _environment(self, more: Mapping[str, str]) -> dict[str, str]:
        return {**os.environ, **self.environment, **more}


def _compose() -> tuple[str, ...]:
    """Compose is a plug-in of newer `docker` programs, and was a program before."""
    asked = subprocess.run(("docker", "compose", "version"), check=False, capture_output=True, timeout=30)
    if asked.returncode == 0:
        return "docker", "compose"
    if shutil.which("docker-compose") is None:
        raise NoEngine("neither `docker compose` nor docker-compose is here")
    return ("docker-compose",)


@contextmanager
def docker_engine() -> Iterator[Docker]:
    """Raises NoEngine. Of an engine that was started here nothing is left in the end."""
    if shutil.which("docker") is None:
        raise NoEngine("docker is not on PATH")
    _compose()
    running = Docker()
    if running.answers():
        yield running
        return
    missing = [program for program in ("dockerd", "containerd", "runc") if shutil.which(program) is None]
    if missing or os.geteuid() != 0:
        raise NoEngine(
            f"no Docker engine runs here, and to start one it takes {', '.join([*missing, 'root'])}"
        )
    # The paths of its sockets have to be short.
    with (
        tempfile.TemporaryDirectory(prefix="kov-docker-", dir=_quick_place()) as directory,
        _started(Path(directory)) as docker,
    ):
        yield docker


def _quick_place() -> Path | None:
    """Memory, where there is plenty: images are many small files, and none of them is kept."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or os.statvfs(memory).f_flag & os.ST_NOEXEC:
        return None
    room = min(shutil.disk_usage(memory).free, psutil.virtual_memory().available)
    return memory if room > _ROOM_BYTES else None


@contextmanager
def _started(directory: Path) -> Iterator[Docker]:
    host = f"unix://{directory}/docker.sock"
    places = {"data-root": "data", "exec-root": "exec", "pidfile": "docker.pid"}
    options = [f"--{name}={directory / place}" for name, place in places.items()]
    log = directory / "docker.log"
    with log.open("wb") as said:
        engine = subprocess.Popen(("dockerd", "--host", host, *options), stdout=said, stderr=said)
    docker = Docker(host)
    try:
        wait_for_sync(
            lambda: docker.answers() or engine.poll() is not None, timeout_s=_START_S, what="dockerd answers"
        )
        if engine.poll() is not None:
            raise NoEngine(f"dockerd ended: {log.read_text(errors='replace')[-2000:]}")
        yield docker
    finally:
        engine.terminate()  # containers that still run are ended with it
        engine.wait(_START_S)
