"""Memory that was freed goes back to the system, where the C library can be told to."""

from __future__ import annotations

import ctypes
import resource
from pathlib import Path
from typing import Final

_MUCH_BYTES: Final = 192 * 1024 * 1024  # with the programs themselves, which nothing allocates
_STATM: Final = Path("/proc/self/statm")
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


def give_back() -> bool:
    """Gives back what lies free, if that is much; whether it did. Some 50 ms for a GiB.

    Requests of many sizes leave holes between those that are still held, and glibc keeps them for good.
    """
    if _LIBRARY is None or not _STATM.exists():
        return False
    values = _LIBRARY.mallinfo2().values
    resident = int(_STATM.read_text().split()[1]) * resource.getpagesize()
    if resident - values[_MAPPED] - values[_USED] < _MUCH_BYTES:
        return False
    _LIBRARY.malloc_trim(0)
    return True
