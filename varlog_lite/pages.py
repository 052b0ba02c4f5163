"""Whether the trees of an LMDB file hang together, seen from outside LMDB.

LMDB trusts its pages: a damaged one can end the process, by an assertion or a signal. So the pages are
looked at before LMDB is. What a page says of itself and of the pages below it is checked, not the entries:
those have checksums of their own. The form of the pages is that of LMDB 0.9 on 64-bit machines.
"""

from __future__ import annotations

import mmap
import sys
from collections import deque
from pathlib import Path
from struct import Struct
from struct import error as StructError  # noqa: N812 (an exception, though it is spelt like a variable)
from typing import NamedTuple

_HEADER = Struct("=QHHHH")  # number, padding, flags, lower, upper
_TREE = Struct("=IHHQQQQQ")  # padding, flags, depth, branch, leaf and overflow pages, entries, root
_META = Struct("=IIQQ")  # magic, version, address, map size; then two trees, last page, transaction
_META_TAIL = Struct("=QQ")
_NODE = Struct("=HHHH")  # data size or page below (low, high), flags, key size
_NUMBER = Struct("=Q")
_OVERFLOW_PAGES = Struct("=I")

_MAGIC = 0xBEEFC0DE
_BRANCH, _LEAF, _OVERFLOW = 1, 2, 4
_BIG, _SUBTREE = 1, 2
_NO_PAGE = 2**64 - 1


class PageDamaged(Exception):
    """The text names the page."""


class _Task(NamedTuple):
    """A page to look at. `levels` counts those from it down to the leaves; 0: it holds a large entry."""

    page: int
    levels: int
    main: bool = False


def check_pages(path: Path, *, most: int | None = None) -> None:
    """Looks at the pages of `path` from the roots down, at most at `most` of them. Raises `PageDamaged`.

    A file that is no LMDB file at all passes: LMDB refuses that itself. Blocks; reads the file.
    """
    size = path.stat().st_size
    if not size:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as pages:
        try:
            walk = _Walk.of(pages)
            if walk is not None:
                walk.run(most if most is not None else sys.maxsize)
        except StructError as error:
            raise PageDamaged("it holds references behind its end") from error


