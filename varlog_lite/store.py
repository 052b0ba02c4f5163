"""The LMDB environment: one file for entries and metadata, read here, written by `writer` alone.

Two databases: `entries` (layout.py) and `meta` (small JSON values, each with its own checksum). The map
is a large one from the start: LMDB only reserves addresses for it, and the file grows with the data. So
there is no resizing under way; a full map is treated like a full disk. Every method blocks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeAlias, cast

import lmdb
from crc32c import crc32c

from varlog_lite import layout
from varlog_lite.directory import DataDirectory, StoreUnusable
from varlog_lite.layout import Damaged, RecordHead
from varlog_lite.pages import PageDamaged, check_pages

DEFAULT_MAP_BYTES = 1 << 40
RESERVE_BYTES = 16 * 1024 * 1024
"""Room that appends leave alone, on the disk and in the map, for the changes that free room (room.py)."""

_LEAST_MAP_BYTES = 1 << 30
DATA_FILE = "data.mdb"
COMPACTING_FILE = "data.mdb.compacting"
"""What a compaction writes; a crash may leave it behind, and it is worth nothing then."""

_PAGES_LOOKED_AT = 20_000
"""At a start, which must not take long: so many take 40 ms, or a few seconds where nothing is cached."""

Encode: TypeAlias = Callable[[int, int, memoryview], bytes]
"""(GLSN, LLSN, payload) to what is kept of the entry; the payload is valid during the call only."""

MetaValue: TypeAlias = dict[str, int | bool | str | list[int]]


class Chunk(NamedTuple):
    """Some consecutive entries; the next one to read is `next_llsn`."""

    messages: list[bytes]
    next_llsn: int


class Store:
    """Opens, or makes, the data in `directory`. Raises `StoreUnusable`.

    Reading is safe from any thread. A read transaction lives for one call, so that the pages it pins are
    soon free again. Where LMDB meets a page that can't be right, reading raises `Damaged`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        map_bytes: int = DEFAULT_MAP_BYTES,
        pages_looked_at: int | None = _PAGES_LOOKED_AT,
    ) -> None:
        self._directory = DataDirectory(directory)
        self.path = self._directory.path
        self.file = self.path / DATA_FILE
        try:
            (self.path / COMPACTING_FILE).unlink(missing_ok=True)
            self._check_file(pages_looked_at)
            self.env = _open_environment(self.path, map_bytes + RESERVE_BYTES)
            self.entries = self.env.open_db(b"entries")
            self.meta = self.env.open_db(b"meta")
            self._directory.sync()
        except (lmdb.Error, OSError) as error:
            self._directory.close()
            raise StoreUnusable(f"{self.file} can't be opened: {error}") from error
        except StoreUnusable:
            self._directory.close()
            raise

    def _check_file(self, pages_looked_at: int | None) -> None:
        """What LMDB would take for a new file, or would not survive."""
        size = self.file.stat().st_size if self.file.exists() else None
        if not size:
            if self.marked:
                lost = "missing" if size is None else "empty"
                raise StoreUnusable(f"{self.file} is {lost}, but there was data: {self._directory.marker}")
            return
        try:
            check_pages(self.file, most=pages_looked_at)
        except PageDamaged as damage:
            raise StoreUnusable(f"{self.file} is damaged: {damage}") from damage

    @property
    def marked(self) -> bool:
        """Whether the directory is known to have held data."""
        return self._directory.marker.exists()

    def mark(self) -> None:
        self._directory.mark()

    def close(self) -> None:
        """No transaction may be under way."""
        self.env.close()
        self._directory.close()

    @property
    def page_bytes(self) -> int:
        size: int = self.env.stat()["psize"]
        return size

    def used_pages(self, txn: lmdb.Transaction | None = None) -> int:
        """Those that hold something; the others of the file are used again before it grows."""
        if txn is None:
            with self.env.begin() as own:
                return self.used_pages(own)
        trees = (self.env.stat(), txn.stat(self.entries), txn.stat(self.meta))
        return sum(tree["branch_pages"] + tree["leaf_pages"] + tree["overflow_pages"] for tree in trees)

    def used_bytes(self) -> int:
        """The size of the file."""
        return self.file.stat().st_size

    def read_meta(self) -> dict[bytes, MetaValue]:
        """All of the metadata. Raises `StoreUnusable` where a value is damaged."""
        with self.env.begin(self.meta) as txn:
            return {bytes(key): self._decode_meta(bytes(key), bytes(value)) for key, value in txn.cursor()}

    def _decode_meta(self, key: bytes, stored: bytes) -> MetaValue:
        if crc32c(stored[4:]) != int.from_bytes(stored[:4], "big"):
            name = key.decode("ascii", "replace")
            raise StoreUnusable(f"{self.file} is damaged: the metadata of {name} isn't what was written")
        value: MetaValue = json.loads(stored[4:])
        return value

    def last_record(self, log_stream_id: int) -> RecordHead | None:
        with _naming(log_stream_id, 0), self.env.begin(self.entries) as txn, txn.cursor() as cursor:
            if not _last_before(cursor, layout.position(log_stream_id + 1, 0)):
                return None
            head = layout.parse_key(cursor.key())
            return head if head.log_stream_id == log_stream_id else None

    def record_at(self, log_stream_id: int, llsn: int) -> RecordHead | None:
        """The record that holds `llsn`, or else the first one behind it."""
        with _naming(log_stream_id, llsn), self.env.begin(self.entries) as txn, txn.cursor() as cursor:
            return _seek(cursor, log_stream_id, llsn)

    def first_from_glsn(self, log_stream_id: int, first: int, last: int, glsn: int) -> tuple[int, int]:
        """(LLSN, GLSN) of the first entry within [first, last] whose GLSN is at least `glsn`.

        (last + 1, 0) if there is none. GLSNs grow with LLSNs, so this halves the range by keys alone.
        """
        with _naming(log_stream_id, first), self.env.begin(self.entries) as txn, txn.cursor() as cursor:
            low, high = first, last + 1
            while low < high:
                middle = (low + high) // 2
                head = _seek(cursor, log_stream_id, middle)
                if head is None or head.llsn > middle:
                    raise Damaged(f"log stream {log_stream_id}, LLSN {middle}: missing")
                if head.last_glsn < glsn:
                    low = head.last_llsn + 1
                elif head.glsn < glsn:
                    low = high = head.llsn + glsn - head.glsn
                else:
                    high = min(middle, head.llsn)
            low = max(low, first)
            head = _seek(cursor, log_stream_id, low) if low <= last else None
            return (low, head.glsn + low - head.llsn) if head else (last + 1, 0)

    def read(self, log_stream_id: int, begin: int, end: int, max_bytes: int, encode: Encode) -> Chunk:
        """Entries from LLSN `begin` to before `end`, all of them checked, about `max_bytes` at most.

        At least one entry. Raises `Damaged` where the stored bytes are not what was written, or where an
        entry is missing; entries before the damage are returned by an earlier call.
        """
        messages: list[bytes] = []
        llsn, room = begin, max_bytes
        with self.env.begin(self.entries, buffers=True) as txn, txn.cursor() as cursor:
            try:
                for head, body in _records(cursor, log_stream_id, begin):
                    llsn = _encode_record(head, body, llsn, end, encode, messages)
                    room -= len(body)
                    if llsn >= end or room <= 0:
                        break
            except Damaged:
                if not messages:
                    raise
        return Chunk(messages, llsn)


