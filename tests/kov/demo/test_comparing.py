"""The demo's verdict: it must not say OK where something is missing, changed, doubled or out of order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kov.demo.comparing import contents, differences, ends, faults_in
from kov.demo.records import Lot, Place, Record, Written, shares

LOT = Lot(client="aiokafka", codec="none", count=4)
RECORDS = LOT.records(start_ms=1_000)


def written(places: list[Place]) -> list[Written]:
    return [Written(lot=LOT, records=RECORDS, places=places, seconds=1.0)]


GOOD = written([(0, 0), (1, 0), (0, 1), (1, 1)])


def test_what_was_read_as_written_differs_nowhere() -> None:
    assert faults_in(GOOD) == []
    assert differences(contents(GOOD), contents(GOOD), "reader") == []
    assert ends(GOOD) == {0: 2, 1: 2}


@pytest.mark.parametrize(
    ("places", "fault"),
    [
        ([(0, 0), (1, 0), (0, 0), (1, 1)], "acknowledged twice"),
        ([(0, 0), (1, 0), (0, 2), (1, 1)], "partition 0: 2 records were acknowledged, but its end is 3"),
        ([(0, 1), (1, 0), (0, 0), (1, 1)], "partition 0, offset 0 was sent after 1"),
    ],
)
def test_impossible_acknowledgement_is_named(places: list[Place], fault: str) -> None:
    assert any(fault in each for each in faults_in(written(places)))


@pytest.mark.parametrize(
    "change",
    [
        {"key": b"other"},
        {"value": b"other"},
        {"headers": ()},
        {"timestamp_ms": 1},
    ],
)
def test_changed_record_is_named_with_its_place(change: dict[str, object]) -> None:
    found = contents(GOOD)
    found[1, 1] = replace(found[1, 1], **change)  # type: ignore[arg-type]
    (line,) = differences(contents(GOOD), found, "reader")
    assert line.startswith("reader: partition 1, offset 1: not what was written")


def test_missing_and_foreign_records_are_named() -> None:
    found = contents(GOOD)
    found[0, 2] = found.pop((0, 1))
    assert differences(contents(GOOD), found, "reader") == [
        "reader: partition 0, offset 1: missing",
        "reader: partition 0, offset 2: nobody wrote this record",
    ]


def test_many_differences_are_counted() -> None:
    found = {(0, offset): Record(None, b"", (), 0) for offset in range(100)}
    lines = differences({}, found, "reader")
    assert len(lines) == 6
    assert lines[-1] == "reader: 95 more"


def test_lots_cover_all_codecs_null_keys_and_null_values() -> None:
    lots = shares(1000)
    assert {lot.codec for lot in lots} == {"none", "gzip", "snappy", "lz4", "zstd"}
    for lot in lots:
        records = lot.records(0)
        assert records == lot.records(0)
        assert any(record.key is None for record in records)
        assert any(record.value is None for record in records)
