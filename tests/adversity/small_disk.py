"""A disk of its own under a directory, which can be filled to the last byte. Takes the right to mount one."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

_OPTIONS = ("-t", "tmpfs", "-o", "size=1g", "tmpfs")
_BALLAST = "ballast"
_CHUNK = bytes(64 * 1024)


class SmallDisk:
    """Mounted under `path` from the beginning until `close`, which keeps what it holds."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.mkdir(parents=True)
        _mount(path)

    def fill(self) -> None:
        """Returns when not even a byte is left."""
        with (self._path / _BALLAST).open("wb", buffering=0) as ballast:
            free = os.statvfs(self._path)
            os.posix_fallocate(ballast.fileno(), 0, max(free.f_bavail * free.f_frsize - len(_CHUNK), 1))
            ballast.seek(0, os.SEEK_END)
            try:
                while ballast.write(_CHUNK):
                    pass
            except OSError:
                return

    def free(self) -> None:
        (self._path / _BALLAST).unlink(missing_ok=True)

    def close(self) -> None:
        """When nobody uses it any more. Idempotent."""
        if not self._path.is_mount():
            return
        self.free()
        kept = self._path.with_name(f"{self._path.name}-kept")
        shutil.copytree(self._path, kept)
        _unmount(self._path)
        self._path.rmdir()
        kept.rename(self._path)


@cache
def can_mount() -> bool:
    """Whether this process may."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    with tempfile.TemporaryDirectory() as directory:
        try:
            _mount(Path(directory))
        except subprocess.CalledProcessError:
            return False
        _unmount(Path(directory))
    return True


def _mount(path: Path) -> None:
    subprocess.run(["mount", *_OPTIONS, str(path)], check=True, capture_output=True)


def _unmount(path: Path) -> None:
    subprocess.run(["umount", "-l", str(path)], check=True, capture_output=True)