def _records(cursor: lmdb.Cursor, log_stream_id: int, llsn: int) -> Iterator[tuple[RecordHead, memoryview]]:
    """The log stream's records from the one that holds `llsn` on, checked; ends with `Damaged`."""
    with _naming(log_stream_id, llsn):
        found = _seek(cursor, log_stream_id, llsn)
        while found and found.log_stream_id == log_stream_id and found.llsn <= llsn <= found.last_llsn:
            key, body = cursor.key(), cast("memoryview", cursor.value())
            layout.check(key, found, body)
            yield found, body
            llsn = found.last_llsn + 1
            found = layout.parse_key(cursor.key()) if cursor.next() else None
    raise Damaged(f"log stream {log_stream_id}, LLSN {llsn}: missing")


def _encode_record(
    head: RecordHead, body: memoryview, llsn: int, end: int, encode: Encode, messages: list[bytes]
) -> int:
    """Adds the record's entries from `llsn` to before `end`; the LLSN behind the last one."""
    number, shift = head.llsn, head.glsn - head.llsn
    for payload in layout.entries(body):
        if number >= end:
            return number
        if number >= llsn:
            messages.append(encode(number + shift, number, payload))
        number += 1
    return number


def _last_before(cursor: lmdb.Cursor, key: bytes) -> bool:
    """Moves to the last record that sorts before `key`."""
    return cursor.prev() if cursor.set_range(key) else cursor.last()


def _seek(cursor: lmdb.Cursor, log_stream_id: int, llsn: int) -> RecordHead | None:
    """Moves to the record that holds `llsn`, or else to the log stream's first one behind it."""
    if _last_before(cursor, layout.position(log_stream_id, llsn + 1)):
        head = layout.parse_key(cursor.key())
        if head.log_stream_id == log_stream_id and head.last_llsn >= llsn:
            return head
        found = cursor.next()
    else:
        found = cursor.first()
    if not found:
        return None
    head = layout.parse_key(cursor.key())
    return head if head.log_stream_id == log_stream_id else None


def encode_meta(value: MetaValue) -> bytes:
    text = json.dumps(value, separators=(",", ":")).encode()
    return crc32c(text).to_bytes(4, "big") + text


@contextmanager
def _naming(log_stream_id: int, llsn: int) -> Iterator[None]:
    """What LMDB finds out about its pages, as damage to the log stream that was asked for."""
    try:
        yield
    except lmdb.Error as error:
        raise Damaged(f"log stream {log_stream_id}, LLSN {llsn}: {error}") from error


def _open_environment(path: Path, map_bytes: int) -> lmdb.Environment:
    """A limit on address space (`ulimit -v`) must not keep a small store from opening."""
    while True:
        try:
            return lmdb.open(str(path), map_size=map_bytes, max_dbs=2, max_readers=64, mode=0o644)
        except lmdb.MemoryError:
            if map_bytes <= _LEAST_MAP_BYTES:
                raise
            map_bytes //= 4
