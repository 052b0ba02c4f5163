"""What was freed is given back."""

from __future__ import annotations

import mmap
import subprocess
import sys

import psutil
import pytest

from kov import memory
from kov.memory import FreedMemory

MIB = 1024 * 1024

pytestmark = pytest.mark.skipif(memory._LIBRARY is None, reason="the C library isn't glibc 2.33 or later")


@pytest.fixture
def freed() -> FreedMemory:
    """Has given back what other tests have freed."""
    freed = FreedMemory()
    freed.give_back()
    return freed


def test_holes_between_what_is_still_held_are_given_back(freed: FreedMemory) -> None:
    process = psutil.Process()
    held = [b"x" * (100_000 + n % 10) for n in range(3000)]
    before = process.memory_info().rss
    kept = held[::10]
    held.clear()
    assert freed.give_back()
    assert process.memory_info().rss < before - 200 * MIB
    assert not freed.give_back()
    assert len(kept) == 300


def test_memory_that_is_not_mallocs_is_looked_for_once(freed: FreedMemory) -> None:
    """Python keeps its small objects in pages of its own."""
    with mmap.mmap(-1, 300 * MIB) as pages:
        pages.write(bytes(300 * MIB))
        freed.give_back()
        assert not freed.give_back()


_PROGRAM = """
import resource, sys
from kov.memory import keep_freed
if sys.argv[1] == "kept":
    keep_freed()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
pieces = [b"x" * 100_000] * 9
for turn in range(110):
    if turn == 10:
        before = faults()
    held = [b"".join(pieces) for _ in range(4)]
    del held
print(faults() - before)
"""


def test_batches_take_the_pages_of_those_before_them() -> None:
    """Four of 0.9 MB at a time, as a request is copied, have 880 pages, which glibc takes anew each time."""
    kept, usual = (
        int(subprocess.run([sys.executable, "-c", _PROGRAM, how], capture_output=True, check=True).stdout)
        for how in ("kept", "usual")
    )
    assert kept < 1_000
    assert usual > 20_000
