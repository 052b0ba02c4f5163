"""The table of docs/reliability.md: how long records waited at the worst, per kind of fault."""

from __future__ import annotations

from collections.abc import Iterator

from tests.adversity.state import SEVERAL, UNDISTURBED, Result, Seen, State, total


def report(state: State) -> Iterator[str]:
    for storage in sorted({result.storage for result in state.results}):
        yield from _table(storage, [each for each in state.results if each.storage == storage])


def _table(storage: str, results: list[Result]) -> Iterator[str]:
    seen = total(results)
    faults, records = sum(each.faults for each in results), sum(each.records for each in results)
    findings = sum(len(each.findings) for each in results)
    minutes = sum(each.seconds for each in results) / 60
    yield (
        f"On `{storage}`: {faults} faults in {len(results)} rounds and {minutes:.0f} minutes, "
        f"{records:,} records sent, {findings} findings."
    )
    yield ""
    yield "| fault | times | records on their way | longest wait |"
    yield "|---|---|---|---|"
    for name in sorted(seen.keys() - {SEVERAL, UNDISTURBED}):
        yield _row(name, seen[name])
    for name in (SEVERAL, UNDISTURBED):
        if name in seen:
            yield _row(name, seen[name])
    yield ""


def _row(name: str, seen: Seen) -> str:
    times = str(seen.faults) if seen.faults else ""
    return f"| {name} | {times} | {seen.records:,} | {seen.worst_s:.1f} s |"
