"""Numbers and states as people read them. Pure; status.js writes numbers in the same way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")
_KILO: Final = 1024.0
_MINUTE_S: Final = 60
_HOUR_S: Final = 3600
_DAY_S: Final = 86_400


def count(value: int) -> str:
    """1234567 is 1,234,567."""
    return f"{value:,}"


def counted(value: int, one: str, many: str | None = None) -> str:
    """1 partition, 2 partitions."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def size(value: float) -> str:
    """1536 is 1.5 KiB."""
    unit = 0
    while value >= _KILO and unit < len(_UNITS) - 1:
        value, unit = value / _KILO, unit + 1
    return f"{value:.0f} {_UNITS[unit]}" if unit == 0 or value >= 100 else f"{value:.1f} {_UNITS[unit]}"


def latency(seconds: float) -> str:
    """0.0031 is 3.1 ms."""
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{seconds * 1000:.1f} ms" if seconds < 0.01 else f"{seconds * 1000:.0f} ms"


def duration(seconds: float) -> str:
    """The two largest units: 2 d 3 h."""
    whole = int(seconds)
    if whole < _MINUTE_S:
        return f"{whole} s"
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min {whole % _MINUTE_S} s"
    if whole < _DAY_S:
        return f"{whole // _HOUR_S} h {whole % _HOUR_S // _MINUTE_S} min"
    return f"{whole // _DAY_S} d {whole % _DAY_S // _HOUR_S} h"


def quantile(bounds: Sequence[float], counts: Sequence[int], share: float) -> str:
    """At or below what that share of the values lay, as far as the histogram tells; "" without values."""
    wanted = sum(counts) * share
    if not wanted:
        return ""
    seen = 0
    for bound, counted_there in zip(bounds, counts, strict=False):
        seen += counted_there
        if seen >= wanted:
            return f"≤ {latency(bound)}"
    return f"> {latency(bounds[-1])}"
