"""Memory that was freed is used again, and goes back to the system when it has become much.

Left alone, glibc returns the pages of each batch at once and takes new ones for the next, and every page
costs a fault and is filled with zeros first. For requests of 0.9 MB that was a third to a half of kov's CPU.
"""

from __future__ import annotations

import ctypes
import resource
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_MUCH_BYTES: Final = 128 * 1024 * 1024
_STATM: Final = Path("/proc/self/statm")
_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # mallopt's names for them
_LARGEST_KEPT_BYTES: Final = 32 * 1024 * 1024  # the most that glibc takes
_MAPPED, _USED = 4, 7  # the places of `hblkhd` and `uordblks` in glibc's `struct mallinfo2`


class _Info(ctypes.Structure):
    _fields_ = (("values", ctypes.c_size_t * 10),)


def _library() -> ctypes.CDLL | None:
    """None where it isn't glibc, or an old one."""
    library = ctypes.CDLL(None)
    if not (hasattr(library, "mallinfo2") and hasattr(library, "malloc_trim")):
        return None
    library.mallinfo2.restype = _Info
    return library


_LIBRARY: Final = _library()


def keep_freed() -> None:
    """From now on what is freed stays with this process, up to 128 MiB at the end of its memory.

    `FreedMemory` gives back what lies between. Nothing where the C library isn't glibc.
    """
    if _LIBRARY is not None:
        _LIBRARY.mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT_BYTES)
        _LIBRARY.mallopt(_TRIM_THRESHOLD, _MUCH_BYTES)


class FreedMemory:
    """Of this process. Requests of many sizes leave holes between those that are held, which glibc keeps."""

    def __init__(self) -> None:
        self._rest = 0  # what is resident and not malloc's, or can't be given back: it isn't looked for again

    def give_back(self) -> bool:
        """Gives back what lies free, if that has become much; whether it did. Some 50 ms for a GiB."""
        if _LIBRARY is None or not _STATM.exists():
            return False
        free = _free_bytes(_LIBRARY)
        if free - self._rest < _MUCH_BYTES:
            self._rest = min(self._rest, free)
            return False
        _LIBRARY.malloc_trim(0)
        self._rest = _free_bytes(_LIBRARY)
        return True


def _free_bytes(library: ctypes.CDLL) -> int:
    """What is resident and not in use as far as malloc knows: with the program's own pages, and Python's."""
    values: Sequence[int] = library.mallinfo2().values
    resident = int(_STATM.read_text().split()[1]) * resource.getpagesize()
    return max(0, resident - values[_MAPPED] - values[_USED])
