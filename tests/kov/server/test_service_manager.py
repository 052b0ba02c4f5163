"""`kov serve` under a service manager that listens as systemd does, and the unit file for it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.kov_process import ROOT, KovProcess
from tests.lite_varlog import start_lite_varlog
from tests.waiting import wait_for_sync

_UNIT = ROOT / "packaging" / "kov.service"
_HEARD_S = 30.0


class Manager:
    """The socket that NOTIFY_SOCKET names, and everything that came over it."""

    def __init__(self, address: str) -> None:
        self.heard: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._socket.settimeout(_HEARD_S)

    def hear(self, wanted: str) -> str:
        """The next message that begins with `wanted`."""
        while True:
            said = self._socket.recv(4096).decode()
            self.heard.append(said)
            if said.startswith(wanted):
                return said

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["file", pytest.param("abstract", marks=pytest.mark.slow)])
def manager(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Manager]:
    address = str(tmp_path / "notify") if request.param == "file" else f"@kov-{os.getpid()}-{time.time_ns()}"
    manager = Manager(address)
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    yield manager
    manager.close()


def test_manager_hears_when_kov_serves_and_when_it_stops(manager: Manager, tmp_path: Path) -> None:
    with KovProcess(tmp_path) as kov:
        ready = manager.hear("READY=1")
        assert kov.address in ready
        assert manager.heard == [ready], "nothing before it serves"
        assert "NOTIFY_SOCKET" not in kov.store.environ()
        kov.stop()
        assert manager.hear("STOPPING=1").splitlines()[1].startswith("STATUS=")


@pytest.mark.slow
@pytest.mark.parametrize("manager", ["file"], indirect=True)
def test_manager_hears_from_the_first_of_several_workers_only(manager: Manager, tmp_path: Path) -> None:
    with KovProcess(tmp_path, "--workers", "2", "--data", str(tmp_path / "kov-data")) as kov:
        manager.hear("READY=1")
        for child in psutil.Process(kov.process.pid).children():
            assert "NOTIFY_SOCKET" not in child.environ()
        kov.stop()
        manager.hear("STOPPING=1")
    assert len(manager.heard) == 2


@pytest.mark.slow
@pytest.mark.parametrize("manager", ["file"], indirect=True)
def test_watchdog_sees_the_event_loop_turn(
    manager: Manager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "20000")
    with KovProcess(tmp_path) as kov:
        manager.hear("READY=1")
        for _ in range(3):
            manager.hear("WATCHDOG=1")
        kov.process.send_signal(signal.SIGSTOP)
        try:
            with pytest.raises(TimeoutError):
                _drain(manager, silence_s=0.5)
        finally:
            kov.process.send_signal(signal.SIGCONT)
        manager.hear("WATCHDOG=1")


@pytest.mark.slow
@pytest.mark.parametrize("manager", ["file"], indirect=True)
def test_manager_that_reads_nothing_does_not_hold_up_the_event_loop(
    manager: Manager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "10000")
    with KovProcess(tmp_path, "--data", str(tmp_path / "kov-data"), "--log-level", "debug") as kov:
        wait_for_sync(lambda: "the service manager reads nothing" in kov.log.read_text())
        host, port = kov.address.split(":")
        socket.create_connection((host, int(port)), timeout=5).close()
        assert kov.stop() == 0


def _drain(manager: Manager, *, silence_s: float) -> None:
    manager._socket.settimeout(silence_s)
    try:
        for _ in range(1000):
            manager.hear("WATCHDOG=1")
    finally:
        manager._socket.settimeout(_HEARD_S)


@pytest.mark.slow
@pytest.mark.parametrize("manager", ["file"], indirect=True)
async def test_manager_hears_of_a_reload_from_its_begin_to_its_end(manager: Manager, tmp_path: Path) -> None:
    async with start_lite_varlog(tmp_path / "varlog") as cluster:
        file = tmp_path / "mapping.yaml"
        varlog = f"varlog: {{cluster_id: 1, metadata_repositories: ['{cluster.address}']}}"
        file.write_text(f"{varlog}\ntopics: {{orders: {{topic_id: 1, partitions: [1]}}}}\n")
        with KovProcess(tmp_path, str(file)) as kov:
            manager.hear("READY=1")
            kov.process.send_signal(signal.SIGHUP)
            assert "\nMONOTONIC_USEC=" in manager.hear("RELOADING=1")
            assert manager.hear("READY=1") == manager.heard[-1]


@pytest.mark.slow
def test_manager_that_is_gone_does_not_keep_kov_from_serving(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    with KovProcess(tmp_path) as kov:
        assert kov.ready_line.startswith("kov is ready")
    assert "can't be told READY=1" in kov.log.read_text()


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("needs systemd-analyze")
    installed = Path(sys.executable).with_name("kov")
    unit = tmp_path / "kov.service"
    unit.write_text(_UNIT.read_text().replace("=/opt/kov/bin/kov ", f"={installed} "))
    command = [program, "verify", "--man=no", "--recursive-errors=no", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
