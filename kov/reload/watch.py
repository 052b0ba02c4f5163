"""Noticing that a file has changed, but not before whoever changes it is done."""

from __future__ import annotations

import hashlib
from pathlib import Path

_Stamp = tuple[int, int, int]


class FileWatch:
    """Polled from outside; every call reads the disk and blocks. `digest` is of what is in force."""

    def __init__(self, path: Path, digest: bytes) -> None:
        self._path = path
        self._digest = digest
        self._known: _Stamp | None = None
        self._settling: tuple[_Stamp, bytes] | None = None

    def poll(self) -> bytes | None:
        """New content, once it has stayed the same from one call to the next. It is given once.

        A file that is missing or can't be read, as in the middle of a save, is nothing new.
        """
        stamp = self._stamp()
        if stamp is None or stamp == self._known:
            self._settling = None
            return None
        content = self._content()
        if content is None:
            return None
        digest = hashlib.sha256(content).digest()
        if digest != self._digest and self._settling != (stamp, digest):
            self._settling = stamp, digest
            return None
        self._known, self._settling = stamp, None
        if digest == self._digest:
            return None
        self._digest = digest
        return content

    def take(self) -> bytes:
        """The content as it is, new or not. Raises OSError."""
        content = self._path.read_bytes()
        self._digest, self._settling = hashlib.sha256(content).digest(), None
        return content

    @property
    def missing(self) -> bool:
        return self._stamp() is None

    def _stamp(self) -> _Stamp | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _content(self) -> bytes | None:
        try:
            return self._path.read_bytes()
        except OSError:
            return None