class _Walk:
    def __init__(self, pages: mmap.mmap, page_bytes: int, last_page: int, trees: list[bytes]) -> None:
        self._pages = pages
        self._page_bytes = page_bytes
        self._last_page = last_page
        self._whole_pages = len(pages) // page_bytes
        self._free_tree = trees[0]
        self._tasks: deque[_Task] = deque()
        for tree, main in zip(trees, (False, True), strict=True):
            self._add_tree(tree, main=main)

    @classmethod
    def of(cls, pages: mmap.mmap) -> _Walk | None:
        """From the newer of the two meta pages; None where that isn't to be had."""
        newest: tuple[int, int, list[bytes]] | None = None
        page_bytes = _page_bytes(pages, 0)
        if page_bytes is None or _page_bytes(pages, page_bytes) != page_bytes:
            return None
        for offset in (0, page_bytes):
            at = offset + _HEADER.size + _META.size
            trees = [pages[at + n * _TREE.size : at + (n + 1) * _TREE.size] for n in range(2)]
            last_page, transaction = _META_TAIL.unpack_from(pages, at + 2 * _TREE.size)
            if newest is None or transaction > newest[0]:
                newest = (transaction, last_page, trees)
        assert newest is not None
        return cls(pages, page_bytes, newest[1], newest[2])

    def run(self, most: int) -> None:
        """Breadth first: what many pages hang on is looked at before they are."""
        self._look_behind_the_end()
        while self._tasks and most > 0:
            most -= 1
            self._look(self._tasks.popleft())

    def _look_behind_the_end(self) -> None:
        """A page that was freed before it was ever written may be missing there; no other."""
        missing = range(self._whole_pages, self._last_page + 1)
        try:
            whole = not missing or self._free_pages().issuperset(missing)
        except (PageDamaged, TypeError):  # the list lies behind the end itself
            whole = False
        if not whole:
            size, wanted = len(self._pages), (self._last_page + 1) * self._page_bytes
            raise PageDamaged(f"it is cut short: {size} bytes instead of {wanted}")

    def _free_pages(self) -> set[int]:
        """As the tree of free pages lists them: a count, then the numbers."""
        found: set[int] = set()
        _, _, depth, *_, root = _TREE.unpack(self._free_tree)
        tasks = [] if root == _NO_PAGE else [_Task(root, depth)]
        while tasks:
            task = tasks.pop()
            start = task.page * self._page_bytes
            for place in self._places(task):
                low, high, flags, key_bytes = _NODE.unpack_from(self._pages, start + place)
                if task.levels > 1:
                    tasks.append(_Task(low | high << 16 | flags << 32, task.levels - 1))
                    continue
                data = start + place + _NODE.size + key_bytes
                if flags & _BIG:
                    data = _NUMBER.unpack_from(self._pages, data)[0] * self._page_bytes + _HEADER.size
                numbers = self._pages[data + _NUMBER.size : data + (low | high << 16)]
                found.update(memoryview(numbers).cast("Q"))
        return found

    def _add_tree(self, stored: bytes, *, main: bool = False) -> None:
        _, _, depth, *_, root = _TREE.unpack(stored)
        if root != _NO_PAGE:
            self._tasks.append(_Task(root, depth, main))

    def _look(self, task: _Task) -> None:
        start = task.page * self._page_bytes
        for place in self._places(task):
            self._look_at_node(task, start, place)

    def _places(self, task: _Task) -> list[int]:
        """Where in the page its items are; none where it belongs to a large entry."""
        if not 2 <= task.page < self._whole_pages:
            raise PageDamaged(f"a reference to page {task.page}, which there isn't")
        start = task.page * self._page_bytes
        number, _, flags, lower, upper = _HEADER.unpack_from(self._pages, start)
        wanted = _BRANCH if task.levels > 1 else _LEAF if task.levels == 1 else _OVERFLOW
        if number != task.page or flags & (_BRANCH | _LEAF | _OVERFLOW) != wanted:
            raise PageDamaged(f"page {task.page} is not what it should be")
        if wanted == _OVERFLOW:
            (count,) = _OVERFLOW_PAGES.unpack_from(self._pages, start + 12)
            if not 1 <= count <= self._whole_pages - task.page:
                raise PageDamaged(f"page {task.page} claims {count} pages")
            return []
        if not _HEADER.size <= lower <= upper <= self._page_bytes or lower % 2:
            raise PageDamaged(f"page {task.page} has no proper list of its contents")
        places = memoryview(self._pages)[start + _HEADER.size : start + lower].cast("H").tolist()
        for place in places:
            if not upper <= place <= self._page_bytes - _NODE.size:
                raise PageDamaged(f"page {task.page} names a place outside itself")
        return places

    def _look_at_node(self, task: _Task, start: int, place: int) -> None:
        low, high, flags, key_bytes = _NODE.unpack_from(self._pages, start + place)
        if task.levels > 1:
            self._tasks.append(_Task(low | high << 16 | flags << 32, task.levels - 1, task.main))
            return
        data = place + _NODE.size + key_bytes
        held = _NUMBER.size if flags & _BIG else low | high << 16
        if data + held > self._page_bytes:
            raise PageDamaged(f"page {task.page} holds an item that reaches beyond it")
        if flags & _BIG:
            self._tasks.append(_Task(_NUMBER.unpack_from(self._pages, start + data)[0], 0))
        elif task.main and flags & _SUBTREE:
            self._add_tree(self._pages[start + data : start + data + _TREE.size])


def _page_bytes(pages: mmap.mmap, offset: int) -> int | None:
    """What the meta page at `offset` says; None if it is none."""
    at = offset + _HEADER.size
    if len(pages) < at + _META.size + 2 * _TREE.size + _META_TAIL.size:
        return None
    magic, version, _, _ = _META.unpack_from(pages, at)
    (size,) = _OVERFLOW_PAGES.unpack_from(pages, at + _META.size)
    usual = magic == _MAGIC and version == 1 and size in {1 << n for n in range(9, 17)}
    return size if usual else None
