"""The program itself, run as users run it; and a cluster for what is better looked at from inside."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kov.server.conftest import cluster
from tests.kov_process import ROOT, KovProcess

__all__ = ["cluster"]

_PATIENCE_S = 60.0


@dataclass(frozen=True)
class Said:
    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


class Program:
    """`kov` with a directory to work in. Columns are wide, so that no line of an error is folded."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __call__(self, *arguments: object, stdin: str | bytes = "", **environment: str) -> Said:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            self.command(*arguments),
            input=data,
            capture_output=True,
            check=False,
            timeout=_PATIENCE_S,
            cwd=self.directory,
            env=self._environment() | environment,
        )
        return Said(done.returncode, done.stdout.decode(), done.stderr.decode())

    @contextmanager
    def running(self, *arguments: object) -> Iterator[subprocess.Popen[bytes]]:
        """With pipes at both ends; killed if it is still there at the end."""
        with subprocess.Popen(
            self.command(*arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.directory,
            env=self._environment(),
        ) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()

    def on_terminal(self, *arguments: object) -> str:
        """What it writes to a terminal that is 80 columns wide, as it is written."""
        master, slave = pty.openpty()
        with subprocess.Popen(
            self.command(*arguments),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=self.directory,
            env=self._environment() | {"TERM": "xterm", "COLUMNS": "80"},
        ) as process:
            os.close(slave)
            said = b"".join(iter(lambda: _read(master), b""))
            os.close(master)
            assert process.wait(_PATIENCE_S) == 0
        return said.decode()

    @staticmethod
    def command(*arguments: object) -> list[str]:
        return [sys.executable, "-m", "kov", *map(str, arguments)]

    @staticmethod
    def _environment() -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "300"}


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # nobody holds its other end any more
        return b""


def interrupt(process: subprocess.Popen[bytes]) -> Said:
    """Ctrl-C, and what was said until it ended."""
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=_PATIENCE_S)
    return Said(process.returncode, out.decode(), err.decode())


@pytest.fixture
def kov(tmp_path: Path) -> Program:
    return Program(tmp_path)


@pytest.fixture
def produce(kov: Program, shared_kov: KovProcess) -> Callable[..., Said]:
    def run(*arguments: object, stdin: str | bytes) -> Said:
        return kov("produce", "-b", shared_kov.address, *arguments, stdin=stdin)

    return run


@pytest.fixture
def cat(kov: Program, shared_kov: KovProcess) -> Callable[..., Said]:
    def run(*arguments: object) -> Said:
        return kov("cat", "-b", shared_kov.address, *arguments)

    return run
