"""Which offsets are meant, and which time."""

from __future__ import annotations

from datetime import datetime

import pytest

from kov.errors import ConfigError
from kov.tools.records.spans import Extent, Span, Wanted, spans
from kov.tools.tables import size
from kov.tools.times import parse_time, time_text

NOW_MS = 1_700_000_000_000


def span(wanted: Wanted, extent: Extent) -> tuple[int, int | None] | None:
    found: Span | None = spans(wanted, {0: extent}).get(0)
    return (found.begin, found.end) if found else None


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(), (10, 50)),
        (Wanted(first=20), (20, 50)),
        (Wanted(first=3), (10, 50)),
        (Wanted(first=60), None),
        (Wanted(end=20), (10, 20)),
        (Wanted(end=99), (10, 50)),
        (Wanted(end=10), None),
        (Wanted(first=20, end=21), (20, 21)),
        (Wanted(last=5), (45, 50)),
        (Wanted(last=500), (10, 50)),
        (Wanted(last=0), None),
        (Wanted(follow=True), (10, None)),
        (Wanted(last=0, follow=True), (50, None)),
        (Wanted(first=60, follow=True), (50, None)),
    ],
)
def test_offsets_stay_within_what_is_there(wanted: Wanted, expected: tuple[int, int | None] | None) -> None:
    assert span(wanted, Extent(first=10, end=50)) == expected


def test_times_mean_the_offsets_that_kov_names() -> None:
    extent = Extent(first=10, end=50, since=30, until=40)
    assert span(Wanted(since_ms=1, until_ms=2), extent) == (30, 40)
    assert span(Wanted(since_ms=1), Extent(first=10, end=50, since=50)) is None


@pytest.mark.parametrize(
    ("wanted", "wrong"),
    [
        (Wanted(first=1, last=1), "--from and --last"),
        (Wanted(since_ms=1, last=0), "--since and --last"),
        (Wanted(end=1, follow=True), "--to and --follow"),
        (Wanted(until_ms=1, follow=True), "--until and --follow"),
        (Wanted(first=5, end=4), "--to 4 lies before --from 5"),
        (Wanted(since_ms=5, until_ms=4), "--until lies before --since"),
    ],
)
def test_what_does_not_go_together_is_said(wanted: Wanted, wrong: str) -> None:
    with pytest.raises(ConfigError, match=wrong):
        wanted.check()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1700000000000", 1_700_000_000_000),
        ("90s", NOW_MS - 90_000),
        ("15m", NOW_MS - 900_000),
        ("2h", NOW_MS - 7_200_000),
        ("7d", NOW_MS - 604_800_000),
        ("2023-11-14T22:13:20Z", NOW_MS),
        ("2023-11-14 22:13:20.5+00:00", NOW_MS + 500),
        ("2023-11-14", int(datetime(2023, 11, 14).astimezone().timestamp() * 1000)),
    ],
)
def test_times_are_read(text: str, expected: int) -> None:
    assert parse_time(text, NOW_MS) == expected


@pytest.mark.parametrize("text", ["", "yesterday", "15", "15 m", "-5m", "2023-13-01"])
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="is no time; write for example 2026-11-23"):
        parse_time(text, NOW_MS)


def test_times_and_sizes_are_written_for_people() -> None:
    assert time_text(NOW_MS + 7) == "2023-11-14 22:13:20.007Z"
    assert (time_text(-1), time_text(2**62)) == ("none", f"{2**62} ms")
    assert [size(each) for each in (0, 1023, 1024, 1536 << 10, 3 << 40)] == [
        *("0 B", "1023 B", "1.0 KiB", "1.5 MiB", "3.0 TiB")
    ]
