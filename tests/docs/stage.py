"""Where the commands of one page are run, in order: a directory, free ports, and servers that run on."""

from __future__ import annotations

import os
import re
import selectors
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType

from tests.docs.blocks import CLUSTER, ROOT, Block

_READY_S = 30.0
_COMMAND_S = 40.0
_END_S = 20.0
_SERVES = re.compile(r"^(?:\.venv/bin/)?(kov serve|make run|varlog-lite serve)\b")
_LOCAL = re.compile(r"\b(127\.0\.0\.1|localhost):(9\d{3})\b")
_PYTHON = shlex.quote(sys.executable)
_MAKE = f"-s -C {shlex.quote(str(ROOT))} -o .venv/.runtime -o .venv/.demo -o .venv/.dev"


class Failed(AssertionError):
    """A command that didn't do what its page says."""


class Stage:
    """A context manager, which ends every server on leaving. Free ports stand in for those of the pages.

    `cluster`: the addresses of a real one, by those that the pages name. Without it all of them are the one
    where the page's `varlog-lite serve` listens.
    """

    def __init__(self, directory: Path, cluster: Mapping[str, str] | None = None) -> None:
        self._directory = directory
        self._cluster = cluster
        self._log = directory / "servers.log"
        self._ports: dict[str, str] = {}
        self._servers: dict[str, subprocess.Popen[str]] = {}

    def __enter__(self) -> Stage:
        programs = self._directory / ".venv" / "bin"
        programs.mkdir(parents=True)
        here = f"127.0.0.1:{self._port('9092')}"
        scripts = {
            "kov": 'case "$1" in produce|cat|top|bench) c=$1; shift; '
            f'set -- $c --bootstrap {here} "$@";; esac\n'
            f'exec {_PYTHON} -m kov "$@"',
            "varlog-lite": f'exec {_PYTHON} -m varlog_lite "$@"',
            "make": f'exec {shutil.which("make")} {_MAKE} "$@" LISTEN={here} '
            f"DATA={shlex.quote(str(self._directory / 'kov-data'))}",
            "python": f'exec {_PYTHON} "$@"',
        }
        for name, script in scripts.items():
            path = programs / name
            path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
            path.chmod(0o755)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def run(self, command: str, *, may_fail: bool = False) -> list[str]:
        """What it prints. A server's is its first line, and the server goes on running.

        Raises Failed, unless `may_fail`, where it ends with another status than 0.
        """
        text = self._here(command)
        if text == "stop":
            self.stop()
            return []
        if text == "stop kov":
            self._end("kov")
            return []
        if serves := _SERVES.match(text):
            return [self._start(serves[1], text)]
        return self._finish(text, may_fail=may_fail)

    def program(self, source: str) -> list[str]:
        """What a Python program of a page prints."""
        path = self._directory / "program.py"
        path.write_text(self._here(source), encoding="utf-8")
        return self._finish("python program.py")

    def _here(self, text: str) -> str:
        return CLUSTER.sub(
            lambda found: self._cluster[found[0]] if self._cluster else f"127.0.0.1:{self._port('varlog')}",
            _LOCAL.sub(lambda found: f"{found[1]}:{self._port(found[2])}", text),
        )

    def stop(self) -> None:
        for kind in reversed([*self._servers]):
            self._end(kind)

    def _end(self, kind: str) -> None:
        if (server := self._servers.pop(kind, None)) is None:
            return
        server.terminate()
        server.wait(_END_S)
        assert server.stdout is not None
        server.stdout.close()

    def _finish(self, text: str, *, may_fail: bool = False) -> list[str]:
        try:
            ended = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", text],
                cwd=self._directory,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_COMMAND_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"{text}\ndid not end in {_COMMAND_S} s: mark it, or let it end") from None
        if ended.returncode and not may_fail:
            said = ended.stdout + ended.stderr + self._said()
            raise Failed(f"{text}\nended with status {ended.returncode}:\n{said}")
        return ended.stdout.splitlines()

    def _start(self, what: str, text: str) -> str:
        kind = "store" if what.startswith("varlog") else "kov"
        self._end(kind)
        with self._log.open("a", encoding="utf-8") as log:
            server = subprocess.Popen(
                ["bash", "-c", f"exec {text}"],
                cwd=self._directory,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._servers[kind] = server
        line = _first_line(server)
        if not line:
            raise Failed(f"{text}\ndid not get ready:\n{self._said()}")
        return line

    def _environment(self) -> dict[str, str]:
        programs = self._directory / ".venv" / "bin"
        return {
            **os.environ,
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "KOV_LISTEN": f"127.0.0.1:{self._port('9092')}",
            "COLUMNS": "200",
        }

    def _port(self, written: str) -> str:
        if written not in self._ports:
            self._ports[written] = str(_free_port())
        return self._ports[written]

    def _said(self) -> str:
        return self._log.read_text(encoding="utf-8")[-2000:] if self._log.exists() else ""


def play(stage: Stage, block: Block) -> None:
    """Runs what the block shows, and compares. Raises Failed."""
    if block.language == "python":
        printed = stage.program(block.text)
        if not block.varies and printed != list(block.prints):
            raise Failed(f"it prints {printed}, and the page says {list(block.prints)}")
    for command in block.commands():
        may_fail = any(command.text.startswith(each) for each in block.may_fail)
        printed = stage.run(command.text, may_fail=may_fail)
        differs = None if command.expected is None else compare(command.expected, printed)
        if differs and not block.varies:
            raise Failed(f"{command.text}\n{differs}")


def compare(expected: tuple[str, ...], actual: list[str]) -> str | None:
    """What differs, with numbers, widths and the order of lines left out of it; None if nothing does."""
    wanted, got = sorted(_plain(expected)), sorted(_plain(actual))
    if wanted == got:
        return None
    return "the page shows\n  " + "\n  ".join(expected) + "\nand it prints\n  " + "\n  ".join(actual)


def _plain(lines: tuple[str, ...] | list[str]) -> Iterator[str]:
    for line in lines:
        text = re.sub(r"\s+", " ", re.sub(r"-?\d+", "0", line)).strip()
        if text:
            yield text


def _first_line(server: subprocess.Popen[str]) -> str:
    """Empty if it ended, or said nothing for long."""
    assert server.stdout is not None
    deadline = time.monotonic() + _READY_S
    with selectors.DefaultSelector() as selector:
        selector.register(server.stdout, selectors.EVENT_READ)
        if selector.select(deadline - time.monotonic()):
            return server.stdout.readline().strip()
    return ""


def _free_port() -> int:
    """With free ones above it, for workers."""
    while True:
        with socket.socket() as first:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
        if port < 65_000 and all(_is_free(port + at) for at in range(4)):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as sock:
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
