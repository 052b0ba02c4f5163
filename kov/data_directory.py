"""The embedded store's directory, held by one kov at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

from kov.errors import CannotStart

_LOCK_FILE: Final = "kov.lock"


class InUse(CannotStart):
    """Another process of ours holds the directory. `store` is where its store is reached, "" if not yet."""

    def __init__(self, path: Path, holder: str, store: str) -> None:
        super().__init__(
            f"the data directory {path} is in use by another kov (process {holder or 'unknown'}); "
            "stop that, or choose another directory with --data"
        )
        self.store = store


class DataDirectory:
    """The kernel lets go of the lock when this process ends, however it ends.

    So whoever holds the lock knows that a store still running in there lost its kov and is about to end.
    The lock file tells who holds it and, once that is known, where the store in there listens.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    def hold(self) -> None:
        """Make the directory if need be and lock it. Raises CannotStart: not writable, or `InUse`."""
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
            said = os.pread(lock, 300, 0).decode("ascii", "replace").splitlines()
            os.close(lock)
            holder, store = [*said, "", ""][:2]
            raise InUse(self.path, holder, store) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        self._lock = lock

    def tell(self, store: str) -> None:
        """Where the store is reached, for those that find the directory in use."""
        if self._lock is not None:
            os.pwrite(self._lock, f"{os.getpid()}\n{store}\n".encode(), 0)

    def release(self) -> None:
        """Idempotent."""
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)
