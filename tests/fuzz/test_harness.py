"""What an attack keeps and saves, and how it hears of kov and of its own children."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.fuzz import corpus
from tests.fuzz.attack import Found, Kept, load
from tests.fuzz.guided import ROOT, afresh
from tests.fuzz.line import Conversation
from tests.fuzz.stage import whole_lines

_MIB = 1024 * 1024
_PEAK = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
_LARGE_PARENT = f"""
import subprocess, sys
from tests.fuzz.guided import afresh
large = b"x" * {300 * _MIB}
del large
command = [sys.executable, "-c", {_PEAK!r}]
print(subprocess.run(command, capture_output=True, text=True).stdout, afresh(command, 60)[1])
"""


def test_a_parsers_process_does_not_inherit_the_peak_of_its_parents_memory() -> None:
    """libFuzzer took the 4 GiB that its parent once had for its own, and each of its runs for a finding."""
    asked = [sys.executable, "-c", _LARGE_PARENT]
    said = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    inherited, own = map(int, said.split())
    assert inherited >= 300
    assert own < 100


def test_a_parsers_process_says_how_it_ended() -> None:
    assert afresh([sys.executable, "-c", "print('said'); raise SystemExit(7)"], 60) == (7, "said\n")


def test_a_parsers_process_that_does_not_end_is_ended(tmp_path: Path) -> None:
    code = "import time; print('begun', flush=True); time.sleep(600)"
    status, said = afresh([sys.executable, "-c", code], 1)
    assert status != 0
    assert said in {"begun\n", ""}


def test_the_conversations_that_are_kept_are_bounded_in_number() -> None:
    kept = Kept(3, 100)
    for n in range(10):
        kept.append(Conversation([bytes(n)]))
    assert [talk.size for talk in kept] == [7, 8, 9]


def test_the_conversations_that_are_kept_are_bounded_in_bytes() -> None:
    """400 of them were kept whatever their sizes, and 946 MB written."""
    kept = Kept(400, 100)
    for size in (60, 30, 10, 1):
        kept.append(Conversation([bytes(size)]))
    assert [talk.size for talk in kept] == [30, 10, 1]


def test_the_last_conversation_is_kept_however_large_it_is() -> None:
    kept = Kept(400, 100)
    for size in (5, 60, 41, 5_000):
        kept.append(Conversation([bytes(size)]))
    assert [talk.size for talk in kept] == [5_000]
    kept.append(Conversation([b"next"]))
    assert [talk.size for talk in kept] == [4]


def test_what_was_said_is_saved_and_said_again(tmp_path: Path) -> None:
    """An empty request looked like the end of its conversation."""
    talks = [
        Conversation([b"", b"request"], "cut", [1, 20]),
        Conversation([corpus.recorded()[0]]),
        Conversation([b"last", b""]),
    ]
    path = tmp_path / "new" / "found.txt"
    Found(ValueError("what\n\nwent wrong"), talks, "a line\n\nand another").save(path)
    assert load(path) == talks


def test_a_status_line_that_is_half_written_is_not_read(tmp_path: Path) -> None:
    watch = tmp_path / "watch.jsonl"
    assert whole_lines(watch) == []
    watch.write_text('{"connections": 1}\n{"connections": 0, "tas')
    assert whole_lines(watch) == ['{"connections": 1}']
