"""Whether what was read is what was written. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from kov.demo.records import Contents, Place, Record, Written

_MOST = 5


def contents(written: Sequence[Written]) -> dict[Place, Record]:
    """Every acknowledged record at its place."""
    return {
        place: record for each in written for place, record in zip(each.places, each.records, strict=True)
    }


def ends(written: Sequence[Written]) -> dict[int, int]:
    """The next offset of every partition that was written to."""
    last: dict[int, int] = {}
    for partition, offset in (place for each in written for place in each.places):
        last[partition] = max(last.get(partition, 0), offset + 1)
    return last


def faults_in(written: Sequence[Written]) -> list[str]:
    """Acknowledged places that can't be: one given twice, a gap, an order that isn't that of sending."""
    faults = []
    places = [place for each in written for place in each.places]
    if len(set(places)) != len(places):
        faults.append(f"{len(places) - len(set(places))} places were acknowledged twice")
    for partition, end in sorted(ends(written).items()):
        count = sum(1 for place in set(places) if place[0] == partition)
        if count != end:
            faults.append(f"partition {partition}: {count} records were acknowledged, but its end is {end}")
    for each in written:
        faults += _disorder(each)
    return faults


def differences(expected: Contents, found: Contents, reader: str) -> list[str]:
    """One line for each of the first few records that differ."""
    lines = [
        f"{reader}: {_where(place)}: {_what(expected.get(place), found.get(place))}"
        for place in sorted(expected.keys() | found.keys())
        if expected.get(place) != found.get(place)
    ]
    return lines[:_MOST] + ([f"{reader}: {len(lines) - _MOST} more"] if len(lines) > _MOST else [])


def _disorder(written: Written) -> list[str]:
    newest: dict[int, int] = {}
    for partition, offset in written.places:
        if offset < newest.get(partition, -1):
            return [f"{written.lot.name}: {_where((partition, offset))} was sent after {newest[partition]}"]
        newest[partition] = offset
    return []


def _where(place: Place) -> str:
    return f"partition {place[0]}, offset {place[1]}"


def _what(expected: Record | None, found: Record | None) -> str:
    if found is None:
        return "missing"
    if expected is None:
        return "nobody wrote this record"
    return f"not what was written: {found!r} instead of {expected!r}"[:300]
