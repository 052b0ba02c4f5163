"""A real `kov serve` as a child process, as users run it."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import psutil

ROOT = Path(__file__).resolve().parent.parent
READY_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 30.0


class KovProcess:
    """Serves on a free port of 127.0.0.1, which a restart keeps; a context manager.

    Without `arguments` it runs the embedded store in `directory/kov-data`. What it says on stderr is in
    `log`, over all its runs.
    """

    COMMAND: tuple[str, ...] = (sys.executable, "-m", "kov")

    def __init__(self, directory: Path, *arguments: str, cwd: Path | None = None) -> None:
        self.data = directory / "kov-data"
        self.log = directory / "kov.log"
        self.address = ""
        self.ready_line = ""
        self.new_process_group = False
        self._arguments: Sequence[str] = arguments or ("--data", str(self.data))
        self._cwd = cwd or ROOT
        self._process: subprocess.Popen[str] | None = None

    @property
    def process(self) -> subprocess.Popen[str]:
        assert self._process is not None, "kov was not started"
        return self._process

    @property
    def store(self) -> psutil.Process:
        """The embedded store's process."""
        (child,) = psutil.Process(self.process.pid).children()
        return child

    def start(self) -> KovProcess:
        """Returns when it says that it is ready."""
        self._process = self.launch()
        self.ready_line = self._first_line()
        if not self.ready_line:
            raise AssertionError(f"kov did not get ready:\n{self.log.read_text()}")
        self.address = self.ready_line.partition("bootstrap.servers=")[2].split()[0].rstrip(";")
        return self

    def launch(self) -> subprocess.Popen[str]:
        """Starts it without waiting for anything; the caller owns the process."""
        command = [*self.COMMAND, "serve", "--listen", self.address or "127.0.0.1:0"]
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("a") as log:
            return subprocess.Popen(
                [*command, *self._arguments],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=self._cwd,
                env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONFAULTHANDLER": "1"},
                process_group=0 if self.new_process_group else None,
            )

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Asks it to end and waits; its exit status."""
        self.process.send_signal(how)
        return self.wait()

    def wait(self) -> int:
        """Waits until it has ended; its exit status."""
        try:
            return self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"kov did not end in {STOP_TIMEOUT_S} s:\n{self.log.read_text()}") from None
        finally:
            if self.process.stdout is not None:
                self.process.stdout.close()

    def kill(self) -> None:
        """kill -9: the embedded store ends by itself soon after."""
        self.process.kill()
        self.wait()

    def restart(self) -> KovProcess:
        """Ends it, gently if it still runs, and starts it again on the same address and data."""
        self.close()
        return self.start()

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.stop()

    def __enter__(self) -> KovProcess:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _first_line(self) -> str:
        """Empty if it ended without one."""
        stdout = self.process.stdout
        assert stdout is not None
        deadline = time.monotonic() + READY_TIMEOUT_S
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            if selector.select(deadline - time.monotonic()):
                line = stdout.readline()
                if line:
                    return line.strip()
        # Where it hangs is then in its log.
        self.process.send_signal(signal.SIGABRT)
        self.wait()
        return ""
