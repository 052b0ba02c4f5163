"""Which error codes an answer holds, in whatever depth. How to look is worked out once per type."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from operator import attrgetter
from types import UnionType
from typing import Final, Union, get_args, get_origin, get_type_hints

from kio.schema.errors import ErrorCode

Count = Callable[[object, dict[int, int]], None]
"""Adds one to the code's number for each error in a value; 0, no error, isn't counted. What is wrong with the
whole of a value counts once, whatever its parts say."""

_counts: Final[dict[type[object], Count | None]] = {}


def counter_of(kind: type[object]) -> Count | None:
    """For answers of that type; None where it can't hold any error."""
    if kind not in _counts:
        _counts[kind] = None  # for a type within itself: nothing to look for twice
        _counts[kind] = _counter(kind)
    return _counts[kind]


def _counter(kind: type[object]) -> Count | None:
    codes: list[Callable[[object], int]] = []
    nested: list[tuple[Callable[[object], object], Count]] = []
    hints = get_type_hints(kind)
    for each in fields(kind):  # type: ignore[arg-type]
        if hints[each.name] is ErrorCode:
            codes.append(attrgetter(each.name))
        elif (inner := _nested(hints[each.name])) and (count := counter_of(inner)):
            nested.append((attrgetter(each.name), count))
    if not codes and not nested:
        return None
    return _plain(codes[0]) if len(codes) == 1 and not nested else _deep(codes, nested)


def _nested(hint: object) -> type[object] | None:
    """The dataclass that a tuple, which may be optional, holds."""
    if get_origin(hint) in {Union, UnionType}:
        return next((found for member in get_args(hint) if (found := _nested(member))), None)
    inner = get_args(hint)[0] if get_origin(hint) is tuple else None
    return inner if isinstance(inner, type) and is_dataclass(inner) else None


def _plain(code_of: Callable[[object], int]) -> Count:
    def count(value: object, found: dict[int, int]) -> None:
        if code := code_of(value):
            found[code] = found.get(code, 0) + 1

    return count


def _deep(
    codes: list[Callable[[object], int]], nested: list[tuple[Callable[[object], object], Count]]
) -> Count:
    def count(value: object, found: dict[int, int]) -> None:
        for code_of in codes:
            if code := code_of(value):
                found[code] = found.get(code, 0) + 1
                return
        for inner_of, count_inner in nested:
            for inner in inner_of(value) or ():  # type: ignore[attr-defined]
                count_inner(inner, found)

    return count
