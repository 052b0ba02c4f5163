"""Whether there is room for more entries, with some kept back for what frees room.

LMDB writes changed pages anew, so trimming needs free pages too: on a disk that is full to the last byte
nothing could be trimmed any more. Appends therefore end a little earlier than the disk does.
"""

from __future__ import annotations

import os

import lmdb

from varlog_lite.store import RESERVE_BYTES, Store

_OWN_BYTES = 128 * 1024
"""For the pages of the trees themselves that a commit of appends writes."""


class Room:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._page_bytes = store.page_bytes

    def shortage(self, txn: lmdb.Transaction, entry_bytes: int) -> str | None:
        """Why this many bytes of entries must not be stored now; None if they may."""
        need = entry_bytes + _OWN_BYTES
        info = self._store.env.info()
        pages = info["last_pgno"] + 1
        map_bytes = info["map_size"] - pages * self._page_bytes
        disk = os.statvfs(self._store.path)
        disk_bytes = disk.f_bavail * disk.f_frsize
        growth = min(map_bytes, disk_bytes)
        if need <= growth - RESERVE_BYTES:
            return None
        # The file never shrinks: pages freed inside it are as good, and the reserve may lie there too.
        inside = (pages - self._store.used_pages(txn)) * self._page_bytes
        if need <= growth + inside - RESERVE_BYTES:
            return None
        if disk_bytes <= map_bytes:
            return f"the disk has {disk_bytes} bytes left, of which {RESERVE_BYTES} are kept back"
        return f"the store has grown to {pages * self._page_bytes} bytes, all that its map allows"
