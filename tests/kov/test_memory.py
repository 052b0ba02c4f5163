"""What was freed is given back."""

from __future__ import annotations

import psutil
import pytest

from kov import memory

MIB = 1024 * 1024


@pytest.mark.skipif(memory._LIBRARY is None, reason="the C library isn't glibc 2.33 or later")
def test_holes_between_what_is_still_held_are_given_back() -> None:
    process = psutil.Process()
    memory.give_back()
    held = [b"x" * (100_000 + n % 10) for n in range(3000)]
    before = process.memory_info().rss
    kept = held[::10]
    held.clear()
    assert memory.give_back()
    assert process.memory_info().rss < before - 200 * MIB
    assert not memory.give_back()
    assert len(kept) == 300
