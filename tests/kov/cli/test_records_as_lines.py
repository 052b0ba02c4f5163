"""Lines to records and back: separators, nulls, JSON, bytes that are no text."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from kov.tools.records.formats import Plain, for_people, hex_dump, json_line
from kov.tools.records.lines import LineFormat, lines
from kov.tools.records.record import BadRecord, Record, Stored, from_json


@contextmanager
def pipe_with(*chunks: bytes) -> Iterator[int]:
    reader, writer = os.pipe()
    for chunk in chunks:
        os.write(writer, chunk)
    os.close(writer)
    yield reader
    os.close(reader)


def stored(key: bytes | None, value: bytes | None, *headers: tuple[str, bytes | None]) -> Stored:
    record = Record(key=key, value=value, headers=headers, timestamp_ms=1_700_000_000_123)
    return Stored(topic="t", partition=2, offset=7, record=record)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", []),
        (b"\n", [b""]),
        (b"a\nb", [b"a", b"b"]),
        (b"a\n\nb\n", [b"a", b"", b"b"]),
        (b"a\r\n", [b"a\r"]),
    ],
)
def test_lines_end_where_they_end(text: bytes, expected: list[bytes]) -> None:
    with pipe_with(text) as reader:
        assert list(lines(reader, lambda: None)) == expected


def test_a_line_longer_than_a_read_stays_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kov.tools.records.lines._CHUNK", 3)
    with pipe_with(b"abcdefgh\nij\nk") as reader:
        assert list(lines(reader, lambda: None)) == [b"abcdefgh", b"ij", b"k"]


def test_while_no_line_comes_something_else_is_done() -> None:
    reader, writer = os.pipe()
    turns = []

    def idle() -> None:
        turns.append(1)
        os.write(writer, b"late\n")
        os.close(writer)

    assert list(lines(reader, idle)) == [b"late"]
    assert turns == [1]
    os.close(reader)


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        (b"k:v", b"k", b"v"),
        (b"k:v:w", b"k", b"v:w"),
        (b":v", b"", b"v"),
        (b"v", None, b"v"),
        (b"k:NULL", b"k", None),
        (b"NULL:v", None, b"v"),
    ],
)
def test_the_first_separator_ends_the_key(line: bytes, key: bytes | None, value: bytes | None) -> None:
    record = LineFormat(key_separator=b":", null=b"NULL", headers=[("h", b"1")]).record(line)
    assert (record.key, record.value, record.headers) == (key, value, (("h", b"1"),))


def test_what_is_shown_as_json_can_be_sent_again() -> None:
    whole = stored(b"\xff\x00", None, ("text", "\u00e4".encode()), ("binary", b"\x80"), ("null", None))
    line = json_line(whole)
    assert LineFormat(json=True).record(line) == whole.record
    assert '"\u00e4"' in line.decode()


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("", "this is not JSON"),
        ("[1]", "this is no JSON object"),
        ('{"key": 1}', "key: 1 is no string"),
        ('{"value": {"base64": "?"}}', "value: this is not base64"),
        ('{"timestamp": "now"}', "timestamp: 'now' is no number"),
        ('{"timestamp": true}', "timestamp: True is no number"),
        ('{"headers": [["a"]]}', "headers: write"),
        ('{"headers": 5}', "headers: write"),
        ('{"headers": {"a": 5}}', "headers: a: 5 is no string"),
    ],
)
def test_a_bad_line_is_named(line: str, wrong: str) -> None:
    with pytest.raises(BadRecord, match=wrong):
        from_json(line.encode())


def test_text_is_the_value_as_it_is() -> None:
    assert Plain()(stored(b"k", b"\xff\x1b[2J")) == b"\xff\x1b[2J\n"
    assert Plain(key_separator=b"=", null=b"-")(stored(None, None)) == b"-=-\n"


def test_nothing_in_a_record_moves_the_cursor() -> None:
    shown = for_people(stored(b"\x1b[2J", "\u202ea\u00e4\nb\xff".encode(), ("h", b"\r"))).decode()
    assert "\\x1b[2J" in shown
    assert "\\u202ea\u00e4\\nb\u00ff" in shown
    assert "h=\\r" in shown
    assert shown.count("\n") == 1


def test_hex_shows_every_byte() -> None:
    assert hex_dump(stored(None, bytes(range(0x38, 0x4A)), ("h", b""))).decode() == (
        "t/2 offset 7, 2023-11-14 22:13:20.123Z\n"
        "key: null\n"
        "value: 18 bytes\n"
        "  00000000  38 39 3a 3b 3c 3d 3e 3f  40 41 42 43 44 45 46 47  |89:;<=>?@ABCDEFG|\n"
        "  00000010  48 49                                             |HI|\n"
        "header h: 0 bytes\n"
        "\n"
    )
