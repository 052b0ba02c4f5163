"""The kernel's memory of data files, let go of."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def drop(directory: Path) -> None:
    """Lets go of what the kernel keeps of the files below `directory`; blocks until they are written.

    A virtual machine pays dearly for memory that it touches for the first time, so a growing page cache makes
    every later turn slower than the ones before.
    """
    for file in directory.rglob("*"):
        with suppress(FileNotFoundError):  # the store may remove its own
            _drop(file)


def _drop(file: Path) -> None:
    if not file.is_file():
        return
    with file.open("rb") as opened:
        os.fsync(opened.fileno())  # what isn't written yet can't be dropped
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
