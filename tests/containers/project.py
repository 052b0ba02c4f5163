"""One of the files in compose/, running under a name of its own."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

from tests.containers.engine import Docker
from tests.kov_process import ROOT
from tests.waiting import wait_for_sync

_HEALTHY_S = 90.0


def compose_file(name: str) -> Path:
    return ROOT / "compose" / name


class Project:
    """Its kov is reached at `bootstrap_servers`, whatever `images` and other variables it is given."""

    def __init__(self, docker: Docker, file: Path, variables: Mapping[str, str]) -> None:
        port, http, prometheus, grafana = (str(each) for each in _free_ports(4))
        self.bootstrap_servers = f"127.0.0.1:{port}"
        self.http = f"http://127.0.0.1:{http}"
        self.prometheus = f"http://127.0.0.1:{prometheus}"
        self._docker = docker
        self._file = file
        self._name = f"kov-{uuid4().hex[:8]}"
        self._variables = {
            "KOV_PORT": port,
            "KOV_HTTP_PORT": http,
            "KOV_ADVERTISE": self.bootstrap_servers,
            "PROMETHEUS_PORT": prometheus,
            "GRAFANA_PORT": grafana,
            **variables,
        }

    def up(self, *services: str) -> None:
        """Returns when kov is healthy."""
        self.compose("up", "-d", *services)
        self.wait_until_healthy("kov")

    def down(self, *, remove_volumes: bool = False) -> None:
        self.compose("down", "-t", "20", *(["-v"] if remove_volumes else []))

    def compose(self, *arguments: str) -> str:
        return self._docker.compose(self._file, self._name, *arguments, more=self._variables)

    def wait_until_healthy(self, service: str) -> None:
        container = self.compose("ps", "-q", service).strip()
        try:
            wait_for_sync(lambda: _health(self._docker, container) == "healthy", timeout_s=_HEALTHY_S)
        except AssertionError:
            raise AssertionError(f"{service} isn't healthy:\n{self.compose('logs', service)}") from None


@contextmanager
def composed(docker: Docker, file: str, variables: Mapping[str, str]) -> Iterator[Project]:
    """Not started yet; nothing of it is left in the end."""
    project = Project(docker, compose_file(file), variables)
    try:
        yield project
    finally:
        project.down(remove_volumes=True)


def _health(docker: Docker, container: str) -> str:
    (seen,) = json.loads(docker("inspect", container))
    return str(seen["State"]["Health"]["Status"])


def _free_ports(count: int) -> Sequence[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
