"""A change is seen once, when it is complete: a save that is half done trips nothing."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from kov.reload.watch import FileWatch

OLD, NEW = b"topics: {a: 1}\n", b"topics: {a: 1, b: 2}\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "m.yaml"
    path.write_bytes(OLD)
    return path


@pytest.fixture
def watch(file: Path) -> FileWatch:
    return FileWatch(file, hashlib.sha256(OLD).digest())


def test_a_change_is_given_once_and_only_when_it_has_stayed(watch: FileWatch, file: Path) -> None:
    assert watch.poll() is None
    file.write_bytes(NEW)
    assert [watch.poll() for _ in range(4)] == [None, NEW, None, None]
    file.write_bytes(OLD)
    assert [watch.poll() for _ in range(3)] == [None, OLD, None]


def test_a_change_before_the_first_look_is_seen(file: Path) -> None:
    watch = FileWatch(file, hashlib.sha256(b"as it was when kov read it").digest())
    assert [watch.poll(), watch.poll()] == [None, OLD]


def test_a_file_that_is_still_being_written_is_waited_for(watch: FileWatch, file: Path) -> None:
    for end in range(0, len(NEW), 4):
        file.write_bytes(NEW[:end])
        assert watch.poll() is None, NEW[:end]
    file.write_bytes(NEW)
    assert [watch.poll(), watch.poll()] == [None, NEW]


def test_a_file_that_is_gone_between_two_looks_is_no_change(watch: FileWatch, file: Path) -> None:
    file.rename(file.with_suffix(".bak"))
    assert watch.poll() is None
    assert watch.missing
    file.with_suffix(".bak").rename(file)
    assert [watch.poll(), watch.poll()] == [None, None]
    assert not watch.missing


def test_another_file_that_takes_its_place_at_once_is_a_change(watch: FileWatch, file: Path) -> None:
    new = file.with_suffix(".new")
    new.write_bytes(NEW)
    before = file.stat()
    os.utime(new, ns=(before.st_atime_ns, before.st_mtime_ns))
    new.replace(file)
    assert [watch.poll(), watch.poll()] == [None, NEW]


def test_a_symbolic_link_that_leads_elsewhere_now_is_a_change(tmp_path: Path) -> None:
    for name, content in (("one", OLD), ("two", NEW)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "m.yaml").write_bytes(content)
    (tmp_path / "data").symlink_to("one")
    watch = FileWatch(tmp_path / "data" / "m.yaml", hashlib.sha256(OLD).digest())
    assert watch.poll() is None
    (tmp_path / "next").symlink_to("two")
    (tmp_path / "next").rename(tmp_path / "data")
    assert [watch.poll(), watch.poll()] == [None, NEW]


def test_a_file_that_was_only_touched_is_no_change(watch: FileWatch, file: Path) -> None:
    file.write_bytes(OLD)
    assert [watch.poll() for _ in range(3)] == [None] * 3


def test_what_was_taken_is_not_given_again(watch: FileWatch, file: Path) -> None:
    file.write_bytes(NEW)
    assert watch.poll() is None
    assert watch.take() == NEW
    assert [watch.poll(), watch.poll()] == [None, None]
