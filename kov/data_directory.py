"""The embedded store's directory, held by one kov at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

from kov.errors import CannotStart

_LOCK_FILE: Final = "kov.lock"


class DataDirectory:
    """The kernel lets go of the lock when this process ends, however it ends.

    So whoever holds the lock knows that a store still running in there lost its kov and is about to end.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    def hold(self) -> None:
        """Make the directory if need be and lock it. Raises CannotStart: not writable, or in use."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.path / _LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise CannotStart(
                f"the data directory {self.path} can't be used: {error.strerror}; choose one with --data"
            ) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 32, 0).decode("ascii", "replace").strip()
            os.close(lock)
            raise CannotStart(
                f"the data directory {self.path} is in use by another kov (process {holder or 'unknown'}); "
                "stop that, or choose another directory with --data"
            ) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        self._lock = lock

    def release(self) -> None:
        """Idempotent."""
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)
