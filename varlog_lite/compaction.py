"""Gives freed space back to the disk: the data is written anew without its free pages.

LMDB's file never shrinks by itself; what was trimmed is used again for later entries. Offline, for the new
file takes the old one's place: it is written beside it, synced, compared with the old one entry by entry
and renamed over it. So there is one whole file at every moment, the old or the new one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import lmdb

from varlog_lite import layout, ledger
from varlog_lite.directory import DataDirectory, StoreUnusable, sync_directory
from varlog_lite.layout import Damaged
from varlog_lite.store import COMPACTING_FILE, DATA_FILE, Store
from varlog_lite.sweeper import delete_some

_SPARE_BYTES = 1 << 20
_ALL = 1 << 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Compacted:
    """`damaged` names the first damaged entry, "" if there is none; it is kept as it is."""

    file: Path
    bytes_before: int
    bytes_after: int
    entries: int
    damaged: str = ""

    def __str__(self) -> str:
        """One line for people; two where something is damaged."""
        freed = self.bytes_before - self.bytes_after
        text = f"{self.file}: {self.entries} entries, {self.bytes_after} bytes; freed {freed} bytes"
        return f"{text}\nkept as it is, but damaged: {self.damaged}" if self.damaged else text


def compact(directory: Path, into: Path | None = None) -> Compacted:
    """Replaces the data file of `directory`; with `into`, writes the new one there and keeps the old one.

    Blocks. Raises `StoreUnusable` where there is no data, where a server uses it, where the disk lacks
    room for the new file, where `into` holds data already, or where the old file is damaged in more than
    its entries. Then everything is as it was, but that trimmed entries may be deleted.
    """
    if not (directory / DATA_FILE).exists():
        raise StoreUnusable(f"there is no data in {directory.absolute()}")
    store = Store(directory, pages_looked_at=None)
    try:
        if into is None:
            return _write(store, store.path)
        if (into / DATA_FILE).exists():
            raise StoreUnusable(f"there is data in {into.absolute()} already")
        target = DataDirectory(into)
        try:
            compacted = _write(store, target.path)
            target.mark()
        finally:
            target.close()
        return compacted
    finally:
        store.close()


def _write(store: Store, target: Path) -> Compacted:
    new, before = target / COMPACTING_FILE, store.used_bytes()
    try:
        _sweep(store)
        _check_room(store, target)
        with new.open("wb") as file:
            store.env.copyfd(file.fileno(), compact=True)
            os.fsync(file.fileno())
        records, damaged = _compare(store, new)
        after = new.stat().st_size
        new.replace(target / DATA_FILE)
        sync_directory(target)
    except (OSError, lmdb.Error) as error:
        new.unlink(missing_ok=True)
        raise StoreUnusable(f"{store.file} can't be compacted: {error}") from error
    except StoreUnusable:
        new.unlink(missing_ok=True)
        raise
    return Compacted(
        file=target / DATA_FILE, bytes_before=before, bytes_after=after, entries=records, damaged=damaged
    )


def _sweep(store: Store) -> None:
    """Deletes what was trimmed or removed and not deleted yet, as far as the disk lets it."""
    loaded = ledger.load(store, None)
    if loaded.fresh:
        raise StoreUnusable(f"there is no data in {store.path}")
    below = {stream.log_stream_id: stream.first_llsn for stream in loaded.log_streams.values()}
    below.update(dict.fromkeys(loaded.dropped, _ALL))
    try:
        for log_stream_id, llsn in below.items():
            while _delete(store, log_stream_id, llsn):
                pass
        with store.env.begin(store.meta, write=True) as txn:
            for log_stream_id in loaded.dropped:
                txn.delete(ledger.log_stream_key(log_stream_id))
    except (lmdb.DiskError, lmdb.MapFullError):
        return  # the next start of a server goes on with it


def _delete(store: Store, log_stream_id: int, below: int) -> int:
    with store.env.begin(store.entries, write=True) as txn, txn.cursor() as cursor:
        return delete_some(cursor, log_stream_id, below)


def _check_room(store: Store, target: Path) -> None:
    disk = os.statvfs(target)
    need, free = store.used_pages() * store.page_bytes + _SPARE_BYTES, disk.f_bavail * disk.f_frsize
    if free < need:
        raise StoreUnusable(f"compacting needs {need} bytes on the disk of {target}, which has {free} left")


def _compare(store: Store, new: Path) -> tuple[int, str]:
    """Whether the new file holds what the old one holds, to the byte; how many entries those are."""
    with lmdb.open(str(new), subdir=False, readonly=True, lock=False, max_dbs=2) as copy:
        _same(store.env, copy, b"meta")
        return _same(store.env, copy, b"entries")


def _same(old: lmdb.Environment, new: lmdb.Environment, name: bytes) -> tuple[int, str]:
    entries, damaged = 0, ""
    here, there = old.open_db(name, create=False), new.open_db(name, create=False)
    with old.begin(here, buffers=True) as before, new.begin(there, buffers=True) as after:
        if before.stat(here)["entries"] != after.stat(there)["entries"]:
            raise StoreUnusable(f"the new file lacks some of the {name.decode()} of the old one")
        for (key, value), (new_key, new_value) in zip(before.cursor(), after.cursor(), strict=True):
            if key != new_key or value != new_value:
                raise StoreUnusable(f"the new file differs from the old one in its {name.decode()}")
            if name == b"entries":
                count, damage = _check(key, value)
                entries, damaged = entries + count, damaged or damage
    return entries, damaged


def _check(key: memoryview, value: memoryview) -> tuple[int, str]:
    try:
        head = layout.parse_key(key)
        layout.check(key, head, value)
    except Damaged as damage:
        return 0, damage.reason
    return head.entry_count, ""
