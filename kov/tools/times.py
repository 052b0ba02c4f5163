"""Points in time as people write and read them. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

_AGO: Final = re.compile(r"(?P<count>[0-9]+)(?P<unit>[smhd])")
_UNITS_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_MILLISECONDS: Final = re.compile(r"[0-9]{10,15}")
EXAMPLES: Final = "2026-11-23, 2026-11-23T08:30:00Z, 15m (ago), or milliseconds since 1970"


def time_text(time_ms: int) -> str:
    """In UTC, to the millisecond; `none` for a negative one, which stands for none."""
    if time_ms < 0:
        return "none"
    try:
        moment = datetime.fromtimestamp(time_ms / 1000, UTC)
    except (OverflowError, ValueError, OSError):  # producers may send any number
        return f"{time_ms} ms"
    return f"{moment:%Y-%m-%d %H:%M:%S}.{time_ms % 1000:03d}Z"


def parse_time(text: str, now_ms: int) -> int:
    """Milliseconds since 1970 of a date and time (local where it names no zone), so long ago, or as given.

    Raises ValueError, whose text says what to write.
    """
    if _MILLISECONDS.fullmatch(text):
        return int(text)
    if ago := _AGO.fullmatch(text):
        return now_ms - int(ago["count"]) * _UNITS_MS[ago["unit"]]
    try:
        return int(datetime.fromisoformat(text).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is no time; write for example {EXAMPLES}") from None
