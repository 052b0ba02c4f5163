"""The data directory: made if missing, locked for the life of the process that uses it, and marked once
it holds data, so that a data file which is lost or emptied later isn't taken for a new one."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

_LOCK_FILE = "varlog-lite.lock"
_MARKER_FILE = "varlog-lite.format"
_MARKER_TEXT = b"This directory holds data of varlog-lite, format 1, in data.mdb.\n"


class StoreUnusable(Exception):
    """The data can't be used; the text says why, in one line."""


class DataDirectory:
    """Holds an flock on a file in the directory, so that the kernel lets go of it whatever happens to us.

    Making one doesn't wait. Raises `StoreUnusable` where the directory can't be made or written to, or
    where another process holds it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.marker = self.path / _MARKER_FILE
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.path / _LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StoreUnusable(f"data directory {self.path} can't be used: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._lock, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._lock)
            text = f"data directory {self.path} is in use by another process (pid {holder})"
            raise StoreUnusable(text) from error
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)

    def mark(self) -> None:
        """From here on a missing or empty data file is a loss. Call it once data is on disk."""
        if self.marker.exists():
            return
        with self.marker.open("wb") as marker:
            marker.write(_MARKER_TEXT)
            marker.flush()
            os.fsync(marker.fileno())
        self.sync()

    def sync(self) -> None:
        sync_directory(self.path)

    def close(self) -> None:
        os.close(self._lock)


def sync_directory(path: Path) -> None:
    """Makes the directory's own entries survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
