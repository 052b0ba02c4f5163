"""A profile by room and by function, and the CPU time of each thread."""

from __future__ import annotations

import pstats
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import psutil
from rich import box
from rich.console import Console
from rich.table import Table

from bench.values import MIB, Outcome

Function: TypeAlias = tuple[str, int, str]
"""File, line and name; a native function has the file `~`."""

_NATIVE = "~"
_LOOP = "event loop and kernel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Seconds in a function itself; a native one's are told apart by the Python function that called it."""

    room: str
    where: str
    seconds: float
    calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """`main_s` is the CPU time of the thread with the event loop, `threads` that of each other thread."""

    lines: Sequence[Line]
    main_s: float
    threads: Mapping[str, float]
    outcome: Outcome
    record_bytes: int


def lines(stats: pstats.Stats, root: Path) -> list[Line]:
    """The most expensive first."""
    return sorted(_lines(stats, root), key=lambda line: line.seconds, reverse=True)


def _lines(stats: pstats.Stats, root: Path) -> Iterator[Line]:
    functions: dict[Function, tuple[int, int, float, float, dict[Function, tuple[int, int, float, float]]]]
    functions = stats.stats  # type: ignore[attr-defined]
    for function, (_, calls, seconds, _, callers) in functions.items():
        if function[0] != _NATIVE:
            room, where = _place(function, root)
            yield Line(room=room, where=where, seconds=seconds, calls=calls)
            continue
        for caller, (_, its_calls, its_seconds, _) in callers.items():
            room, where = _place(caller, root)
            yield Line(
                room=room, where=f"{where} → {_short(function[2])}", seconds=its_seconds, calls=its_calls
            )
        if not callers:  # called by the event loop itself
            yield Line(room=_LOOP, where=_short(function[2]), seconds=seconds, calls=calls)


def _place(function: Function, root: Path) -> tuple[str, str]:
    file, number, name = function
    path = Path(file)
    if path.is_relative_to(root) and "site-packages" not in path.parts:
        room = str(path.relative_to(root))
        return room, f"{room}:{number} {name}"
    parts = path.parts
    if "site-packages" in parts:
        inside = parts[parts.index("site-packages") + 1 :]
        return inside[0], f"{'/'.join(inside)}:{number} {name}"
    room = "asyncio" if "asyncio" in parts else "Python's library"
    return room, f"{path.name}:{number} {name}"


def _short(native: str) -> str:
    return native.removeprefix("<").removesuffix(">").replace("built-in method ", "").replace("method ", "")


def threads() -> dict[int, float]:
    """CPU seconds by thread id."""
    return {each.id: each.user_time + each.system_time for each in psutil.Process().threads()}


def since(before: Mapping[int, float]) -> dict[str, float]:
    """CPU seconds by thread name; threads that ended meanwhile are missing."""
    names = {thread.native_id: thread.name for thread in threading.enumerate()}
    main = threading.main_thread().native_id
    used: dict[str, float] = defaultdict(float)
    for number, seconds in threads().items():
        if number != main:
            used[names.get(number, "native threads (gRPC)")] += seconds - before.get(number, 0.0)
    return {name: seconds for name, seconds in used.items() if seconds >= 0.005}


def show(console: Console, profile: Profile, what: str, shown: int) -> None:
    outcome = profile.outcome
    mib = outcome.records * profile.record_bytes / MIB
    console.print(
        f"{what}: {outcome.records:,} records of {profile.record_bytes} B in {outcome.seconds:.1f} s, "
        f"{outcome.requests:,} Produce requests, {mib / outcome.seconds:.1f} MiB/s",
        highlight=False,
    )
    rooms: dict[str, float] = defaultdict(float)
    for line in profile.lines:
        rooms[line.room] += line.seconds
    rooms[_LOOP] += max(0.0, profile.main_s - sum(rooms.values()))
    total = profile.main_s + sum(profile.threads.values())
    rows = [(f"thread: {name}", seconds) for name, seconds in profile.threads.items()]
    rows += sorted(rooms.items(), key=lambda each: each[1], reverse=True)
    table = _table("room", "share", "µs/request", "ms/MiB")
    for room, seconds in rows:
        if seconds / total >= 0.002:
            table.add_row(room, *_figures(seconds, total, outcome, mib))
    table.add_row("all", *_figures(total, total, outcome, mib))
    console.print(table)
    table = _table(
        "function itself, and native ones by their caller", "share", "µs/request", "ms/MiB", "calls/request"
    )
    for line in profile.lines[:shown]:
        calls = f"{line.calls / outcome.requests:.1f}"
        table.add_row(line.where, *_figures(line.seconds, total, outcome, mib), calls)
    console.print(table)


def _figures(seconds: float, total: float, outcome: Outcome, mib: float) -> list[str]:
    per_request = seconds * 1e6 / outcome.requests
    return [f"{seconds / total:.1%}", f"{per_request:.1f}", f"{seconds * 1000 / mib:.3f}"]


def _table(first: str, *others: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(first, overflow="fold")
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table
